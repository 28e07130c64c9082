// The states as a tree of text: the same as the graph, for those who read rather than look, and the quick way through a
// thousand states.
import { useSignal, type Signal } from '@preact/signals';
import { toggleCollapsed } from '../graph/collapse';
import { type GraphModel, lookOf, nodeName } from '../graph/model';
import { describeNode } from '../graph/node';
import { VirtualList } from '../list';
import { Skeleton } from '../resource';
import { OUTCOME_LOOK } from '../status';
import { still } from '../still';
import type { GraphNode, StateAt } from '../types';

const ROW_HEIGHT = 28;

interface OutlineProps {
	model: GraphModel | null;
	at: Signal<StateAt | null>;
	selected: string;
	onSelect: (state: string) => void;
}

// For the pointer; keys have the arrows to the left and right.
function Fold({ node }: { node: GraphNode }) {
	const does = `${node.collapsed ? 'Unfold' : 'Fold'} ${nodeName(node)}`;
	const fold = (event: MouseEvent) => {
		event.stopPropagation();
		toggleCollapsed(nodeName(node));
	};
	return (
		<button type="button" class="quiet outline-fold" tabIndex={-1} aria-label={does} title={does} onClick={fold}>
			{node.collapsed ? `▸ ${node.folded?.length ?? 0}` : '▾'}
		</button>
	);
}

function Tree({ model, at, selected, onSelect }: OutlineProps) {
	const wanted = useSignal('');
	const looks = model?.looks(at.value) ?? [];
	const text = wanted.value.toLowerCase();
	const rows = (model?.outline ?? []).filter(({ node }) => !text || (node.kind !== 'branch' && nodeName(node).toLowerCase().includes(text)));
	const chosen = rows.findIndex(({ node }) => node === model?.byState.get(selected));
	const select = (index: number) => {
		const node = rows[index]?.node;
		if (node?.kind === 'state') onSelect(nodeName(node));
		else if (node?.folded?.[0]) onSelect(node.folded[0]);
	};
	const onKey = (event: KeyboardEvent) => {
		const node = rows[chosen]?.node;
		const wanted = event.key === 'ArrowRight' ? 'open' : event.key === 'ArrowLeft' ? 'closed' : '';
		if (wanted && node?.container && (wanted === 'open') === !!node.collapsed) {
			event.preventDefault();
			toggleCollapsed(nodeName(node));
		}
		const by = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
		if (!by) return;
		event.preventDefault();
		let index = chosen + by;
		while (rows[index]?.node.kind === 'branch') index += by;
		if (rows[index]) select(index);
	};
	return (
		<section class="pane outline" aria-label="Outline">
			<div class="pane-bar">
				<h2>States</h2>
				<input class="outline-filter" type="search" aria-label="Find a state" placeholder="Find" value={wanted.value} onInput={(event) => (wanted.value = event.currentTarget.value)} />
			</div>
			{!model ? (
				<Skeleton lines={8} />
			) : (
				<div class="outline-list" onKeyDown={onKey}>
					<VirtualList
						role="tree"
						label="States"
						count={rows.length}
						rowHeight={ROW_HEIGHT}
						follow={chosen}
						empty={<p class="empty">No state has that in its name.</p>}
						row={(index) => {
							const row = rows[index];
							if (!row) return null;
							const { node } = row;
							const look = looks[node.id] ?? lookOf([]);
							const isBranch = node.kind === 'branch';
							const shown = OUTCOME_LOOK[look.outcome];
							return (
								<div
									key={node.id}
									role="treeitem"
									class={`outline-row tone-${shown.tone} ${index === chosen ? 'current' : ''}`}
									aria-level={row.depth + 1}
									aria-posinset={row.place}
									aria-setsize={row.siblings}
									aria-selected={index === chosen}
									aria-expanded={node.container ? !node.collapsed : undefined}
									style={{ paddingLeft: `${10 + row.depth * 14}px` }}
									onClick={() => select(index)}
								>
									{isBranch ? (
										<span class="muted">branch {node.branch}</span>
									) : (
										<>
											<span class="outline-icon" aria-hidden="true">
												{shown.icon}
											</span>
											<span class="clip">{nodeName(node)}</span>
											{node.container && <Fold node={node} />}
											<span class="off-screen">{describeNode(node, look).slice(nodeName(node).length)}</span>
											<span class="grow" />
											<span class="outline-counts number" aria-hidden="true">
												{look.retries > 0 && ` ↻${look.retries}`}
												{look.failed > 0 && look.entered > 1 && <span class="outline-failed"> ✕{look.failed}</span>}
												{look.entered > 1 && ` ×${look.entered}`}
											</span>
										</>
									)}
								</div>
							);
						}}
					/>
				</div>
			)}
		</section>
	);
}

export const Outline = still(Tree, ['model', 'at', 'selected']);
