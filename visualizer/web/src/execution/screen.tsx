// One execution: what it did, where it stands, what went wrong, and what can be done about it. This file asks for the
// data, listens to the stream, and lays out the panes; each pane is a file beside it.
import { useSignal, type Signal } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { announce } from '../announce';
import { openRedrive } from '../actions';
import { executionApi } from '../api';
import { GraphView, type GraphHandle } from '../graph/view';
import { collapsedQuery, toggleAround } from '../graph/collapse';
import { GraphModel, nodeName } from '../graph/model';
import { offerStates } from '../jump';
import { useKeys } from '../keys';
import { useLive, type LiveEvent } from '../live/client';
import { ErrorNote, Skeleton, useResource } from '../resource';
import { go, href } from '../router';
import { allows } from '../session';
import { EXECUTION_LOOK } from '../status';
import type { Execution, Graph, HistoryEvent, StateAt } from '../types';
import { Banner, ExecutionHeader } from './header';
import { Inspector } from './inspector';
import { Lower } from './lower';
import { Outline } from './outline';
import { RunningNow } from './running';
import { useSettled } from './settled';
import { Slider } from './slider';
import { chooseItem, chooseMoment, chooseState, forgetMoment, readView } from './view-state';

const LIKE_BRANCHES = 8; // more of them fold to one box

// Where one looks first: where it failed, else where it works.
function defaultState(execution: Execution, at: StateAt | null): string {
	const known = execution.failed_state ?? execution.tasks?.[0]?.state;
	if (known || execution.status !== 'RUNNING') return known ?? '';
	// It waits: for a moment, or for somebody's answer. The innermost was entered last.
	const running = Object.entries(at?.states ?? {}).filter(([, figures]) => figures.running > 0);
	return running.sort((a, b) => b[1].event - a[1].event)[0]?.[0] ?? '';
}

// Where it failed, in the order of entering. What is around a failure has failed with it, and is not counted again.
function failedStates(at: StateAt | null, model: GraphModel | null): string[] {
	const failed = Object.entries(at?.states ?? {}).filter(([, figures]) => figures.failed > 0);
	const around = new Set(failed.flatMap(([name]) => model?.namesAround(name) ?? []));
	return failed
		.filter(([name]) => !around.has(name))
		.sort((a, b) => a[1].event - b[1].event)
		.map(([name]) => name);
}

function GraphBar(props: { handle: { current: GraphHandle | null }; graph: Graph; item: string; failed: string[]; onNextFailure: () => void }) {
	const viewport = () => props.handle.current?.viewport;
	return (
		<div class="pane-bar">
			<h2 class="off-screen">Graph</h2>
			<button type="button" onClick={() => viewport()?.fit()}>
				Fit <kbd>f</kbd>
			</button>
			<button type="button" aria-label="Zoom in" onClick={() => viewport()?.zoom(1.25)}>
				+
			</button>
			<button type="button" aria-label="Zoom out" onClick={() => viewport()?.zoom(0.8)}>
				−
			</button>
			{props.failed.length > 0 && (
				<button type="button" onClick={props.onNextFailure}>
					Next failure <kbd>!</kbd>
				</button>
			)}
			<span class="grow" />
			{props.item && (
				<button type="button" aria-pressed="true" title="Show all items again" onClick={() => chooseItem(null)}>
					Item {props.item} ✕
				</button>
			)}
			<span class="muted number">{props.graph.states} states</span>
		</div>
	);
}

export function ExecutionScreen({ subject: arn }: { subject: string }) {
	const view = readView();
	const info = useResource<Execution>(executionApi(arn));
	const graph = useResource<Graph>(executionApi(arn, '/graph', { fold: LIKE_BRANCHES, collapse: collapsedQuery() }), arn);
	const at = useResource<StateAt>(executionApi(arn, '/state', { event: view.ev, path: view.item }), `${arn} ${view.item}`);
	const handle = useRef<GraphHandle | null>(null);
	const heard = useSignal<HistoryEvent | null>(null); // the newest of the stream
	const maps = useRef<StateAt['maps']>({}); // all that were entered, at whatever moment
	Object.assign(maps.current, at.data.value?.maps);
	useEffect(() => forgetMoment, [arn]);

	const refresh = () => {
		info.reload();
		at.reload();
		heard.value = null;
	};
	useLive(
		[`execution:${arn}`],
		(event: LiveEvent) => {
			info.reloadSoon();
			if (readView().ev === null) at.reloadSoon();
			heard.value = event.data.event as HistoryEvent;
		},
		refresh,
	);

	const execution = info.data.value;
	const model = useMemo(() => graph.data.value && new GraphModel(graph.data.value), [graph.data.value]);
	useEffect(() => {
		offerStates([...(model?.byState.keys() ?? [])]);
		return () => offerStates([]);
	}, [model]);

	const settled = useSettled(view.ev, at.data.value, `${arn} ${view.item} ${view.state}`);
	const settledView = useMemo(() => ({ ...view, ev: settled.ev }), [view.state, view.item, view.visit, view.tab, view.view, settled.ev]);
	const status = execution?.status;
	const before = useRef(status);
	useEffect(() => {
		if (before.current && status && before.current !== status) announce(`The execution is now ${EXECUTION_LOOK[status].word.toLowerCase()}`);
		before.current = status;
	}, [status]);

	const selected = view.state || (execution ? defaultState(execution, view.ev === null ? at.data.value : null) : '');
	const last = execution?.events ?? 0;
	const moment = view.ev === null ? last : Math.min(view.ev, last);
	const failed = useMemo(() => failedStates(at.data.value, model), [at.data.value, model]);
	const nextFailure = () => {
		const next = failed[(failed.indexOf(selected) + 1) % Math.max(1, failed.length)];
		if (!next) return;
		handle.current?.show(next);
		chooseState(next);
	};
	const step = (by: number) => {
		const to = Math.max(1, Math.min(last, moment + by));
		chooseMoment(to >= last ? null : to);
	};
	const walk = (by: number) => {
		const rows = (model?.outline ?? []).filter(({ node }) => node.kind === 'state').map(({ node }) => nodeName(node));
		const to = rows[Math.max(0, Math.min(rows.length - 1, rows.indexOf(selected) + by))];
		if (to) chooseState(to);
	};
	const redrive = () => {
		if (execution?.redrivable && allows('operate'))
			openRedrive({ arn, name: execution.name, ...(execution.failed_state ? { failedState: execution.failed_state } : {}), done: refresh });
	};
	useKeys('Execution', [
		{ key: 'j', does: 'next state', run: () => walk(1) },
		{ key: 'k', does: 'state before', run: () => walk(-1) },
		{ key: 'c', does: 'fold or unfold what is around the state', run: () => toggleAround(model, selected) },
		{ key: 'f', does: 'fit the graph', run: () => handle.current?.viewport.fit() },
		{ key: '!', does: 'next failure', run: nextFailure },
		{ key: '[', does: 'event before', run: () => step(-1) },
		{ key: ']', does: 'next event', run: () => step(1) },
		{ key: 'r', does: 'redrive', run: redrive },
		{
			key: 'Escape',
			does: 'back: to now, to all items, to the list',
			run: () => (view.ev !== null ? chooseMoment(null) : view.item ? chooseItem(null) : go(href('/executions'))),
		},
	]);

	if (!execution)
		return (
			<div class="screen">
				<h1 class="off-screen" tabIndex={-1}>
					Execution
				</h1>
				{info.error.value ? <ErrorNote error={info.error.value} retry={info.reload} /> : <Skeleton lines={16} />}
			</div>
		);
	const node = model?.byState.get(selected);
	const map = model?.mapOf(node) ?? null;
	return (
		<div class="execution">
			<ExecutionHeader execution={execution} onRedrive={redrive} onChanged={refresh} />
			{info.error.value && <ErrorNote error={info.error.value} retry={info.reload} />}
			<Banner execution={execution} />
			<RunningNow execution={execution} maps={maps.current} at={view.ev === null && !view.item ? at.data : null} />
			<div class="execution-columns">
				<Outline model={model} at={at.data as Signal<StateAt | null>} selected={selected} onSelect={chooseState} />
				<div class="execution-middle">
					<section class="pane" aria-label="Graph">
						{model ? (
							<>
								<GraphBar handle={handle} graph={model.graph} item={view.item} failed={failed} onNextFailure={nextFailure} />
								{at.error.value && <ErrorNote error={at.error.value} retry={at.reload} />}
								<GraphView
									model={model}
									at={at.data}
									selected={selected}
									focus={selected}
									onSelect={chooseState}
									handle={handle}
									label={`Graph of ${execution.machine}, ${model.graph.states} states. Arrow keys follow the edges.`}
								/>
							</>
						) : graph.error.value ? (
							<ErrorNote error={graph.error.value} retry={graph.reload} />
						) : (
							<Skeleton lines={10} />
						)}
					</section>
					<Lower
						arn={arn}
						execution={execution}
						at={settled.at}
						model={model}
						map={map}
						maps={maps.current}
						heard={heard}
						view={settledView}
						selected={selected}
					/>
					<Slider
						arn={arn}
						execution={execution}
						at={at.data.value}
						moment={moment}
						live={view.ev === null}
						onMove={(ev) => chooseMoment(ev >= last ? null : ev)}
						onLive={() => chooseMoment(null)}
					/>
				</div>
				<Inspector arn={arn} execution={execution} at={settled.at} node={node && nodeName(node) === selected ? node : undefined} state={selected} view={settledView} heard={heard} />
			</div>
		</div>
	);
}
