// What an execution's screen shows, all of it in the URL:
//
//     state   the state that is chosen          item    one iteration of a Map: "PackItems[3]"
//     ev      the moment: after this event      visit   a visit of the state (its entered event)
//     tab     of the inspector                  view    below the graph: timeline, items, table
//
// Without `ev` the screen shows the newest moment and follows it.
import { signal } from '@preact/signals';
import { queryValue, setQuery } from '../router';

export const TABS = ['error', 'input', 'output', 'flow', 'definition', 'events', 'log'] as const;
export type Tab = (typeof TABS)[number];
export const LOWER_VIEWS = ['timeline', 'items', 'table'] as const;
export type LowerView = (typeof LOWER_VIEWS)[number];

function oneOf<T extends string>(text: string, choices: readonly T[]): T | null {
	return (choices as readonly string[]).includes(text) ? (text as T) : null;
}

export interface ViewState {
	state: string;
	item: string;
	ev: number | null;
	visit: number | null;
	tab: Tab | null;
	view: LowerView;
}

// While the slider moves the URL follows some times a second only: browsers refuse more.
const sliding = signal<number | null | undefined>(undefined);
let timer = 0;

export function readView(): ViewState {
	const ev = sliding.value !== undefined ? sliding.value : Number(queryValue('ev')) || null;
	return {
		state: queryValue('state'),
		item: queryValue('item'),
		ev,
		visit: Number(queryValue('visit')) || null,
		tab: oneOf(queryValue('tab'), TABS),
		view: oneOf(queryValue('view'), LOWER_VIEWS) ?? 'timeline',
	};
}

export function chooseState(state: string): void {
	setQuery({ state, visit: null }, { push: true });
}
export function chooseItem(item: string | null): void {
	setQuery({ item, visit: null }, { push: true });
}
export function chooseMoment(ev: number | null): void {
	sliding.value = ev;
	if (timer) return;
	timer = window.setTimeout(() => {
		timer = 0;
		const last = sliding.peek();
		sliding.value = undefined;
		setQuery({ ev: last, visit: null });
	}, 200);
}
// Another execution: what was not written yet is not its.
export function forgetMoment(): void {
	clearTimeout(timer);
	timer = 0;
	sliding.value = undefined;
}
