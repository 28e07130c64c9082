// Keys: a screen says which ones it understands while it is shown; `?` lists them. Keys with modifiers and keys typed
// into inputs are nobody's but the browser's, save Ctrl K.
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';

export interface Key {
	key: string; // KeyboardEvent.key
	does: string; // shown by ?
	run: () => void;
}

// The sets of what is shown now, the newest last: it is asked first.
export const keySets = signal<{ title: string; keys: Key[] }[]>([]);

export function isTyping(target: EventTarget | null): boolean {
	if (!(target instanceof HTMLElement)) return false;
	return (
		target.isContentEditable ||
		target instanceof HTMLTextAreaElement ||
		target instanceof HTMLSelectElement ||
		(target instanceof HTMLInputElement && !['checkbox', 'radio', 'range', 'button'].includes(target.type))
	);
}

export function useKeys(title: string, keys: Key[]): void {
	const latest = useRef(keys);
	latest.current = keys;
	useEffect(() => {
		const set = {
			title,
			get keys() {
				return latest.current;
			},
		};
		keySets.value = [...keySets.peek(), set];
		return () => {
			keySets.value = keySets.peek().filter((other) => other !== set);
		};
	}, [title]);
}

function onKey(event: KeyboardEvent): void {
	if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
	if (document.querySelector('dialog[open]')) return;
	for (const set of [...keySets.peek()].reverse()) {
		const key = set.keys.find((candidate) => candidate.key === event.key);
		if (!key) continue;
		// Enter belongs to the link or button that has the focus.
		if (key.key === 'Enter' && event.target instanceof Element && event.target.closest('a,button,[role=button]')) return;
		event.preventDefault();
		key.run();
		return;
	}
}

export function startKeys(): void {
	document.addEventListener('keydown', onKey);
}
