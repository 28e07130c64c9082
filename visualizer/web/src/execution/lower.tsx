// Below the graph: the visits of states over time, or a Map's items, as a picture or as a table.
import type { Signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { type GraphModel, nodeName } from '../graph/model';
import { useResource } from '../resource';
import { executionApi } from '../api';
import { still } from '../still';
import { setQuery } from '../router';
import type { Execution, GraphNode, HistoryEvent, MapTimeline, StateAt, Timeline } from '../types';
import { ITEM_ROW_HEIGHT, ItemsPicture, ItemsTable, SLOT_HEIGHT } from './items';
import { TIMELINE_ROW_HEIGHT, TimelineRows } from './timeline';
import { LOWER_VIEWS, type LowerView, type ViewState } from './view-state';

const VISITS_MOST = 5000;
const ITEMS_MOST = 20000;
const VIEW_WORDS: Record<LowerView, string> = { timeline: 'States', items: 'Items', table: 'Items as table' };

// As high as what is in it, within bounds (execution.css): what it does not need is the graph's.
function contentHeight(shown: LowerView, visits: Timeline | null, items: MapTimeline | null): number {
	if (shown === 'timeline') return 80 + (visits?.visits.length ?? 0) * TIMELINE_ROW_HEIGHT;
	if (shown === 'items') return 84 + (items?.slots ?? 0) * SLOT_HEIGHT;
	return 150 + (items?.items.length ?? 0) * ITEM_ROW_HEIGHT;
}

interface LowerProps {
	arn: string;
	execution: Execution;
	at: StateAt | null;
	map: GraphNode | null;
	maps: StateAt['maps']; // that were entered, by name
	heard: Signal<HistoryEvent | null>;
	view: ViewState;
	selected: string;
	model: GraphModel | null;
}

function Panes({ arn, execution, at, map, maps, heard, view, selected, model }: LowerProps) {
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
	const prefix = map && model ? model.pathOf(map, view.item) : mapName;
	return (
		<section class="pane lower" aria-label="Timeline" style={{ '--content': `${contentHeight(shown, visits.data.value, answer)}px` }}>
			<div class="pane-bar">
				<h2>{shown === 'timeline' ? 'Timeline' : mapName}</h2>
				{answer && shown !== 'timeline' && (
					<span class="muted number">
						{answer.length} items · {answer.failed} failed · {answer.slots} at a time
					</span>
				)}
				<span class="grow" />
				{mapName && (
					<div class="chips" role="group" aria-label="What is shown">
						{LOWER_VIEWS.map((one) => (
							<button type="button" key={one} aria-pressed={shown === one} onClick={() => choose(one)}>
								{VIEW_WORDS[one]}
							</button>
						))}
					</div>
				)}
			</div>
			{shown === 'timeline' ? (
				<TimelineRows of={visits} item={view.item} selected={selected} moment={moment} maps={maps} />
			) : shown === 'items' ? (
				<ItemsPicture of={items} item={view.item} prefix={prefix} moment={moment} />
			) : (
				<ItemsTable of={items} item={view.item} prefix={prefix} moment={moment} />
			)}
		</section>
	);
}

export const Lower = still(Panes, ['arn', 'execution', 'at', 'map', 'model', 'view', 'selected']);
