// One connection to the event stream. Not an EventSource: that hides the heartbeat, and without it a server that keeps
// the connection but says nothing any more cannot be told from one that has nothing to say.
export const SILENT_MS = 40_000; // the server says something each 15 s

export interface StreamListener {
	open: () => void;
	heard: () => void; // anything, a heartbeat too
	event: (name: string, id: string, data: string) => void;
	end: () => void; // closed, refused, or silent for too long; not after close()
}

export class Stream {
	private control = new AbortController();
	private timer: ReturnType<typeof setTimeout> | undefined;
	private over = false;

	constructor(
		address: string,
		private listener: StreamListener,
	) {
		this.listen();
		void this.run(address).catch(() => {}).finally(() => this.finish(true));
	}

	close(): void {
		this.finish(false);
	}

	private listen(): void {
		clearTimeout(this.timer);
		this.timer = setTimeout(() => this.finish(true), SILENT_MS);
	}

	private finish(tell: boolean): void {
		if (this.over) return;
		this.over = true;
		clearTimeout(this.timer);
		this.control.abort();
		if (tell) this.listener.end();
	}

	private async run(address: string): Promise<void> {
		const headers = { Accept: 'text/event-stream' };
		const response = await fetch(address, { headers, signal: this.control.signal, credentials: 'same-origin', cache: 'no-store' });
		if (!response.ok || !response.body || this.over) return;
		this.listener.open();
		const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
		let rest = '';
		for (;;) {
			const { done, value } = await reader.read();
			if (done || this.over) return;
			this.listen();
			this.listener.heard();
			const blocks = (rest + value).split('\n\n');
			rest = blocks.pop() ?? '';
			for (const block of blocks) if (!this.over) this.take(block);
		}
	}

	// "id: …", "event: …", "data: …" on lines; comments begin with a colon.
	private take(block: string): void {
		const fields: Record<string, string> = {};
		for (const line of block.split('\n')) {
			const [, name = '', value = ''] = /^([a-z]+): ?(.*)$/s.exec(line) ?? [];
			if (name) fields[name] = name in fields ? `${fields[name]}\n${value}` : value;
		}
		if (fields.data !== undefined) this.listener.event(fields.event ?? 'message', fields.id ?? '', fields.data);
	}
}
