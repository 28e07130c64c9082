// What a task writes while it runs: the kept end of its log, then each line as it comes; the number of a line says whether the
// kept end has it already. Lines that only tell the progress are shown as such.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { executionApi } from '../api';
import { useLive, type LiveEvent } from '../live/client';
import { Progress } from '../figures';
import { VirtualList } from '../list';
import { Loaded, useResource } from '../resource';
import type { Inspection } from '../types';

const LINES_MOST = 5000;
const ROW_HEIGHT = 20;

// 0 … 1, of a line that holds nothing else.
function progressOf(line: string): number | null {
	const found = /^\{"progress":\s*([\d.]+)\}$/.exec(line);
	return found ? Math.min(1, Number(found[1])) : null;
}

export function LogTab({ arn, visit }: { arn: string; visit: Inspection }) {
	const attempts = visit.attempts ?? [];
	const chosen = useSignal<number | null>(null);
	const task = chosen.value ?? attempts.at(-1)?.event ?? null;
	const kept = useResource<{ task: number; log: string; number: number }>(task === null ? null : executionApi(arn, '/log', { task }));
	const came = useSignal<{ number: number; line: string }[]>([]);
	const progress = useSignal<number | null>(null);
	useEffect(() => {
		came.value = [];
		progress.value = null;
	}, [task]);
	useLive(
		task === null ? [] : [`log:${arn}`],
		({ data }: LiveEvent) => {
			if (data.task !== task) return;
			if (typeof data.progress === 'number') progress.value = data.progress;
			if (typeof data.line === 'string') came.value = [...came.value, { number: Number(data.number), line: data.line }].slice(-LINES_MOST);
		},
		kept.reload,
	);
	const written = kept.data.value?.log.replace(/\n$/, '') ?? '';
	const last = kept.data.value?.number ?? Infinity;
	const newer = came.value.filter(({ number }) => number > last);
	const all = [...(written ? written.split('\n') : []), ...newer.map(({ line }) => line)];
	// The kept end was read before the stream began.
	const missing = newer.length > 0 && newer[0]!.number > last + 1;
	useEffect(() => {
		if (missing) kept.reloadSoon();
	}, [missing, last]);
	const lines = all.filter((line) => progressOf(line) === null).slice(-LINES_MOST);
	const share = progress.value ?? all.map(progressOf).filter((one) => one !== null).at(-1) ?? null;
	if (visit.type !== 'Task') return <p class="muted">Only tasks write a log.</p>;
	if (task === null) return <p class="muted">No attempt was made yet.</p>;
	return (
		<div class="log">
			{attempts.length > 1 && (
				<label class="inline">
					Attempt{' '}
					<select value={String(task)} onChange={(event) => (chosen.value = Number(event.currentTarget.value))}>
						{attempts.map((attempt, index) => (
							<option value={attempt.event} key={attempt.event} selected={attempt.event === task}>
								{index + 1} · {attempt.outcome}
							</option>
						))}
					</select>
				</label>
			)}
			{share !== null && visit.outcome === 'running' && <Progress label="Progress" parts={[{ tone: 'run', share }]} text={`${Math.round(share * 100)} %`} />}
			<Loaded of={kept} lines={6}>
				{() => (
					<VirtualList
						label="Log"
						role="list"
						class="log-lines"
						count={lines.length}
						rowHeight={ROW_HEIGHT}
						stickToEnd
						empty={<p class="empty">{visit.outcome === 'running' ? 'It has written nothing yet.' : 'It wrote nothing.'}</p>}
						row={(index) => (
							<div role="listitem" class="log-line" key={index} title={lines[index]?.slice(0, 2000)}>
								{lines[index]}
							</div>
						)}
					/>
				)}
			</Loaded>
		</div>
	);
}
