// The moment that the lower panes show: that of the graph, once the slider rests. While it moves only the graph, the
// outline and the slider itself are redrawn, so that each step is a frame.
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { StateAt } from '../types';

const REST_MS = 70;

export interface Moment {
	ev: number | null;
	at: StateAt | null;
}

// `of` says what it is the moment of: of something else nothing is kept.
export function useSettled(ev: number | null, at: StateAt | null, of: string): Moment {
	const held = useRef({ ev, at, of });
	const settled = useSignal(0);
	void settled.value;
	if (held.current.of !== of || !at || !held.current.at) held.current = { ev, at, of };
	useEffect(() => {
		if (held.current.ev === ev && held.current.at === at) return;
		const timer = setTimeout(() => {
			held.current = { ev, at, of };
			settled.value++;
		}, REST_MS);
		return () => clearTimeout(timer);
	}, [ev, at, of]);
	return held.current;
}
