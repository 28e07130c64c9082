// A component that its parent redraws only when one of the named properties changed. What it reads of signals redraws
// it as ever.
import { Component, type ComponentClass, type FunctionComponent } from 'preact';

export function still<P extends object>(View: FunctionComponent<P>, names: (keyof P)[]): ComponentClass<P> {
	return class Still extends Component<P> {
		shouldComponentUpdate(next: P): boolean {
			const now = this.props as P;
			return names.some((name) => next[name] !== now[name]);
		}
		render() {
			return <View {...(this.props as P)} />;
		}
	};
}
