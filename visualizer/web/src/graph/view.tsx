// The graph of a definition, drawn from the server's coordinates, with what an execution did to it.
//
// What keeps a thousand states quick: the transform is bound to one signal; each node has its own; nodes outside of the
// window are not in the page; from far away all boxes of one outcome are one path.
import { batch, effect, signal, useComputed, useSignalEffect, type Signal } from '@preact/signals';
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import type { GraphNode, StateAt } from '../types';
import { type Outcome } from '../status';
import { still } from '../still';
import { Minimap } from './minimap';
import { type GraphModel, isOpenContainer, isStateLike, nodeName, PENDING, sameLook, type NodeLook } from './model';
import { NodeView } from './node';
import { toggleCollapsed } from './collapse';
import { overlaps, Viewport } from './viewport';

const READABLE = 0.85; // the least zoom at which a graph opens: labels of 13 px are 11 px then

export interface GraphHandle {
	viewport: Viewport;
	show: (state: string) => void; // moves there, readable
}

interface GraphViewProps {
	model: GraphModel;
	at: Signal<StateAt | null>;
	selected: string;
	focus: string; // the state to open at; '': all of it, or the start
	onSelect: (state: string) => void;
	handle?: { current: GraphHandle | null };
	label: string;
}

function boxesPath(nodes: GraphNode[]): string {
	return nodes.map(({ x, y, w, h }) => `M${x} ${y}h${w}v${h}h${-w}z`).join('');
}

function Arrows() {
	return (
		<defs>
			{['edge', 'taken', 'catch', 'caught'].map((name) => (
				<marker id={`arrow-${name}`} key={name} viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">
					<path class={`g-arrow-${name}`} d="M0 .5L8 4 0 7.5z" />
				</marker>
			))}
		</defs>
	);
}

function Edges({ model, viewport, taken }: { model: GraphModel; viewport: Viewport; taken: Signal<Map<number, number>> }) {
	const window = viewport.window.value;
	const near = viewport.detail.value === 'near';
	const counts = taken.value;
	const drawn = [];
	for (const [index, { edge, box, line }] of model.edges.entries()) {
		if (!overlaps(box, window)) continue;
		const count = counts.get(index) ?? 0;
		const caught = edge.kind === 'catch';
		const arrow = caught ? (count ? 'caught' : 'catch') : count ? 'taken' : 'edge';
		const ends = !edge.jump && (count > 0 || !edge.own);
		drawn.push(
			<path
				key={index}
				class={`g-edge ${caught ? 'g-catch' : ''} ${count ? 'g-taken' : ''}`}
				data-edge={`${edge.from} ${edge.to} ${edge.kind}`}
				d={count ? edge.path : line}
				marker-end={ends ? `url(#arrow-${arrow})` : undefined}
			/>,
		);
		const label = edge.label;
		if (near && label)
			drawn.push(
				<text key={`label ${index}`} class={`g-label ${caught ? 'g-catch' : ''}`}>
					{label.lines.map((text, row) => (
						<tspan x={label.x + label.w / 2} y={label.y + 12 + row * 14} key={row}>
							{text}
						</tspan>
					))}
				</text>,
			);
	}
	// Taken ones on top of those that were not.
	return <g>{drawn}</g>;
}

function Far({ model, looks }: { model: GraphModel; looks: Signal<NodeLook>[] }) {
	const groups = new Map<Outcome | 'container', GraphNode[]>();
	for (const node of model.graph.nodes) {
		if (node.kind === 'branch') continue;
		const key = isOpenContainer(node) ? 'container' : (looks[node.id]?.value.outcome ?? 'pending');
		const group = groups.get(key);
		if (group) group.push(node);
		else groups.set(key, [node]);
	}
	const edges = model.edges.map(({ line }) => line).join('');
	return (
		<g class="g-far">
			{groups.has('container') && <path class="g-container g-box" d={boxesPath(groups.get('container') ?? [])} />}
			<path class="g-edge" d={edges} />
			{[...groups]
				.filter(([key]) => key !== 'container')
				.map(([key, nodes]) => (
					<path class={`g-${key}`} key={key} d={boxesPath(nodes)} />
				))}
		</g>
	);
}

interface NodesProps {
	model: GraphModel;
	viewport: Viewport;
	looks: Signal<NodeLook>[];
	selected: string;
	onSelect: (node: GraphNode) => void;
}

function Nodes({ model, viewport, looks, selected, onSelect }: NodesProps) {
	const window = viewport.window.value;
	const near = viewport.detail.value === 'near';
	const chosen = model.byState.get(selected);
	const entry = chosen ?? model.graph.nodes.find(isStateLike);
	const seen = model.graph.nodes.filter((node) => overlaps(node, window));
	return (
		<g>
			{seen.map((node) => (
				<NodeView
					key={node.id}
					node={node}
					look={looks[node.id] as Signal<NodeLook>}
					selected={node === chosen}
					reachable={node === entry}
					near={near}
					onSelect={onSelect}
					onFold={toggleCollapsed}
				/>
			))}
		</g>
	);
}

function Drawn(props: GraphViewProps) {
	const { model, at, selected } = props;
	const graph = model.graph;
	const viewport = useMemo(() => new Viewport(graph), []);
	const looks = useMemo(() => graph.nodes.map(() => signal<NodeLook>(PENDING)), [graph]);
	const taken = useMemo(() => signal(new Map<number, number>()), [graph]);
	const svg = useRef<SVGSVGElement>(null);

	useMemo(() => viewport.setPicture(graph), [graph]);
	useLayoutEffect(
		() =>
			effect(() => {
				const moment = at.value;
				// All at once: the minimap reads every node, and shall be drawn once.
				batch(() => {
					model.looks(moment).forEach((look, index) => {
						const held = looks[index];
						if (held && !sameLook(held.peek(), look)) held.value = look;
					});
					taken.value = model.taken(moment);
				});
			}),
		[model, at],
	);

	const show = (state: string) => {
		const node = model.byState.get(state);
		if (node) viewport.center(node, READABLE);
	};
	if (props.handle) props.handle.current = { viewport, show };

	// Opens at what matters, once; afterwards only the viewer moves it. A chosen state that was in view stays so when the
	// pane gets smaller.
	const modelNow = useRef(model);
	modelNow.current = model;
	const selectedNow = useRef(selected);
	selectedNow.current = selected;
	useLayoutEffect(() => {
		const element = svg.current;
		if (!element) return;
		const measure = () => (viewport.size.value = { w: element.clientWidth || 800, h: element.clientHeight || 400 });
		measure();
		const node = model.byState.get(props.focus);
		if (viewport.fitsReadably()) viewport.fit();
		else if (node) viewport.center(node, READABLE);
		else viewport.head(model.graph.nodes[0] ?? { x: 0, y: 0, w: 0, h: 0 });
		const observer = new ResizeObserver(() => {
			const shown = modelNow.current.byState.get(selectedNow.current);
			const inView = shown && viewport.shows(shown);
			measure();
			if (inView) viewport.reveal(shown);
		});
		observer.observe(element);
		return () => observer.disconnect();
	}, []);

	// What was folded or unfolded stays where it is in the window; the rest moves around it.
	const before = useRef(model);
	useLayoutEffect(() => {
		const old = before.current;
		before.current = model;
		if (old === model) return;
		const changed = old.changedFold(model);
		if (changed) viewport.keep(...changed);
	}, [model]);

	// A state that was chosen elsewhere comes into view.
	const first = useRef(true);
	useEffect(() => {
		if (first.current) {
			first.current = false;
			return;
		}
		const node = model.byState.get(selected);
		if (!node) return;
		if (viewport.view.peek().k < 0.5) viewport.center(node, READABLE);
		else viewport.reveal(node);
	}, [selected, model]);

	useEffect(() => {
		const element = svg.current;
		if (!element) return;
		const onWheel = (event: WheelEvent) => {
			event.preventDefault();
			const box = element.getBoundingClientRect();
			if (event.shiftKey) viewport.pan(-event.deltaY - event.deltaX, 0);
			else viewport.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), { x: event.clientX - box.left, y: event.clientY - box.top });
		};
		element.addEventListener('wheel', onWheel, { passive: false });
		return () => element.removeEventListener('wheel', onWheel);
	}, []);

	const drag = useRef<{ x: number; y: number; moved: boolean } | null>(null);
	const onPointerDown = (event: PointerEvent) => {
		if (event.button === 0) drag.current = { x: event.clientX, y: event.clientY, moved: false };
	};
	const onPointerMove = (event: PointerEvent) => {
		const from = drag.current;
		if (!from) return;
		const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
		if (!from.moved && Math.abs(dx) + Math.abs(dy) < 4) return;
		if (!from.moved) svg.current?.setPointerCapture(event.pointerId);
		drag.current = { x: event.clientX, y: event.clientY, moved: true };
		viewport.pan(dx, dy);
	};
	const onPointerUp = () => (drag.current = null);

	const select = (node: GraphNode) => {
		if (!drag.current?.moved) props.onSelect(node.kind === 'fold' ? (node.folded?.[0] ?? '') : nodeName(node));
	};
	// The viewport moves first, then the focus: a node outside of the window is not in the page.
	const focusNode = (node: GraphNode) => {
		viewport.reveal(node);
		select(node);
		requestAnimationFrame(() =>
			requestAnimationFrame(() => svg.current?.querySelector<SVGElement>(`[data-node="${node.id}"] > .g-box`)?.focus({ preventScroll: true })),
		);
	};
	const onKeyDown = (event: KeyboardEvent) => {
		const id = event.target instanceof Element ? event.target.closest('[data-node]')?.getAttribute('data-node') : null;
		if (event.ctrlKey || event.altKey || event.metaKey) return;
		if (event.key === '+' || event.key === '=') viewport.zoom(1.25);
		else if (event.key === '-') viewport.zoom(0.8);
		else if (id && (event.key === 'Enter' || event.key === ' ')) select(model.node(Number(id)));
		else if (event.key.startsWith('Arrow')) {
			const next = id ? model.walk(model.node(Number(id)), event.key) : null;
			if (next) focusNode(next);
			else if (!id) viewport.pan(event.key === 'ArrowLeft' ? 60 : event.key === 'ArrowRight' ? -60 : 0, event.key === 'ArrowUp' ? 60 : event.key === 'ArrowDown' ? -60 : 0);
		} else return;
		event.preventDefault();
		event.stopPropagation();
	};
	const far = useComputed(() => viewport.detail.value === 'far');
	useSignalEffect(() => {
		svg.current?.parentElement?.classList.toggle('graph-executed', at.value !== null);
	});

	return (
		<div class="graph">
			<svg
				ref={svg}
				class="graph-svg"
				tabindex={0}
				role="group"
				aria-label={props.label}
				onPointerDown={onPointerDown}
				onPointerMove={onPointerMove}
				onPointerUp={onPointerUp}
				onPointerCancel={onPointerUp}
				onKeyDown={onKeyDown}
			>
				<Arrows />
				<g class="graph-all" transform={viewport.transform}>
					{far.value ? (
						<Far model={model} looks={looks} />
					) : (
						<>
							<Containers model={model} viewport={viewport} />
							<Edges model={model} viewport={viewport} taken={taken} />
							<Nodes model={model} viewport={viewport} looks={looks} selected={selected} onSelect={select} />
						</>
					)}
				</g>
			</svg>
			<Minimap model={model} viewport={viewport} looks={looks} />
		</div>
	);
}

// The grounds of containers lie below the edges inside of them.
function Containers({ model, viewport }: { model: GraphModel; viewport: Viewport }) {
	const window = viewport.window.value;
	return (
		<g>
			{model.graph.nodes
				.filter((node) => isOpenContainer(node) && overlaps(node, window))
				.map((node) => (
					<rect class="g-ground" key={node.id} x={node.x} y={node.y} width={node.w} height={node.h} rx={10} />
				))}
		</g>
	);
}

// Another moment redraws the nodes that it changed, not the graph.
export const GraphView = still(Drawn, ['model', 'at', 'selected', 'label']);
