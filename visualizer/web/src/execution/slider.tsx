// The time slider: which moment all panes show. Without one they show the newest and follow it.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { StatusPill } from '../status';
import { formatDuration, Moment } from '../time';
import type { Execution, StateAt } from '../types';

const PLAY_STEP_MS = 120;
const PLAY_STEPS = 40; // a whole play takes at most about so many steps

interface SliderProps {
	arn: string;
	execution: Execution;
	at: StateAt | null;
	moment: number;
	live: boolean;
	onMove: (ev: number) => void;
	onLive: () => void;
}

export function Slider({ arn, execution, at, moment, live, onMove, onLive }: SliderProps) {
	const playing = useSignal(false);
	const last = execution.events;
	useEffect(() => {
		if (!playing.value) return;
		const step = Math.max(1, Math.ceil(last / PLAY_STEPS));
		const timer = setTimeout(() => {
			const to = moment + step;
			if (to >= last) playing.value = false;
			onMove(Math.min(last, to));
		}, PLAY_STEP_MS);
		return () => clearTimeout(timer);
	}, [playing.value, moment, last]);
	useEffect(() => {
		playing.value = false;
	}, [arn]);
	const play = () => {
		if (!playing.value && moment >= last) onMove(1);
		playing.value = !playing.value;
	};
	const since = at ? at.time_ms - execution.start_ms : 0;
	return (
		<section class="pane slider" aria-label="Moment">
			<button type="button" aria-label="Event before" title="Event before ([)" disabled={moment <= 1} onClick={() => onMove(moment - 1)}>
				‹
			</button>
			<button type="button" aria-label={playing.value ? 'Pause' : 'Play'} title="Play the events" onClick={play}>
				{playing.value ? '❚❚' : '▶'}
			</button>
			<button type="button" aria-label="Next event" title="Next event (])" disabled={moment >= last} onClick={() => onMove(moment + 1)}>
				›
			</button>
			<input
				type="range"
				aria-label="Event"
				aria-valuetext={`event ${moment} of ${last}`}
				min={1}
				max={Math.max(1, last)}
				value={moment}
				onInput={(event) => onMove(Number(event.currentTarget.value))}
			/>
			<span class="number slider-text">
				event <b data-testid="moment">{moment}</b> of {last} · +{formatDuration(Math.max(0, since))}
				{!live && at && (
					<>
						{' · '}
						<StatusPill status={at.status} /> <Moment ms={at.time_ms} />
					</>
				)}
			</span>
			<button type="button" aria-pressed={live} title="Show the newest moment and follow it" onClick={onLive}>
				Live
			</button>
		</section>
	);
}
