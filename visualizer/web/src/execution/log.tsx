// What a task writes while it runs: the kept end of its log, then each line as it comes.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { executionApi } from '../api';
import { useLive, type LiveEvent } from '../live/client';
import { VirtualList } from '../list';
import { Loaded, useResource } from '../resource';
import type { Inspection } from '../types';

const LINES_MOST = 5000;
const ROW_HEIGHT = 20;

export function LogTab({ arn, visit }: { arn: string; visit: Inspection }) {
	const attempts = visit.attempts ?? [];
	const chosen = useSignal<number | null>(null);
	const task = chosen.value ?? attempts.at(-1)?.event ?? null;
	const kept = useResource<{ task: number; log: string }>(task === null ? null : executionApi(arn, '/log', { task }));
	const came = useSignal<string[]>([]);
	const progress = useSignal<number | null>(null);
	useEffect(() => {
		came.value = [];
		progress.value = null;
	}, [task]);
	const refresh = () => {
		came.value = [];
		kept.reload();
	};
	useLive(
		task === null ? [] : [`log:${arn}`],
		({ data }: LiveEvent) => {
			if (data.task !== task) return;
			if (typeof data.progress === 'number') progress.value = data.progress;
			if (typeof data.line === 'string') came.value = [...came.value, data.line].slice(-LINES_MOST);
		},
		refresh,
	);
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
			{progress.value !== null && <p class="number">{Math.round(progress.value * 100)} %</p>}
			<Loaded of={kept} lines={6}>
				{({ log }) => {
					const lines = [...(log ? log.replace(/\n$/, '').split('\n') : []), ...came.value].slice(-LINES_MOST);
					return (
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
					);
				}}
			</Loaded>
		</div>
	);
}
