// What a tab hears of the stream. One stream serves the whole browser, because a browser opens only six connections to
// a host:
//
//     Web Locks there    the tab that holds the lock "ratchet-live" has the hub; the others talk to it on a
//                        BroadcastChannel. When it closes, the lock goes to the next, which continues the stream
//                        behind the last event that it heard itself.
//     SharedWorker only  the worker has the hub.
//     neither            each tab its own.
//
// Every tab also holds a lock of its own, so that the leader knows which tabs are still there.
import { signal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { serverTime } from '../time';
import { Hub, type FromHub, type StreamEvent, type ToHub } from './hub';

export type LiveState = 'connecting' | 'live' | 'reconnecting';
export const liveState = signal<LiveState>('connecting');
export const liveUntil = signal(0); // when the data was last known to be current; while reconnecting

export interface LiveEvent {
	name: string;
	data: Record<string, unknown>;
}
interface Listener {
	topics: string[];
	hear: (event: LiveEvent) => void;
	refresh: () => void; // something may have been missed: fetch again
	covered: boolean;
}

const CHANNEL = 'ratchet-live';
const PRUNE_MS = 5000;
const tab = Math.random().toString(36).slice(2);
const listeners = new Set<Listener>();
let last = '';
let post: (message: ToHub) => void = () => {};

function wantedTopics(): string[] {
	return [...new Set([...listeners].flatMap((listener) => listener.topics))];
}

function tellTopics(): void {
	post({ kind: 'topics', tab, topics: wantedTopics() });
}

// Whether it comes after what was heard: a new leader may repeat events that the old one still handed on.
function isNew(id: string): boolean {
	const [epoch, sequence] = id.split('-');
	const [lastEpoch, lastSequence] = last.split('-');
	return epoch !== lastEpoch || Number(sequence) > Number(lastSequence);
}

function deliver(message: StreamEvent): void {
	if (message.id && !isNew(message.id)) return;
	if (message.id) last = message.id;
	let data: Record<string, unknown>;
	try {
		data = JSON.parse(message.data) as Record<string, unknown>;
	} catch {
		return;
	}
	for (const listener of listeners) {
		if (message.name === 'resync') {
			if (typeof data.topic !== 'string' || listener.topics.includes(data.topic)) listener.refresh();
		} else if (typeof data.topic === 'string' && listener.topics.includes(data.topic))
			listener.hear({ name: message.name, data });
	}
}

function hear(message: FromHub): void {
	if (message.kind === 'event') {
		deliver(message);
		return;
	}
	if (!message.connected) {
		for (const listener of listeners) listener.covered = false;
		if (liveState.peek() === 'live') {
			liveUntil.value = serverTime(message.heardMs);
			liveState.value = 'reconnecting';
		}
		return;
	}
	liveState.value = 'live';
	for (const listener of listeners) {
		const covered = listener.topics.every((topic) => message.topics.includes(topic));
		// What was fetched before the stream carried these topics may be older than the stream's beginning.
		if (covered && !listener.covered && !message.resumed) listener.refresh();
		listener.covered = covered;
	}
}

function startWithLocks(): void {
	const channel = new BroadcastChannel(CHANNEL);
	let hub: Hub | null = null;
	post = (message) => (hub ? hub.take(message) : channel.postMessage(message));
	channel.onmessage = (event: MessageEvent<ToHub | FromHub | { kind: 'leader' }>) => {
		const message = event.data;
		if (message.kind === 'leader') tellTopics();
		else if (message.kind === 'topics' || message.kind === 'bye') hub?.take(message);
		else hear(message);
	};
	const prune = async () => {
		const held = new Set((await navigator.locks.query()).held?.map((lock) => lock.name));
		for (const known of hub?.tabsKnown() ?? []) if (!held.has(`ratchet-tab-${known}`)) hub?.take({ kind: 'bye', tab: known });
	};
	void navigator.locks.request(`ratchet-tab-${tab}`, () => new Promise(() => {}));
	void navigator.locks.request(CHANNEL, () => {
		hub = new Hub((message) => {
			channel.postMessage(message);
			hear(message);
		}, last);
		tellTopics();
		channel.postMessage({ kind: 'leader' });
		setInterval(() => void prune(), PRUNE_MS);
		return new Promise(() => {}); // as long as the tab lives
	});
	window.addEventListener('pagehide', () => post({ kind: 'bye', tab }));
	window.addEventListener('pageshow', (event) => event.persisted && tellTopics());
}

function startWithWorker(address: string): void {
	const worker = new SharedWorker(address, { type: 'module', name: CHANNEL });
	post = (message) => worker.port.postMessage(message);
	worker.port.onmessage = (event: MessageEvent<FromHub>) => hear(event.data);
	setInterval(tellTopics, 60_000);
	window.addEventListener('pagehide', () => post({ kind: 'bye', tab }));
}

export function startLive(): void {
	const worker = document.querySelector<HTMLMetaElement>('meta[name=ratchet-worker]')?.content;
	if ('locks' in navigator && 'BroadcastChannel' in window) startWithLocks();
	else if ('SharedWorker' in window && worker) startWithWorker(worker);
	else {
		const hub = new Hub(hear);
		post = (message) => hub.take(message);
	}
}

// Calls `then` when the stream is there again after a drop: for what could not be fetched meanwhile.
export function useWhenBack(then: () => void): void {
	const latest = useRef(then);
	latest.current = then;
	useLayoutEffect(() => {
		let before = liveState.peek();
		return liveState.subscribe((state) => {
			if (state === 'live' && before === 'reconnecting') latest.current();
			before = state;
		});
	}, []);
}

// While the component is shown: `hear` each event of these topics, `refresh` when something may have been missed.
export function useLive(topics: string[], hearEvent: (event: LiveEvent) => void, refresh: () => void): void {
	const latest = useRef({ hearEvent, refresh });
	latest.current = { hearEvent, refresh };
	// Before anything that was asked for in the same moment can be answered: no change falls between the two.
	useLayoutEffect(() => {
		if (!topics.length) return;
		const listener: Listener = {
			topics,
			hear: (event) => latest.current.hearEvent(event),
			refresh: () => latest.current.refresh(),
			covered: false,
		};
		listeners.add(listener);
		tellTopics();
		return () => {
			listeners.delete(listener);
			tellTopics();
		};
	}, [topics.join('\n')]);
}
