// The polite live region: what changed, for those who do not see it. At most one message each five seconds; of those
// that come in between, the newest is said.
import { signal } from '@preact/signals';

const EACH_MS = 5000;
const said = signal('');
let waiting: string | null = null;
let free = 0;

export function announce(text: string): void {
	const wait = free - Date.now();
	if (wait <= 0) {
		free = Date.now() + EACH_MS;
		said.value = text;
		return;
	}
	if (waiting === null)
		setTimeout(() => {
			free = Date.now() + EACH_MS;
			said.value = waiting ?? '';
			waiting = null;
		}, wait);
	waiting = text;
}

export function LiveRegion() {
	return (
		<div class="off-screen" role="status" aria-live="polite" data-testid="live-region">
			{said.value}
		</div>
	);
}
