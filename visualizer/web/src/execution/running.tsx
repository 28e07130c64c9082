// What runs now: progress of tasks that tell it, counts of Maps, and how long it will take.
import type { Signal } from '@preact/signals';
import { Progress } from '../figures';
import { formatDuration, now } from '../time';
import type { Execution, MapFigures, RunningTask, StateAt } from '../types';

const TASKS_MOST = 4;

// From what was done and how long it took; nothing until something is done.
export function etaOf(map: MapFigures, sinceMs: number): number | null {
	const done = map.succeeded + map.failed + map.aborted;
	return done ? (sinceMs / done) * (map.length - done) : null;
}

function MapRow({ name, map, sinceMs }: { name: string; map: MapFigures; sinceMs: number }) {
	const done = map.succeeded + map.failed + map.aborted;
	const eta = etaOf(map, sinceMs);
	const length = Math.max(1, map.length);
	const rate = sinceMs > 0 ? (done / sinceMs) * 1000 : 0;
	const text = [
		`${done} of ${map.length}`,
		map.failed ? `${map.failed} failed` : '',
		`${map.running} running`,
		rate ? `${rate >= 10 ? rate.toFixed(0) : rate.toFixed(2)} a second` : '',
		eta !== null ? `about ${formatDuration(Math.max(1000, Math.round(eta / 1000) * 1000))} left` : '',
	];
	return (
		<Progress
			label={name}
			parts={[
				{ tone: 'ok', share: map.succeeded / length },
				{ tone: 'bad', share: (map.failed + map.aborted) / length },
			]}
			text={text.filter(Boolean).join(' · ')}
		/>
	);
}

function TaskRow({ task }: { task: RunningTask }) {
	const share = task.progress ?? 0;
	const eta = task.eta_ms === undefined ? '' : ` · about ${formatDuration(Math.max(1000, Math.round(task.eta_ms / 1000) * 1000))} left`;
	const text = task.progress === undefined ? `for ${formatDuration(Math.max(0, now.value - task.started_ms))}` : `${Math.round(share * 100)} %${eta}`;
	return <Progress label={task.path ? `${task.state} · ${task.path}` : task.state} parts={[{ tone: 'run', share }]} text={text} />;
}

export function RunningNow({ execution, at }: { execution: Execution; at: Signal<StateAt | null> | null }) {
	if (execution.status !== 'RUNNING') return null;
	const moment = at?.value;
	const tasks = execution.tasks ?? [];
	const maps = Object.entries(moment?.maps ?? {}).filter(([name]) => (moment?.states[name]?.running ?? 0) > 0);
	if (!tasks.length && !maps.length) return null;
	return (
		<section class="pane running" aria-label="Running now">
			{maps.map(([name, map]) => (
				<MapRow key={name} name={name} map={map} sinceMs={Math.max(0, now.value - (moment?.states[name]?.first_ms ?? now.value))} />
			))}
			{tasks.slice(0, TASKS_MOST).map((task) => (
				<TaskRow key={task.task} task={task} />
			))}
			{tasks.length > TASKS_MOST && <span class="muted">and {tasks.length - TASKS_MOST} more tasks</span>}
		</section>
	);
}
