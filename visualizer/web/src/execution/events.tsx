// The history: every event, in pages as one scrolls; choosing one moves the moment there.
import { useSignal, type Signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { type ApiError, executionApi, get, problemOf } from '../api';
import { useWhenBack } from '../live/client';
import { VirtualList } from '../list';
import { ErrorNote } from '../resource';
import { formatDuration } from '../time';
import type { EventsPage, HistoryEvent } from '../types';
import { chooseMoment } from './view-state';

const PAGE = 500;
const ROW_HEIGHT = 28;

interface EventsTabProps {
	arn: string;
	last: number;
	heard: Signal<HistoryEvent | null>;
	state: string;
	ev: number | null;
}

export function EventsTab({ arn, last, heard, state, ev }: EventsTabProps) {
	const events = useSignal<HistoryEvent[]>([]);
	const error = useSignal<ApiError | null>(null);
	const onlyState = useSignal(false);
	const busy = useRef(false);
	const alive = useRef(true);
	useEffect(() => () => void (alive.current = false), []);
	// Events are fetched in the order of their ids, so the newest known id says where to go on.
	const more = async () => {
		const from = (events.peek().at(-1)?.id ?? 0) + 1;
		if (busy.current || from > last) return;
		busy.current = true;
		try {
			const page = await get<EventsPage>(executionApi(arn, '/events', { from, limit: PAGE }));
			if (!alive.current) return;
			events.value = [...events.peek(), ...page.events.filter(({ id }) => id >= from)];
			error.value = null;
		} catch (problem) {
			error.value = problemOf(problem);
		}
		busy.current = false;
	};
	useEffect(() => {
		if (events.peek().length === 0 || (heard.value && last - (events.peek().at(-1)?.id ?? 0) < PAGE)) void more();
	}, [arn, last]);
	useWhenBack(() => error.peek() && void more());
	const rows = onlyState.value ? events.value.filter((event) => event.state === state) : events.value;
	const origin = events.value[0]?.timestamp_ms ?? 0;
	return (
		<div class="events">
			{state && (
				<label class="inline">
					<input type="checkbox" checked={onlyState.value} onChange={(event) => (onlyState.value = event.currentTarget.checked)} /> only those of {state}
				</label>
			)}
			{error.value && <ErrorNote error={error.value} retry={() => void more()} />}
			<VirtualList
				label="Events"
				count={rows.length}
				rowHeight={ROW_HEIGHT}
				follow={ev === null ? -1 : rows.findIndex(({ id }) => id >= ev)}
				onNearEnd={() => void more()}
				empty={<p class="empty">No events{onlyState.value ? ' of this state' : ''} yet.</p>}
				row={(index) => {
					const event = rows[index];
					return (
						event && (
							<div role="row" aria-rowindex={index + 1} key={event.id} class={`list-row events-grid ${event.id === ev ? 'current' : ''}`}>
								<span role="cell" class="number muted">
									{event.id}
								</span>
								<span role="cell" class="clip">
									<button type="button" class="link" title={`Show the moment after event ${event.id}`} onClick={() => chooseMoment(event.id)}>
										{event.type}
									</button>
								</span>
								<span role="cell" class="clip muted" title={[event.state, event.path].filter(Boolean).join(' ')}>
									{event.state} {event.path}
								</span>
								<span role="cell" class="number muted">
									+{formatDuration(event.timestamp_ms - origin)}
								</span>
							</div>
						)
					);
				}}
			/>
		</div>
	);
}
