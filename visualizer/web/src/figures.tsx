// Small pictures of numbers: a day's sparkline, a bar of progress.
import type { Tone } from './status';

const SPARK_WIDTH = 168;
const SPARK_HEIGHT = 26;

// Pairs [succeeded, failed] of hours, oldest first; failures on top.
export function Sparkline({ hours }: { hours: [number, number][] }) {
	const most = Math.max(1, ...hours.map(([ok, failed]) => ok + failed));
	const step = SPARK_WIDTH / Math.max(1, hours.length);
	const ended = hours.reduce((sum, [ok, failed]) => sum + ok + failed, 0);
	const failed = hours.reduce((sum, [, bad]) => sum + bad, 0);
	// What is there at all is seen: at least two pixels.
	const tall = (count: number) => (count ? Math.max(2, (count / most) * (SPARK_HEIGHT - 2)) : 0);
	return (
		<svg class="sparkline" viewBox={`0 0 ${SPARK_WIDTH} ${SPARK_HEIGHT}`} role="img" aria-label={`${ended} ended in 24 hours, ${failed} of them badly`}>
			{hours.map(([ok, bad], hour) => {
				const good = tall(ok);
				const ill = tall(bad);
				const x = hour * step;
				const width = step - 1.5;
				return (
					<g key={hour}>
						{!ok && !bad && <rect class="sparkline-none" x={x} y={SPARK_HEIGHT - 1} width={width} height="1" />}
						<rect class="sparkline-ok" x={x} y={SPARK_HEIGHT - good} width={width} height={good} />
						<rect class="sparkline-bad" x={x} y={SPARK_HEIGHT - good - ill} width={width} height={ill} />
					</g>
				);
			})}
		</svg>
	);
}

export interface ProgressPart {
	tone: Tone;
	share: number; // 0 … 1
}

export function Progress(props: { label: string; parts: ProgressPart[]; text: string }) {
	const done = props.parts.reduce((sum, part) => sum + part.share, 0);
	return (
		<div class="progress">
			<span class="clip" title={props.label}>
				{props.label}
			</span>
			<div
				class="progress-track"
				role="progressbar"
				aria-label={props.label}
				aria-valuemin={0}
				aria-valuemax={100}
				aria-valuenow={Math.round(done * 100)}
				aria-valuetext={props.text}
			>
				{props.parts.map((part) => (
					<div class={`progress-part tone-${part.tone}`} style={{ width: `${part.share * 100}%` }} key={part.tone} />
				))}
			</div>
			<span class="number">{props.text}</span>
		</div>
	);
}
