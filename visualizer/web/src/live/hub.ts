// The one event stream of a browser. A hub holds it for all tabs: in the tab that leads, or in a shared worker
// (client.ts decides). It knows what each tab wants to hear, keeps one EventSource on the sum of that, and hands every
// event on. After a drop, or when the topics change, the stream goes on behind the last event that was seen.
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
}
export type FromHub = StreamEvent | StreamState;
export type ToHub = { kind: 'topics'; tab: string; topics: string[] } | { kind: 'bye'; tab: string };

const NAMES = ['overview', 'executions', 'execution', 'dead-letters', 'log', 'resync'];
const TOPICS_MOST = 32;
const RETRY_MS = [300, 600, 1200, 2500, 5000];

export class Hub {
	private tabs = new Map<string, string[]>();
	private source: EventSource | null = null;
	private open: string[] = []; // the topics of the source
	private failures = 0;
	private timer: ReturnType<typeof setTimeout> | undefined;
	private state: StreamState = { kind: 'state', connected: false, topics: [], resumed: false };

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
		this.source?.close();
		this.source = null;
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
		const source = new EventSource(`/v1/events?${query}`);
		this.source = source;
		source.onopen = () => {
			this.failures = 0;
			this.say({ kind: 'state', connected: true, topics, resumed: last !== '' });
		};
		source.onerror = () => {
			if (this.source !== source) return;
			this.close();
			this.say({ kind: 'state', connected: false, topics: [], resumed: false });
			this.timer = setTimeout(() => this.connect(), RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)]);
		};
		for (const name of NAMES)
			source.addEventListener(name, (event) => {
				if (this.source !== source) return;
				if (event.lastEventId) this.last = event.lastEventId;
				this.tell({ kind: 'event', id: event.lastEventId, name, data: String(event.data) });
			});
	}

	private say(state: StreamState): void {
		this.state = state;
		this.tell(state);
	}
}
