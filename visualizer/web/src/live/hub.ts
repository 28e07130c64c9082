// The one event stream of a browser. A hub holds it for all tabs: in the tab that leads, or in a shared worker
// (client.ts decides). It knows what each tab wants to hear, keeps one stream on the sum of that, and hands every
// event on. After a drop, or when the topics change, the stream goes on behind the last event that was seen.
import { Stream } from './stream';

export interface StreamEvent {
	kind: 'event';
	id: string; // EPOCH-SEQUENCE
	name: string;
	data: string;
}
export interface StreamState {
	kind: 'state';
	connected: boolean;
	topics: string[]; // what the stream carries; known from when it opened
	resumed: boolean; // it went on behind an event: nothing was missed
	heardMs: number; // when the server was last heard, by the browser's clock
}
export type FromHub = StreamEvent | StreamState;
export type ToHub = { kind: 'topics'; tab: string; topics: string[] } | { kind: 'bye'; tab: string };

const TOPICS_MOST = 32;
const RETRY_MS = [300, 600, 1200, 2500, 5000];

export class Hub {
	private tabs = new Map<string, string[]>();
	private stream: Stream | null = null;
	private open: string[] = []; // the topics of the stream
	private heard = Date.now();
	private failures = 0;
	private timer: ReturnType<typeof setTimeout> | undefined;
	private state: StreamState = { kind: 'state', connected: false, topics: [], resumed: false, heardMs: 0 };

	constructor(
		private tell: (message: FromHub) => void,
		private last = '', // the id of the newest event known
	) {}

	take(message: ToHub): void {
		if (message.kind === 'bye') this.tabs.delete(message.tab);
		else this.tabs.set(message.tab, message.topics);
		this.aim();
		if (message.kind === 'topics') this.tell(this.state);
	}

	tabsKnown(): string[] {
		return [...this.tabs.keys()];
	}

	close(): void {
		clearTimeout(this.timer);
		this.stream?.close();
		this.stream = null;
	}

	private aim(): void {
		const topics = [...new Set([...this.tabs.values()].flat())].sort().slice(0, TOPICS_MOST);
		if (topics.join() === this.open.join()) return;
		this.open = topics;
		this.connect();
	}

	private connect(): void {
		this.close();
		if (!this.open.length) return;
		const topics = this.open;
		const last = this.last;
		const query = `topics=${topics.map(encodeURIComponent).join(',')}${last ? `&last=${encodeURIComponent(last)}` : ''}`;
		this.stream = new Stream(`/v1/events?${query}`, {
			open: () => {
				this.failures = 0;
				this.say({ kind: 'state', connected: true, topics, resumed: last !== '' });
			},
			heard: () => (this.heard = Date.now()),
			event: (name, id, data) => {
				if (id) this.last = id;
				this.tell({ kind: 'event', id, name, data });
			},
			end: () => {
				this.stream = null;
				this.say({ kind: 'state', connected: false, topics: [], resumed: false });
				this.timer = setTimeout(() => this.connect(), RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)]);
			},
		});
	}

	private say(state: Omit<StreamState, 'heardMs'>): void {
		this.state = { ...state, heardMs: this.heard };
		this.tell(this.state);
	}
}
