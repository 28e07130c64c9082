// Something that is fetched and shown: its data, its error, and when to fetch it again.
//
//     const machines = useResource<MachinesAnswer>(apiPath('/machines'));
//     <Loaded of={machines} lines={8}>{(answer) => …}</Loaded>
//
// The same address fetched again keeps what is shown until the answer is there, and keeps it too when there is none:
// the error stands beside it. Another address begins empty, so that nothing of the last one is left; unless it is told
// to be of the same `group` (another moment of the same execution): then the old answer stays until the new one is
// there, and of many addresses in quick succession only the newest is fetched after the one under way.
import { signal, type Signal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { type ApiError, get, problemOf } from './api';
import { useWhenBack } from './live/client';

export interface Resource<T> {
	data: Signal<T | null>;
	error: Signal<ApiError | null>;
	reload: () => void;
	reloadSoon: () => void; // at most each 250 ms, for streams of changes
}

const SOON_MS = 250;

class Fetcher<T> implements Resource<T> {
	data = signal<T | null>(null);
	error = signal<ApiError | null>(null);
	private address: string | null = null;
	private group = '';
	private running: AbortController | null = null;
	private again = false;
	private timer = 0;
	private last = 0;

	aim(address: string | null, group: string): void {
		if (address === this.address) return;
		this.address = address;
		if (!group || group !== this.group) {
			this.stop();
			this.data.value = null;
			this.error.value = null;
		}
		this.group = group;
		this.reload();
	}

	// While one is under way the next waits for its end: answers never come in the wrong order.
	reload = (): void => {
		clearTimeout(this.timer);
		this.timer = 0;
		if (this.address === null) return;
		if (this.running) this.again = true;
		else void this.fetch(this.address);
	};

	reloadSoon = (): void => {
		if (this.timer) return;
		this.timer = window.setTimeout(this.reload, Math.max(0, this.last + SOON_MS - Date.now()));
	};

	stop(): void {
		clearTimeout(this.timer);
		this.timer = 0;
		this.again = false;
		this.running?.abort();
		this.running = null;
	}

	private async fetch(address: string): Promise<void> {
		const control = new AbortController();
		this.running = control;
		this.last = Date.now();
		try {
			const data = await get<T>(address, control.signal);
			if (this.running !== control) return;
			this.data.value = data;
			this.error.value = null;
		} catch (error) {
			if (this.running !== control) return;
			this.error.value = problemOf(error);
		}
		this.running = null;
		if (this.again) {
			this.again = false;
			this.reload();
		}
	}
}

export function useResource<T>(address: string | null, group = ''): Resource<T> {
	const held = useRef<Fetcher<T> | undefined>(undefined);
	held.current ??= new Fetcher<T>();
	const fetcher = held.current;
	// Before the browser paints: another address must not show the last one's data for a frame.
	useLayoutEffect(() => fetcher.aim(address, group), [address, group]);
	useEffect(() => () => fetcher.stop(), []);
	useWhenBack(() => fetcher.error.peek() && fetcher.reload());
	return fetcher;
}

export function ErrorNote({ error, retry }: { error: ApiError; retry?: () => void }) {
	return (
		<div class="error-note" role="alert">
			<span aria-hidden="true">✕</span>
			<span>
				<code>{error.code}</code> {error.message}
			</span>
			{retry && (
				<button type="button" onClick={retry}>
					Retry
				</button>
			)}
		</div>
	);
}

// Its space is there at once, the shimmer only after 150 ms (see base.css): what is quick does not flicker.
export function Skeleton({ lines = 4 }: { lines?: number }) {
	return (
		<div class="skeleton" role="status" aria-busy="true" aria-label="Loading">
			{Array.from({ length: lines }, (_, index) => (
				<div class="skeleton-line" key={index} />
			))}
		</div>
	);
}

interface LoadedProps<T> {
	of: Resource<T>;
	lines?: number;
	children: (data: T) => ComponentChildren;
}

export function Loaded<T>({ of, lines, children }: LoadedProps<T>) {
	const data = of.data.value;
	const error = of.error.value;
	return (
		<>
			{error && <ErrorNote error={error} retry={of.reload} />}
			{data !== null ? children(data) : !error && <Skeleton lines={lines ?? 4} />}
		</>
	);
}
