// The screens by name, and what holds them.
import { Component, type ComponentChildren, type ComponentType } from 'preact';
import { ExecutionScreen } from './execution/screen';
import { route, type ScreenName } from './router';
import { ExecutionsScreen } from './screens/executions';
import { LettersScreen } from './letters/screen';
import { LoginScreen } from './screens/login';
import { MachineScreen } from './screens/machine';
import { MachinesScreen } from './screens/machines';
import { MissingScreen } from './screens/missing';
import { OverviewScreen } from './screens/overview';
import { session } from './session';
import { Shell } from './shell';

const SCREENS: Record<ScreenName, ComponentType<{ subject: string }>> = {
	overview: OverviewScreen,
	executions: ExecutionsScreen,
	execution: ExecutionScreen,
	letters: LettersScreen,
	machines: MachinesScreen,
	machine: MachineScreen,
	login: LoginScreen,
	missing: MissingScreen,
};

// A mistake of ours in one screen: the others can still be reached.
class Boundary extends Component<{ children: ComponentChildren }, { broken: string }> {
	state = { broken: '' };
	componentDidCatch(error: unknown) {
		this.setState({ broken: error instanceof Error ? (error.stack ?? error.message) : String(error) });
	}
	render() {
		if (!this.state.broken) return this.props.children;
		return (
			<div class="screen">
				<h1>This screen broke</h1>
				<p>That is a fault of the console. Loading the page anew may help.</p>
				<pre class="broken">{this.state.broken}</pre>
			</div>
		);
	}
}

export function App() {
	const { screen, subject } = route.value;
	const Screen = SCREENS[screen];
	if (session.value === null) return null;
	return (
		<Shell>
			<Boundary key={`${screen} ${subject}`}>
				<Screen subject={subject} />
			</Boundary>
		</Shell>
	);
}
