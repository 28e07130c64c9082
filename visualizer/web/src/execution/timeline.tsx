// Visits of states over time: a row a visit, cut into queued, run, wait and retry.
import { VirtualList } from '../list';
import { Loaded, type Resource } from '../resource';
import { OUTCOME_LOOK } from '../status';
import { formatDuration, now } from '../time';
import type { SegmentKind, StateAt, Timeline, Visit } from '../types';
import { itemNumber } from './path';
import { chooseState } from './view-state';
import { setQuery } from '../router';

export const TIMELINE_ROW_HEIGHT = 28;
const SEGMENT_WORDS: Record<SegmentKind, string> = { queued: 'queued', run: 'ran', wait: 'waited', retry: 'waited to retry' };

// What a visit was at a moment: what came later is not there yet.
export function visitAt(visit: Visit, moment: number | null): Visit | null {
	if (moment === null) return visit;
	if (visit.start_ms > moment) return null;
	if (visit.stop_ms !== undefined && visit.stop_ms <= moment) return visit;
	const { stop_ms: _stop, ...open } = visit;
	return { ...open, outcome: 'running' };
}

function Bar({ visit, origin, span, end }: { visit: Visit; origin: number; span: number; end: number }) {
	const segments: Visit['segments'] = visit.segments.length ? visit.segments : [['run', visit.start_ms, visit.stop_ms ?? end]];
	return (
		<div class={`bar tone-${OUTCOME_LOOK[visit.outcome].tone}`}>
			{segments.map(([kind, start, stop], index) => {
				const to = Math.min(end, stop || (visit.stop_ms ?? end));
				if (start > end) return null;
				return (
					<div
						key={index}
						class={`bar-part bar-${kind}`}
						title={`${SEGMENT_WORDS[kind]} ${formatDuration(Math.max(0, to - start))}`}
						style={{ left: `${((start - origin) / span) * 100}%`, width: `${(Math.max(0, to - start) / span) * 100}%` }}
					/>
				);
			})}
		</div>
	);
}

interface RowProps {
	visit: Visit;
	index: number;
	origin: number;
	span: number;
	end: number;
	chosen: boolean;
	maps: StateAt['maps'];
}

function Row({ visit, index, origin, span, end, chosen, maps }: RowProps) {
	const stop = Math.min(visit.stop_ms ?? end, end);
	const look = OUTCOME_LOOK[visit.outcome];
	const kinds = visit.segments.map(([kind, from, to]) => `${SEGMENT_WORDS[kind]} ${formatDuration(Math.max(0, (to || stop) - from))}`);
	return (
		<div role="row" aria-rowindex={index + 2} class={`list-row timeline-grid tone-${look.tone} ${chosen ? 'current' : ''}`}>
			<span role="cell" class="clip">
				<button
					type="button"
					class="link"
					title={visit.path ? `${visit.state}, ${visit.path}` : visit.state}
					onClick={() => {
						chooseState(visit.state);
						setQuery({ visit: visit.event });
					}}
				>
					{visit.state}
				</button>
				<span class="muted number">{itemNumber(visit.path ?? '', maps)}</span>
			</span>
			<span role="cell" class="timeline-outcome">
				<span aria-hidden="true">{look.icon}</span> {look.word}
			</span>
			<span role="cell" class="number">
				{formatDuration(Math.max(0, stop - visit.start_ms))}
			</span>
			<span role="cell" class="bar-cell" title={kinds.join(', ')}>
				<span class="off-screen">{kinds.join(', ') || 'no segments'}</span>
				<Bar visit={visit} origin={origin} span={span} end={end} />
			</span>
		</div>
	);
}

export function Axis({ span }: { span: number }) {
	return (
		<span class="axis">
			{(span < 8 ? [0] : [0, 0.5]).map((part) => (
				<span class={`number ${part ? 'axis-between' : ''}`} key={part} style={{ left: `${part * 100}%` }}>
					{formatDuration(span * part)}
				</span>
			))}
			<span class="number axis-end">{formatDuration(span)}</span>
		</span>
	);
}

interface TimelineRowsProps {
	of: Resource<Timeline>;
	item: string;
	selected: string;
	moment: number | null;
	maps: StateAt['maps'];
}

export function TimelineRows({ of, item, selected, moment, maps }: TimelineRowsProps) {
	return (
		<Loaded of={of} lines={5}>
			{(timeline) => {
				const running = timeline.visits.some((visit) => visit.stop_ms === undefined);
				const newest = timeline.visits.reduce((most, visit) => Math.max(most, visit.stop_ms ?? visit.start_ms), timeline.origin_ms);
				const whole = running ? Math.max(newest, moment === null ? now.value : timeline.now_ms) : newest;
				const end = moment ?? whole;
				const span = Math.max(1, whole - timeline.origin_ms);
				const visits = timeline.visits
					.filter((visit) => !item || visit.path === item || visit.path?.startsWith(`${item}/`))
					.map((visit) => visitAt(visit, moment))
					.filter((visit) => visit !== null);
				return (
					<VirtualList
						label="Visits of states"
						class="timeline-list"
						count={visits.length}
						rowHeight={TIMELINE_ROW_HEIGHT}
						follow={visits.findIndex((visit) => visit.state === selected)}
						empty={<p class="empty">{item ? `Nothing of ${item} was entered yet.` : 'No state was entered yet.'}</p>}
						head={
							<div role="row" aria-rowindex={1} class="list-head timeline-grid">
								<span role="columnheader">State</span>
								<span role="columnheader">Outcome</span>
								<span role="columnheader">Took</span>
								<span role="columnheader" class="bar-cell">
									<span class="off-screen">When</span>
									<Axis span={span} />
								</span>
							</div>
						}
						row={(index) => {
							const visit = visits[index];
							return visit && <Row key={visit.event} visit={visit} index={index} origin={timeline.origin_ms} span={span} end={end} chosen={visit.state === selected} maps={maps} />;
						}}
					/>
				);
			}}
		</Loaded>
	);
}
