// A graph from the server, made ready to be drawn and walked: who is beside whom, which edge a transition took, what
// is inside of what. Coordinates come from the server; nothing is laid out here.
import type { Outcome } from '../status';
import type { Graph, GraphEdge, GraphNode, StateAt, StateFigures } from '../types';

export interface Box {
	x: number;
	y: number;
	w: number;
	h: number;
}
export interface EdgeView {
	edge: GraphEdge;
	box: Box;
	line: string; // what is drawn where all edges are: the shared part belongs to another
}
export interface OutlineRow {
	node: GraphNode;
	depth: number;
	place: number; // among its siblings, from 1
	siblings: number;
}

// What a node looks like at a moment.
export interface NodeLook {
	outcome: Outcome;
	entered: number;
	retries: number;
	running: number;
	failed: number;
	error: string;
}
export const PENDING: NodeLook = { outcome: 'pending', entered: 0, retries: 0, running: 0, failed: 0, error: '' };

export function isStateLike(node: GraphNode): boolean {
	return node.kind === 'state' || node.kind === 'fold';
}
export function isOpenContainer(node: GraphNode): boolean {
	return !!node.container && !node.collapsed;
}
export function nodeName(node: GraphNode): string {
	return node.name ?? '';
}

function boxOfPath(edge: GraphEdge): Box {
	const numbers = (edge.path.match(/-?\d+(\.\d+)?/g) ?? []).map(Number);
	let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
	for (let i = 0; i + 1 < numbers.length; i += 2) {
		left = Math.min(left, numbers[i] as number);
		right = Math.max(right, numbers[i] as number);
		top = Math.min(top, numbers[i + 1] as number);
		bottom = Math.max(bottom, numbers[i + 1] as number);
	}
	if (edge.label) {
		left = Math.min(left, edge.label.x);
		top = Math.min(top, edge.label.y);
		right = Math.max(right, edge.label.x + edge.label.w);
		bottom = Math.max(bottom, edge.label.y + edge.label.h);
	}
	return { x: left, y: top, w: right - left, h: bottom - top };
}

// From worst to best: what a fold or a state with many visits is shown as.
const RANK: [keyof StateFigures, Outcome][] = [
	['failed', 'failed'],
	['running', 'running'],
	['caught', 'caught'],
	['aborted', 'aborted'],
	['succeeded', 'succeeded'],
];

export function lookOf(figures: StateFigures[]): NodeLook {
	const sum = (name: 'entered' | 'retries' | 'running' | 'failed') => figures.reduce((total, one) => total + one[name], 0);
	if (!figures.length) return PENDING;
	const outcome = RANK.find(([member]) => figures.some((one) => Number(one[member]) > 0))?.[1] ?? 'pending';
	return {
		outcome,
		entered: sum('entered'),
		retries: sum('retries'),
		running: sum('running'),
		failed: sum('failed'),
		error: figures.find((one) => one.error)?.error ?? '',
	};
}

export function sameLook(a: NodeLook, b: NodeLook): boolean {
	return (
		a === b ||
		(a.outcome === b.outcome &&
			a.entered === b.entered &&
			a.retries === b.retries &&
			a.running === b.running &&
			a.failed === b.failed &&
			a.error === b.error)
	);
}

export class GraphModel {
	readonly byState = new Map<string, GraphNode>(); // a state's node, or the fold that it is in
	readonly edges: EdgeView[];
	readonly out: number[][] = [];
	readonly into: number[][] = [];
	readonly outline: OutlineRow[] = [];
	private readonly edgeByTransition = new Map<string, number>();
	private readonly inside = new Map<number | null, GraphNode[]>();

	constructor(readonly graph: Graph) {
		for (const node of graph.nodes) {
			if (node.kind === 'state') this.byState.set(nodeName(node), node);
			for (const name of node.folded ?? []) this.byState.set(name, node);
			this.out.push([]);
			this.into.push([]);
			const siblings = this.inside.get(node.parent);
			if (siblings) siblings.push(node);
			else this.inside.set(node.parent, [node]);
		}
		this.edges = graph.edges.map((edge, index) => {
			this.out[edge.from]?.push(index);
			this.into[edge.to]?.push(index);
			for (const from of this.namesOf(edge.from))
				for (const to of this.namesOf(edge.to)) this.edgeByTransition.set(`${from}\n${to}\n${edge.kind === 'catch'}`, index);
			return { edge, box: boxOfPath(edge), line: edge.own ?? edge.path };
		});
		this.collectOutline(null, 0);
	}

	node(id: number): GraphNode {
		return this.graph.nodes[id] as GraphNode;
	}
	children(id: number | null): GraphNode[] {
		return this.inside.get(id) ?? [];
	}

	// The states of a node: its own name, those of a fold, '' for the start.
	private namesOf(id: number): string[] {
		const node = this.node(id);
		return node.kind === 'fold' ? (node.folded ?? []) : [node.kind === 'start' ? '' : nodeName(node)];
	}

	// In reading order; a branch is no row of its own unless it has siblings.
	private collectOutline(parent: number | null, depth: number): void {
		const rows = this.children(parent)
			.filter((node) => node.kind !== 'start' && node.kind !== 'end')
			.sort((a, b) => a.y - b.y || a.x - b.x);
		rows.forEach((node, index) => {
			if (node.kind === 'branch' && rows.length === 1) {
				this.collectOutline(node.id, depth);
				return;
			}
			this.outline.push({ node, depth, place: index + 1, siblings: rows.length });
			this.collectOutline(node.id, depth + 1);
		});
	}

	looks(at: StateAt | null): NodeLook[] {
		const states = at?.states ?? {};
		const of = (name: string) => (Object.hasOwn(states, name) ? [states[name] as StateFigures] : []);
		return this.graph.nodes.map((node) => {
			const inside = lookOf((node.folded ?? []).flatMap(of));
			if (node.kind !== 'state') return inside;
			const own = lookOf(of(nodeName(node)));
			return node.collapsed ? { ...own, running: inside.running, failed: inside.failed, retries: inside.retries } : own;
		});
	}

	// How often each edge was taken at a moment.
	taken(at: StateAt | null): Map<number, number> {
		const taken = new Map<number, number>();
		for (const [from, to, count, kind] of at?.edges ?? []) {
			const index = this.edgeByTransition.get(`${from}\n${to}\n${kind === 'catch'}`);
			if (index !== undefined) taken.set(index, (taken.get(index) ?? 0) + count);
		}
		if (at?.status === 'SUCCEEDED' && !at.path)
			this.edges.forEach(({ edge }, index) => {
				const from = this.node(edge.from);
				if (this.node(edge.to).kind === 'end' && lookOf(from.kind === 'state' && at.states[nodeName(from)] ? [at.states[nodeName(from)] as StateFigures] : []).outcome === 'succeeded')
					taken.set(index, 1);
			});
		return taken;
	}

	// "Produce[0]/TranscodeChunks": where a Map's items are, as the API writes paths; null when that needs the item of
	// a Map around it which is not chosen.
	pathOf(node: GraphNode, item: string): string | null {
		const parts: string[] = [nodeName(node)];
		for (let at = node.parent; at !== null; ) {
			const branch = this.node(at);
			const owner = this.node(branch.parent ?? 0);
			const name = nodeName(owner);
			if (owner.type === 'Parallel') parts.unshift(`${name}[${branch.branch ?? 0}]`);
			else {
				const chosen = item.split('/').find((part) => part.startsWith(`${name}[`));
				if (!chosen) return null;
				parts.unshift(chosen);
			}
			at = owner.parent;
		}
		return parts.join('/');
	}

	// The Map that the node is, or the innermost around it.
	mapOf(node: GraphNode | undefined): GraphNode | null {
		for (let at: GraphNode | undefined = node; at; at = at.parent === null ? undefined : this.node(at.parent))
			if (at.kind === 'state' && at.type === 'Map') return at;
		return null;
	}

	// The container that is folded in one of the two graphs and not in the other: as it was, as it is.
	changedFold(next: GraphModel): [GraphNode, GraphNode] | null {
		for (const node of next.graph.nodes) {
			const old = node.container ? this.byState.get(nodeName(node)) : undefined;
			if (old && old.name === node.name && !old.collapsed !== !node.collapsed) return [old, node];
		}
		return null;
	}

	// The names of the containers around a state.
	namesAround(state: string): string[] {
		const names: string[] = [];
		const node = this.byState.get(state);
		// What is folded away is inside of the box that stands for it.
		if (node?.collapsed && nodeName(node) !== state) names.push(nodeName(node));
		for (let at = node; at && at.parent !== null; ) {
			at = this.node(at.parent);
			if (at.kind === 'state') names.push(nodeName(at));
		}
		return names;
	}

	// The Parallel or Map that the node is, or the innermost around it.
	containerOf(node: GraphNode | undefined): GraphNode | null {
		for (let at: GraphNode | undefined = node; at; at = at.parent === null ? undefined : this.node(at.parent))
			if (at.kind === 'state' && at.container) return at;
		return null;
	}

	// Where an arrow key leads from a node: along an edge, or to the nearest neighbour beside it.
	walk(from: GraphNode, key: string): GraphNode | null {
		const down = this.graph.direction === 'down';
		const forward = key === (down ? 'ArrowDown' : 'ArrowRight');
		const back = key === (down ? 'ArrowUp' : 'ArrowLeft');
		if (forward || back) return this.along(from, forward);
		const sign = key === 'ArrowRight' || key === 'ArrowDown' ? 1 : -1;
		const middle = (node: GraphNode) => (down ? node.x + node.w / 2 : node.y + node.h / 2);
		const level = (node: GraphNode) => (down ? node.y + node.h / 2 : node.x + node.w / 2);
		const beside = this.graph.nodes.filter(
			(node) => isStateLike(node) && node !== from && (middle(node) - middle(from)) * sign > 0 && Math.abs(level(node) - level(from)) < 120,
		);
		const far = (node: GraphNode) => Math.abs(middle(node) - middle(from)) + 3 * Math.abs(level(node) - level(from));
		return beside.sort((a, b) => far(a) - far(b))[0] ?? null;
	}

	private along(from: GraphNode, forward: boolean): GraphNode | null {
		// Into a container first; out of it when its inside has no way on.
		if (forward && isOpenContainer(from)) {
			const first = this.children(from.id).flatMap((branch) => this.children(branch.id))[0];
			if (first) return first;
		}
		const indices = (forward ? this.out : this.into)[from.id] ?? [];
		const others = indices.map((index) => this.edges[index]?.edge).filter((edge) => edge !== undefined);
		const wanted = others.find((edge) => edge.kind !== 'catch' && !edge.back) ?? others[0];
		const next = wanted && this.node(forward ? wanted.to : wanted.from);
		if (next && isStateLike(next)) return next;
		if (from.parent === null) return null;
		const around = this.node(this.node(from.parent).parent ?? 0);
		if (!forward) return around;
		const beyond = (this.out[around.id] ?? []).map((index) => this.node(this.edges[index]?.edge.to ?? 0)).find(isStateLike);
		return beyond ?? null;
	}
}
