// The list of executions: filtered by the server, fetched page by page as one scrolls, kept current by the stream.
// What starts while the list is read waits behind "3 new", so that rows do not move under the pointer; rows that are
// shown change in place.
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { type ApiError, apiPath, get, problemOf } from '../api';
import { CopyCli } from '../cli';
import { useKeys } from '../keys';
import { useLive, useWhenBack, type LiveEvent } from '../live/client';
import { VirtualList } from '../list';
import { ErrorNote, Skeleton } from '../resource';
import { executionPath, go, href, queryValue, setQuery } from '../router';
import { Heading } from '../shell';
import { StatusPill } from '../status';
import { Duration, Moment } from '../time';
import type { ExecutionRow, ExecutionsPage } from '../types';
import { narrow } from '../narrow';
import { QueryBar } from './query';
import { Views } from './views';

const PAGE = 100;
const ROW_HEIGHT = 36;
const NARROW_ROW_HEIGHT = 58; // two lines (execution.css)
const PROBE_MS = 700;

// The pages of one query. A new query begins a new one.
class Pages {
	constructor(
		readonly q: string,
		private changed: () => void,
	) {}
	rows: ExecutionRow[] = [];
	places = new Map<string, number>();
	error: ApiError | null = null;
	complete = false;
	private next: string | undefined;
	private control: AbortController | null = null;

	async more(): Promise<void> {
		if (this.control || this.complete) return;
		this.control = new AbortController();
		this.error = null;
		try {
			// A page may be empty and still not the last.
			for (let pages = 0, had = this.rows.length; pages < 20 && this.rows.length === had && !this.complete; pages++) {
				const path = apiPath('/executions', { q: this.q, limit: PAGE, cursor: this.next });
				const page = await get<ExecutionsPage>(path, this.control.signal);
				for (const row of page.executions) this.put(row);
				this.next = page.next;
				this.complete = !page.next;
			}
		} catch (error) {
			if (this.control?.signal.aborted) return;
			this.error = problemOf(error);
		}
		this.control = null;
		this.changed();
	}

	put(row: ExecutionRow): void {
		const place = this.places.get(row.arn);
		if (place !== undefined) this.rows[place] = row;
		else this.places.set(row.arn, this.rows.push(row) - 1);
	}

	stop(): void {
		this.control?.abort();
	}
}

function Row({ row, index, current }: { row: ExecutionRow; index: number; current: boolean }) {
	return (
		<div role="row" aria-rowindex={index + 2} class={`list-row executions-grid ${current ? 'current' : ''}`} data-index={index}>
			<span role="cell" class="clip cell-name">
				<a href={href(executionPath(row.arn))} title={row.arn}>
					{row.name}
				</a>
			</span>
			<span role="cell" class="cell-status">
				<StatusPill status={row.status} />
			</span>
			<span role="cell" class="clip cell-machine">
				{row.machine}
			</span>
			<span role="cell" class="clip muted cell-started">
				<Moment ms={row.start_ms} />
			</span>
			<span role="cell" class="clip cell-duration">
				<Duration from={row.start_ms} {...(row.stop_ms ? { to: row.stop_ms } : {})} />
			</span>
			<span role="cell" class="clip muted cell-failure" title={[row.state, row.error].filter(Boolean).join(' · ')}>
				{[row.state, row.error].filter(Boolean).join(' · ')}
				{row.redrives > 0 && ` ↻ redriven ${row.redrives} ×`}
			</span>
		</div>
	);
}

function Empty({ q }: { q: string }) {
	return q ? (
		<div class="empty">
			<p>No execution matches.</p>
			<button type="button" onClick={() => setQuery({ q: null }, { push: true })}>
				Clear the filter
			</button>
		</div>
	) : (
		<div class="empty">
			<p>No execution was started yet.</p>
			<p>
				Start one from <a href={href('/machines')}>Machines</a>, or: <code>ratchet start MACHINE --input '{'{}'}'</code>
			</p>
		</div>
	);
}

const COLUMNS = { name: 'Execution', status: 'Status', machine: 'Machine', started: 'Started', duration: 'Duration', failure: 'Failure' };
const HEAD = (
	<div role="row" aria-rowindex={1} class="list-head executions-grid">
		{Object.entries(COLUMNS).map(([name, word]) => (
			<span role="columnheader" class={`cell-${name}`} key={name}>
				{word}
			</span>
		))}
	</div>
);

export function ExecutionsScreen() {
	const q = queryValue('q');
	const version = useSignal(0);
	const fresh = useSignal<Set<string>>(new Set());
	const current = useSignal(-1);
	const pages = useRef<Pages | null>(null);
	const load = () => {
		pages.current?.stop();
		const begun = new Pages(q, () => version.value++);
		// What was shown stays until the new answer is there, if it answers the same question.
		if (pages.current?.q !== q) {
			pages.current = begun;
			current.value = -1;
			version.value++;
			void begun.more();
		} else {
			void begun.more().then(() => {
				if (pages.current?.q !== q) return; // another question was asked meanwhile
				if (begun.error) pages.current.error = begun.error;
				else pages.current = begun;
				version.value++;
			});
		}
		fresh.value = new Set();
	};
	// Whether what happened fits a filter is for the server to say: the newest page is asked for, once a second at most.
	const probing = useRef(0);
	const probe = () => {
		if (probing.current) return;
		probing.current = window.setTimeout(async () => {
			probing.current = 0;
			const shown = pages.current;
			const newest = await get<ExecutionsPage>(apiPath('/executions', { q, limit: PAGE })).catch(() => null);
			if (newest && shown && shown === pages.current)
				fresh.value = new Set(newest.executions.map(({ arn }) => arn).filter((arn) => !shown.places.has(arn)));
		}, PROBE_MS);
	};
	useEffect(
		() => () => {
			clearTimeout(probing.current);
			probing.current = 0;
		},
		[q],
	);
	useEffect(load, [q]);
	useEffect(() => () => pages.current?.stop(), []);
	useLive(
		['executions'],
		(event: LiveEvent) => {
			const row = event.data as unknown as ExecutionRow;
			const shown = pages.current;
			if (!shown) return;
			if (shown.places.has(row.arn)) {
				shown.put(row);
				version.value++;
			} else if (q) probe();
			else fresh.value = new Set(fresh.value).add(row.arn);
		},
		load,
	);
	useWhenBack(() => pages.current?.error && void pages.current.more());
	void version.value;
	const shown = pages.current;
	const rows = shown?.rows ?? [];
	const step = (by: number) => {
		current.value = Math.max(0, Math.min(rows.length - 1, current.value + by));
		requestAnimationFrame(() =>
			document.querySelector<HTMLElement>(`.list-row[data-index="${current.peek()}"] a`)?.focus({ preventScroll: true }),
		);
	};
	useKeys('Executions', [
		{ key: 'j', does: 'next row', run: () => step(1) },
		{ key: 'k', does: 'row before', run: () => step(-1) },
		{
			key: 'Enter',
			does: 'open the row',
			run: () => {
				const row = rows[current.value];
				if (row) go(href(executionPath(row.arn)));
			},
		},
		{ key: '/', does: 'filter', run: () => document.querySelector<HTMLInputElement>('[data-filter]')?.focus() },
		{ key: 'r', does: 'show what is new', run: load },
	]);
	const queryError = shown?.error?.code === 'InvalidQuery' ? shown.error : null;
	return (
		<div class="screen fill">
			<div class="row">
				<Heading title="Executions" />
				<QueryBar value={q} error={queryError} onChange={(text) => setQuery({ q: text }, { push: true })} />
				<CopyCli words={q ? ['search', q] : ['search']} />
			</div>
			<div class="row">
				<Views q={q} />
				<span class="grow" />
				{fresh.value.size > 0 && (
					<button type="button" class="primary waiting-rows" onClick={load}>
						{fresh.value.size} new – show
					</button>
				)}
				<span class="muted number" role="status">
					{rows.length}
					{shown?.complete ? '' : '+'} shown
				</span>
			</div>
			<div class="pane fill">
				{shown?.error && !queryError && <ErrorNote error={shown.error} retry={() => void shown.more()} />}
				{!rows.length && !shown?.complete && !shown?.error ? (
					<Skeleton lines={14} />
				) : (
					<VirtualList
						label="Executions"
						count={rows.length}
						rowHeight={narrow.value ? NARROW_ROW_HEIGHT : ROW_HEIGHT}
						head={HEAD}
						follow={current.value}
						onNearEnd={() => void shown?.more()}
						empty={queryError ? null : <Empty q={q} />}
						row={(index) => {
							const row = rows[index];
							return row && <Row row={row} index={index} current={index === current.value} key={row.arn} />;
						}}
					/>
				)}
			</div>
		</div>
	);
}
