// What is to be known of the chosen state: its visit at the moment that is shown, in tabs.
import type { Signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { lookOf } from '../graph/model';
import { executionApi } from '../api';
import { ErrorNote, Skeleton, useResource } from '../resource';
import { setQuery } from '../router';
import { still } from '../still';
import { OutcomePill, type Outcome } from '../status';
import { formatDuration, Moment, now } from '../time';
import type { Execution, GraphNode, HistoryEvent, Inspection, StateAt } from '../types';
import { EventsTab } from './events';
import { LogTab } from './log';
import { RerunButton } from './rerun';
import { Summary } from './summary';
import { DefinitionTab, ErrorTab, FlowTab, InputTab, OutputTab } from './tabs';
import { TABS, type Tab, type ViewState } from './view-state';

const TAB_WORDS: Record<Tab, string> = {
	error: 'Error',
	input: 'Input',
	output: 'Output',
	flow: 'Data flow',
	definition: 'Definition',
	events: 'Events',
	log: 'Log',
};

export interface InspectorProps {
	arn: string;
	execution: Execution;
	at: StateAt | null;
	node: GraphNode | undefined;
	state: string;
	view: ViewState;
	heard: Signal<HistoryEvent | null>;
}

function Tabs({ chosen }: { chosen: Tab }) {
	const choose = (tab: Tab) => setQuery({ tab });
	const onKey = (event: KeyboardEvent) => {
		const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
		if (!by) return;
		event.preventDefault();
		const next = TABS[(TABS.indexOf(chosen) + by + TABS.length) % TABS.length] as Tab;
		choose(next);
		document.getElementById(`tab-${next}`)?.focus();
	};
	return (
		<div class="tabs" role="tablist" aria-label="What is shown of the state" onKeyDown={onKey}>
			{TABS.map((tab) => (
				<button
					type="button"
					role="tab"
					id={`tab-${tab}`}
					key={tab}
					aria-selected={tab === chosen}
					aria-controls="tab-panel"
					tabIndex={tab === chosen ? 0 : -1}
					onClick={() => choose(tab)}
				>
					{TAB_WORDS[tab]}
				</button>
			))}
		</div>
	);
}

// The visit as it was at the moment: what came later has not happened yet.
function asOf(visit: Inspection, ev: number | null): Inspection {
	if (ev === null || visit.exit_event === undefined || visit.exit_event <= ev) return visit;
	const { output: _output, result: _result, error: _error, cause: _cause, stop_ms: _stop, assigned: _assigned, ...open } = visit;
	return {
		...open,
		outcome: 'running',
		attempts: (visit.attempts ?? []).filter((attempt) => attempt.event <= ev),
		flow: (visit.flow ?? []).filter(({ stage }) => ['InputPath', 'Parameters', 'Arguments', 'ItemsPath'].includes(stage)),
	};
}

function Facts({ visit, node, timeMs }: { visit: Inspection; node: GraphNode | undefined; timeMs: number }) {
	const attempts = visit.attempts?.length ?? 0;
	const allowed = node?.retry ? ` of at most ${node.retry.attempts + 1}` : '';
	return (
		<dl class="facts">
			<div>
				<dt>Type</dt>
				<dd>
					{visit.type}
					{node?.detail && <span class="muted"> · {node.detail}</span>}
				</dd>
			</div>
			<div>
				<dt>Entered</dt>
				<dd>
					<Moment ms={visit.start_ms} /> <span class="muted">event {visit.event}</span>
				</dd>
			</div>
			<div>
				<dt>Duration</dt>
				<dd class="number">{formatDuration(Math.max(0, (visit.stop_ms ?? timeMs) - visit.start_ms))}</dd>
			</div>
			{attempts > 0 && (
				<div>
					<dt>Attempts</dt>
					<dd class="number">
						{attempts}
						{allowed}
					</dd>
				</div>
			)}
			{visit.path && (
				<div>
					<dt>Inside</dt>
					<dd>{visit.path}</dd>
				</div>
			)}
		</dl>
	);
}

function VisitActions({ execution, visit, node }: { execution: Execution; visit: Inspection; node: GraphNode | undefined }) {
	return (
		<div class="row">
			<RerunButton execution={execution} visit={visit} node={node} />
			{(visit.previous || visit.next) && (
				<>
					<button type="button" disabled={!visit.previous} onClick={() => setQuery({ visit: visit.previous }, { push: true })}>
						Visit before
					</button>
					<button type="button" disabled={!visit.next} onClick={() => setQuery({ visit: visit.next }, { push: true })}>
						Next visit
					</button>
				</>
			)}
		</div>
	);
}

function Panel({ tab, visit, props }: { tab: Tab; visit: Inspection | null; props: InspectorProps }) {
	const { arn, execution, heard, state } = props;
	if (tab === 'events') return <EventsTab arn={arn} last={execution.events} heard={heard} state={state} ev={props.view.ev} />;
	if (!visit) return <p class="muted">Nothing to show of it yet.</p>;
	switch (tab) {
		case 'error':
			return <ErrorTab visit={visit} />;
		case 'input':
			return <InputTab arn={arn} visit={visit} />;
		case 'output':
			return <OutputTab arn={arn} visit={visit} />;
		case 'flow':
			return <FlowTab arn={arn} visit={visit} />;
		case 'definition':
			return <DefinitionTab visit={visit} node={props.node} />;
		case 'log':
			return <LogTab arn={arn} visit={visit} />;
	}
}

function Inspected(props: InspectorProps) {
	const { arn, at, node, state, view, heard } = props;
	const figures = at && Object.hasOwn(at.states, state) ? at.states[state] : undefined;
	const event = view.visit ?? figures?.event ?? null;
	// Of the same visit at another moment the server has nothing new to say: only what happens to it asks again.
	const visits = useResource<Inspection>(state && event ? executionApi(arn, '/inspect', { event }) : null);
	useEffect(() => {
		if (view.ev === null && figures) visits.reloadSoon();
	}, [figures?.last_ms, figures?.retries, figures?.running, props.execution.status]);
	const raw = visits.data.value;
	const visit = raw && raw.state === state ? asOf(raw, view.ev) : null;
	const failed = visit?.error !== undefined || visit?.outcome === 'failed';
	// A task that runs now has something to say; one that waits for somebody's answer has not.
	const speaks = view.ev === null && visit?.outcome === 'running' && !!props.execution.tasks?.some((task) => task.state === state);
	const tab: Tab = view.tab ?? (failed ? 'error' : speaks ? 'log' : 'input');
	const timeMs = view.ev === null ? now.value : (at?.time_ms ?? now.value);
	if (!state)
		return <Summary arn={arn} execution={props.execution} view={view} heard={heard} />;
	const outcome: Outcome = visit?.outcome ?? (figures ? lookOf([figures]).outcome : 'pending');
	return (
		<section class="pane inspector" aria-label="Inspector">
			<div class="inspector-head">
				<div class="row">
					<h2 class="inspector-name">{state}</h2>
					<OutcomePill outcome={outcome} />
				</div>
				{visit ? (
					<>
						<Facts visit={visit} node={node} timeMs={timeMs} />
						<VisitActions execution={props.execution} visit={visit} node={node} />
					</>
				) : event ? (
					!visits.error.value && <Skeleton lines={3} />
				) : (
					<p class="muted">
						{node?.type} · {node?.detail}. {view.item ? `Not entered in ${view.item}` : 'Not entered'}
						{view.ev !== null ? ' at this moment.' : ' yet.'}
					</p>
				)}
				{visits.error.value && <ErrorNote error={visits.error.value} retry={visits.reload} />}
			</div>
			<Tabs chosen={tab} />
			<div class="tab-panel" role="tabpanel" id="tab-panel" aria-labelledby={`tab-${tab}`} tabIndex={0}>
				<Panel tab={tab} visit={visit} props={props} key={`${tab} ${event}`} />
			</div>
		</section>
	);
}

export const Inspector = still(Inspected, ['arn', 'execution', 'at', 'node', 'state', 'view']);
