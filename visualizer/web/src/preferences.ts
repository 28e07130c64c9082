// What the viewer likes: theme and the way of writing times. The URL has the last word (a link reproduces them), then
// what was chosen here before, then the system.
import { computed, effect } from '@preact/signals';
import { place, setQuery } from './router';

export const THEMES = ['system', 'light', 'dark'] as const;
export const TIME_MODES = ['relative', 'local', 'utc'] as const;
export type Theme = (typeof THEMES)[number];
export type TimeMode = (typeof TIME_MODES)[number];

function stored(name: string): string | null {
	try {
		return localStorage.getItem(`ratchet.${name}`);
	} catch {
		return null;
	}
}

function choose<T extends string>(name: string, choices: readonly T[]): () => T {
	return () => {
		const first = choices[0] as T;
		for (const text of [place.value.query.get(name), stored(name)])
			if (text !== null && (choices as readonly string[]).includes(text)) return text as T;
		return first;
	};
}

export const theme = computed<Theme>(choose('theme', THEMES));
export const timeMode = computed<TimeMode>(choose('time', TIME_MODES));

function keep(name: string, value: string): void {
	try {
		localStorage.setItem(`ratchet.${name}`, value);
	} catch {
		// A browser without storage: the URL alone keeps it.
	}
	setQuery({ [name]: value });
}

export const setTheme = (value: Theme) => keep('theme', value);
export const setTimeMode = (value: TimeMode) => keep('time', value);

export function startTheme(): void {
	effect(() => {
		if (theme.value === 'system') delete document.documentElement.dataset.theme;
		else document.documentElement.dataset.theme = theme.value;
	});
}
