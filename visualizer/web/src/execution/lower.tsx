// Below the graph: the visits of states over time, or a Map's items, as a picture or as a table.
import type { Signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { GraphHandle } from '../graph/view';
import { nodeName } from '../graph/model';
import { useResource } from '../resource';
import { executionApi } from '../api';
import { still } from '../still';
import { setQuery } from '../router';
import type { Execution, GraphNode, HistoryEvent, MapTimeline, StateAt, Timeline } from '../types';
import { ItemsPicture, ItemsTable } from './items';
import { TimelineRows } from './timeline';
import { type LowerView, type ViewState } from './view-state';

const VISITS_MOST = 5000;
const ITEMS_MOST = 20000;

interface LowerProps {
	arn: string;
	execution: Execution;
	at: StateAt | null;
	map: GraphNode | null;
	heard: Signal<HistoryEvent | null>;
	view: ViewState;
	selected: string;
	handle: { current: GraphHandle | null };
}

function Panes({ arn, execution, at, map, heard, view, selected, handle }: LowerProps) {
	// A link may name items before a state of the Map is chosen: the item's own Map then.
	const mapName = map ? nodeName(map) : (/([^/[\]]+)\[\d+\]$/.exec(view.item)?.[1] ?? '');
	const shown: LowerView = view.view !== 'timeline' && mapName ? view.view : 'timeline';
	const visits = useResource<Timeline>(shown === 'timeline' ? executionApi(arn, '/timeline', { limit: VISITS_MOST }) : null, arn);
	const items = useResource<MapTimeline>(shown !== 'timeline' ? executionApi(arn, '/timeline', { map: mapName, limit: ITEMS_MOST }) : null, `${arn} ${mapName}`);
	useEffect(() => {
		if (!heard.value) return;
		(shown === 'timeline' ? visits : items).reloadSoon();
	}, [heard.value]);
	// A reload after a gap brings a new count of events.
	useEffect(() => (shown === 'timeline' ? visits : items).reloadSoon(), [execution.events, execution.status]);
	const moment = view.ev === null ? null : (at?.time_ms ?? null);
	const choose = (to: LowerView) => setQuery({ view: to === 'timeline' ? null : to }, { push: true });
	const answer = items.data.value;
	const prefix = map && handle.current ? handle.current.model.pathOf(map, view.item) : mapName;
	return (
		<section class="pane lower" aria-label="Timeline">
			<div class="pane-bar">
				<h2>{shown === 'timeline' ? 'Timeline' : mapName}</h2>
				{answer && shown !== 'timeline' && (
					<span class="muted number">
						{answer.length} items · {answer.failed} failed · {answer.slots} at a time
					</span>
				)}
				<span class="grow" />
				<div class="chips" role="group" aria-label="What is shown">
					<button type="button" aria-pressed={shown === 'timeline'} onClick={() => choose('timeline')}>
						States
					</button>
					{mapName && (
						<>
							<button type="button" aria-pressed={shown === 'items'} onClick={() => choose('items')}>
								Items
							</button>
							<button type="button" aria-pressed={shown === 'table'} onClick={() => choose('table')}>
								Items as table
							</button>
						</>
					)}
				</div>
			</div>
			{shown === 'timeline' ? (
				<TimelineRows of={visits} item={view.item} selected={selected} moment={moment} />
			) : shown === 'items' ? (
				<ItemsPicture of={items} item={view.item} prefix={prefix} moment={moment} />
			) : (
				<ItemsTable of={items} item={view.item} prefix={prefix} moment={moment} />
			)}
		</section>
	);
}

export const Lower = still(Panes, ['arn', 'execution', 'at', 'map', 'view', 'selected']);
