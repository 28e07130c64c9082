// Which Parallel and Map states are folded to one box: names in the URL, written as the API takes them (a comma or a
// backslash in a name has a backslash before it).
import { queryValue, setQuery } from '../router';
import { nodeName, type GraphModel } from './model';

export const collapsedQuery = () => queryValue('collapse');

export function splitNames(text: string): string[] {
	return (text.match(/(?:\\.|[^\\,])+/gs) ?? []).map((name) => name.replace(/\\(.)/gs, '$1'));
}

export function joinNames(names: string[]): string {
	return names.map((name) => name.replace(/[\\,]/g, '\\$&')).join(',');
}

export function toggleCollapsed(name: string): void {
	const names = splitNames(collapsedQuery());
	const others = names.filter((other) => other !== name);
	setQuery({ collapse: joinNames(others.length < names.length ? others : [...names, name]) }, { push: true });
}

// The container that a state is, or that is around it.
export function toggleAround(model: GraphModel | null, state: string): void {
	const container = model?.containerOf(model.byState.get(state));
	if (container) toggleCollapsed(nodeName(container));
}
