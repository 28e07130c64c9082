// The hub in a shared worker: for browsers without Web Locks, which is every page that came over plain HTTP from
// another machine. A port whose tab has not been heard of for three minutes is forgotten.
import { Hub, type FromHub, type ToHub } from './hub';

interface SharedScope {
	onconnect: ((event: MessageEvent) => void) | null;
}

const SILENT_MS = 180_000;
const ports = new Map<MessagePort, { tab: string; heard: number }>();
const hub = new Hub((message: FromHub) => {
	for (const port of ports.keys()) port.postMessage(message);
});

(globalThis as unknown as SharedScope).onconnect = (event) => {
	const port = event.ports[0];
	if (!port) return;
	ports.set(port, { tab: '', heard: Date.now() });
	port.onmessage = (message: MessageEvent<ToHub>) => {
		if (message.data.kind === 'bye') ports.delete(port);
		else ports.set(port, { tab: message.data.tab, heard: Date.now() });
		hub.take(message.data);
	};
};

setInterval(() => {
	for (const [port, { tab, heard }] of ports) {
		if (Date.now() - heard < SILENT_MS) continue;
		ports.delete(port);
		hub.take({ kind: 'bye', tab });
	}
}, 30_000);
