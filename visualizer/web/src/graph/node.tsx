// One node of the graph. It reads its own signal, so that an event redraws the nodes that it changed and no other.
import type { ReadonlySignal } from '@preact/signals';
import { OUTCOME_LOOK } from '../status';
import type { GraphNode } from '../types';
import { TYPE_ICONS } from './icons';
import { isOpenContainer, isStateLike, nodeName, type NodeLook } from './model';

// Measures of the server's layout (visualizer/layout.c, svg.c): a box is as high as its texts.
const TITLE_LINE = 16;
const DETAIL_LINE = 14;
const MARGIN = 8;
const TEXT_AT = 40;

export function describeNode(node: GraphNode, look: NodeLook): string {
	const parts = [nodeName(node), node.type ? `${node.type} state` : 'folded states', OUTCOME_LOOK[look.outcome].word];
	if (node.collapsed) parts.push(`folded, ${node.folded?.length ?? 0} states inside`);
	if (look.entered > 1) parts.push(`entered ${look.entered} times`);
	if (look.failed > (node.collapsed ? 0 : 1)) parts.push(`${look.failed} failed`);
	if (look.retries) parts.push(`${look.retries} retries`);
	if (look.error) parts.push(look.error);
	return parts.join(', ');
}

function insideWords(node: GraphNode, look: NodeLook): string {
	const states = node.folded?.length ?? 0;
	const parts = [`${states} ${states === 1 ? 'state' : 'states'}`, look.failed ? `${look.failed} failed` : '', look.running ? `${look.running} run` : ''];
	return parts.filter(Boolean).join(' · ');
}

// Under the name: what it is, until there is something to tell of it.
function detailOf(node: GraphNode, look: NodeLook): string {
	if (node.kind === 'fold') return look.failed ? `${look.failed} failed` : look.entered ? `×${look.entered}` : '';
	if (node.collapsed) return insideWords(node, look);
	if (look.outcome === 'pending') return node.detail ?? node.type ?? '';
	if (look.entered === 1) return OUTCOME_LOOK[look.outcome].word;
	if (look.running) return `×${look.entered} · ${look.running} run`;
	return `×${look.entered}${look.failed ? ` · ${look.failed} failed` : ''}`;
}

function clip(text: string, width: number): string {
	const most = Math.max(4, Math.floor((width - TEXT_AT - 6) / 6.2));
	return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

interface NodeProps {
	node: GraphNode;
	look: ReadonlySignal<NodeLook>;
	selected: boolean;
	reachable: boolean; // by Tab
	near: boolean; // large enough for icons and small print
	onSelect: (node: GraphNode) => void;
	onFold: (name: string) => void;
}

// In a container's upper right corner. For the pointer; keys have `c`, and the outline.
function FoldControl({ node, onFold }: { node: GraphNode; onFold: (name: string) => void }) {
	const does = node.collapsed ? 'Unfold' : 'Fold';
	const fold = (event: MouseEvent) => {
		event.stopPropagation();
		onFold(nodeName(node));
	};
	return (
		<g
			class="g-fold-control"
			role="button"
			aria-label={`${does} ${nodeName(node)}`}
			aria-expanded={!node.collapsed}
			tabindex={-1}
			transform={`translate(${node.w - 32} 8)`}
			onClick={fold}
		>
			<title>{`${does} (c)`}</title>
			<rect width="24" height="24" rx="6" />
			<path d={node.collapsed ? 'M7 12h10M12 7v10' : 'M7 12h10'} />
		</g>
	);
}

export function NodeView({ node, look, selected, reachable, near, onSelect, onFold }: NodeProps) {
	if (node.kind === 'branch') return <rect class="g-branch" x={node.x} y={node.y} width={node.w} height={node.h} rx={8} />;
	const lines = node.lines ?? [nodeName(node)];
	if (!isStateLike(node))
		return (
			<g transform={`translate(${node.x} ${node.y})`}>
				<rect class="g-mark" width={node.w} height={node.h} rx={node.h / 2} />
				<text class="g-mark-text" x={node.w / 2} y={18}>
					{lines[0]}
				</text>
			</g>
		);
	const now = look.value;
	const head = 2 * MARGIN + lines.length * TITLE_LINE + DETAIL_LINE;
	const kind = isOpenContainer(node) ? 'g-container' : node.kind === 'fold' || node.collapsed ? 'g-fold' : 'g-state';
	const icon = TYPE_ICONS[node.type ?? ''];
	return (
		<g
			class={`g-node ${kind} g-${now.outcome} ${selected ? 'g-selected' : ''}`}
			data-node={node.id}
			data-state={nodeName(node)}
			data-outcome={now.outcome}
			transform={`translate(${node.x} ${node.y})`}
			onClick={() => onSelect(node)}
		>
			<rect
				class="g-box"
				width={node.w}
				height={node.h}
				rx={node.container ? 10 : 8}
				tabindex={reachable ? 0 : -1}
				role="button"
				aria-label={describeNode(node, now)}
				aria-pressed={selected}
			/>
			{near && icon && <path class="g-icon" d={icon} transform={`translate(13 ${(head - 16) / 2})`} />}
			{lines.map((line, index) => (
				<text class="g-title" aria-hidden="true" x={near ? TEXT_AT : 10} y={MARGIN + 12 + index * TITLE_LINE} key={index}>
					{line}
				</text>
			))}
			{near && (
				<text class="g-detail" aria-hidden="true" x={TEXT_AT} y={MARGIN + lines.length * TITLE_LINE + 10}>
					{clip(detailOf(node, now), node.w)}
				</text>
			)}
			{near && node.container && <FoldControl node={node} onFold={onFold} />}
			{now.outcome !== 'pending' && (
				<>
					<circle class="g-disc" cx={2} cy={2} r={8.5} />
					<text class="g-status" aria-hidden="true" x={2} y={6}>
						{OUTCOME_LOOK[now.outcome].icon}
					</text>
				</>
			)}
			{near && now.retries > 0 && !node.container && (
				<>
					<rect class="g-badge" x={node.w - 40} y={-9} width={34} height={17} rx={8.5} />
					<text class="g-badge-text" aria-hidden="true" x={node.w - 23} y={3.5}>
						↻ {now.retries > 99 ? '99+' : now.retries}
					</text>
				</>
			)}
		</g>
	);
}
