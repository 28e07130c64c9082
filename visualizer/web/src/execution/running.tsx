// What runs now: progress of tasks that tell it, counts of Maps, and how long it will take.
import type { Signal } from '@preact/signals';
import { executionApi } from '../api';
import { Progress } from '../figures';
import { useResource } from '../resource';
import { formatDuration, now } from '../time';
import { itemNumber } from './path';
import type { EventsPage, Execution, MapFigures, RunningTask, StateAt } from '../types';

const TASKS_MOST = 4;
const ETA_LEAST = 0.05; // done: before that the time left is a guess

// From what was done and how long it took; nothing until something is done.
export function etaOf(map: MapFigures, sinceMs: number): number | null {
	const done = map.succeeded + map.failed + map.aborted;
	return done ? (sinceMs / done) * (map.length - done) : null;
}

// Slow work is counted by the minute.
function rateWords(perSecond: number): string {
	if (perSecond >= 1) return `${perSecond >= 10 ? perSecond.toFixed(0) : perSecond.toFixed(1)} a second`;
	return `${(perSecond * 60).toFixed(perSecond * 60 >= 10 ? 0 : 1)} a minute`;
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
		rate ? `${rateWords(rate)}` : '',
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

// Which of several it is: the iteration that its scheduling belongs to, asked once.
function TaskRow({ arn, task, maps }: { arn: string; task: RunningTask; maps: StateAt['maps'] }) {
	const scheduled = useResource<EventsPage>(executionApi(arn, '/events', { from: task.task, limit: 1 }));
	const path = scheduled.data.value?.events[0]?.path ?? '';
	const share = task.progress ?? 0;
	const eta = task.eta_ms === undefined || share < ETA_LEAST ? '' : ` · about ${formatDuration(Math.max(1000, Math.round(task.eta_ms / 1000) * 1000))} left`;
	const text = task.progress === undefined ? `for ${formatDuration(Math.max(0, now.value - task.started_ms))}` : `${Math.round(share * 100)} %${eta}`;
	return <Progress label={task.state + itemNumber(path, maps)} parts={[{ tone: 'run', share }]} text={text} />;
}

// `at`: the newest moment of the whole execution; null while another is shown. `maps`: the Maps that are known.
export function RunningNow({ execution, at, maps: known }: { execution: Execution; at: Signal<StateAt | null> | null; maps: StateAt['maps'] }) {
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
				<TaskRow key={task.task} arn={execution.arn} task={task} maps={known} />
			))}
			{tasks.length > TASKS_MOST && <span class="muted">and {tasks.length - TASKS_MOST} more tasks</span>}
		</section>
	);
}
