// Where the console is: the path names the screen and its subject, the query holds everything else that can be seen or
// chosen, so that a link reproduces the view and Back undoes.
//
// `theme` and `time` belong to the viewer rather than to a screen: once in the URL they go along with every link.
import { computed, signal } from '@preact/signals';

export type ScreenName = 'overview' | 'executions' | 'execution' | 'letters' | 'machines' | 'machine' | 'login' | 'missing';

export interface Place {
	path: string;
	query: URLSearchParams;
}

export interface Route {
	screen: ScreenName;
	subject: string; // the decoded last part: an ARN, a machine's name
}

// As in server/console.c.
const SCREENS: [RegExp, ScreenName][] = [
	[/^\/$/, 'overview'],
	[/^\/executions$/, 'executions'],
	[/^\/executions\/([^/]+)$/, 'execution'],
	[/^\/dlq$/, 'letters'],
	[/^\/dlq\/([^/]+)$/, 'letters'],
	[/^\/machines$/, 'machines'],
	[/^\/machines\/([^/]+)$/, 'machine'],
	[/^\/login$/, 'login'],
];
const STICKY = ['theme', 'time'];

function readPlace(): Place {
	return { path: location.pathname, query: new URLSearchParams(location.search) };
}

export const place = signal<Place>(readPlace());

function decodePart(part: string): string {
	try {
		return decodeURIComponent(part);
	} catch {
		return part;
	}
}

export const route = computed<Route>(() => {
	for (const [pattern, screen] of SCREENS) {
		const match = pattern.exec(place.value.path);
		if (match) return { screen, subject: decodePart(match[1] ?? '') };
	}
	return { screen: 'missing', subject: '' };
});

export type QueryChanges = Record<string, string | number | null | undefined>;

// A link inside the console, with what sticks.
export function href(path: string, query: QueryChanges = {}): string {
	const params = new URLSearchParams();
	for (const [name, value] of Object.entries(query))
		if (value !== null && value !== undefined && value !== '') params.set(name, String(value));
	for (const name of STICKY) {
		const value = place.value.query.get(name);
		if (value !== null && !params.has(name)) params.set(name, value);
	}
	const text = params.toString();
	return text ? `${path}?${text}` : path;
}

export const executionPath = (arn: string) => `/executions/${encodeURIComponent(arn)}`;
export const machinePath = (name: string) => `/machines/${encodeURIComponent(name)}`;

export function go(to: string, options: { replace?: boolean } = {}): void {
	const old = place.peek().path;
	history[options.replace ? 'replaceState' : 'pushState'](null, '', to);
	place.value = readPlace();
	if (place.peek().path !== old) window.scrollTo(0, 0);
}

// Changes members of the query; null and '' take one away. What a person chose is a step that Back undoes (push);
// what follows by itself replaces.
export function setQuery(changes: QueryChanges, options: { push?: boolean } = {}): void {
	const query = new URLSearchParams(place.peek().query);
	for (const [name, value] of Object.entries(changes)) {
		if (value === null || value === undefined || value === '') query.delete(name);
		else query.set(name, String(value));
	}
	const text = query.toString();
	const to = place.peek().path + (text ? `?${text}` : '');
	if (to !== location.pathname + location.search) go(to, { replace: !options.push });
}

export function queryValue(name: string): string {
	return place.value.query.get(name) ?? '';
}

function followLink(event: MouseEvent): void {
	if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
		return;
	const anchor = event.target instanceof Element ? event.target.closest('a') : null;
	if (!anchor || anchor.target || anchor.hasAttribute('download') || anchor.origin !== location.origin) return;
	if (anchor.pathname.startsWith('/v1/') || anchor.pathname === '/metrics') return;
	event.preventDefault();
	go(anchor.pathname + anchor.search);
}

export function startRouter(): void {
	window.addEventListener('popstate', () => (place.value = readPlace()));
	document.addEventListener('click', followLink);
}
