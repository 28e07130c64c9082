// Ctrl K: to an execution, a machine, a state of the execution that is shown, or a command.
import { useSignal } from '@preact/signals';
import { useEffect, useId, useLayoutEffect, useRef } from 'preact/hooks';
import { apiPath, get } from './api';
import { closeDialog, Dialog, openDialog } from './dialog';
import { setTheme } from './preferences';
import { executionPath, go, href, machinePath, setQuery } from './router';
import { EXECUTION_LOOK } from './status';
import type { ExecutionsPage, MachinesPage } from './types';

interface Target {
	kind: string;
	label: string;
	detail?: string;
	run: () => void;
}

const COMMANDS: Target[] = [
	{ kind: 'screen', label: 'Overview', run: () => go(href('/')) },
	{ kind: 'screen', label: 'Executions', run: () => go(href('/executions')) },
	{ kind: 'screen', label: 'Failed executions', run: () => go(href('/executions', { q: 'status:failed,timed_out' })) },
	{ kind: 'screen', label: 'Dead letters', run: () => go(href('/dlq')) },
	{ kind: 'screen', label: 'Machines', run: () => go(href('/machines')) },
	{ kind: 'command', label: 'Theme: light', run: () => setTheme('light') },
	{ kind: 'command', label: 'Theme: dark', run: () => setTheme('dark') },
	{ kind: 'command', label: 'Theme: system', run: () => setTheme('system') },
];

// The states of the execution that is shown; told by its screen.
let statesShown: string[] = [];
export function offerStates(names: string[]): void {
	statesShown = names;
}

function localTargets(text: string): Target[] {
	const wanted = text.toLowerCase();
	const fits = (label: string) => label.toLowerCase().includes(wanted);
	const states = text ? statesShown.filter(fits).slice(0, 8) : [];
	return [
		...states.map((name) => ({ kind: 'state', label: name, run: () => setQuery({ state: name, item: null }, { push: true }) })),
		...COMMANDS.filter(({ label }) => fits(label)),
	];
}

async function remoteTargets(text: string, signal: AbortSignal): Promise<Target[]> {
	const pattern = /["\s]/.test(text) ? text : `name:${text}*`;
	const executions = get<ExecutionsPage>(apiPath('/executions', { q: pattern, limit: 8 }), signal).catch(() => ({ executions: [] }));
	const machines = get<MachinesPage>(apiPath('/machines', { limit: 200 }), signal).catch(() => ({ machines: [] }));
	const wanted = text.toLowerCase();
	return [
		...(await machines).machines
			.filter(({ name }) => name.toLowerCase().includes(wanted))
			.slice(0, 8)
			.map(({ name }) => ({ kind: 'machine', label: name, run: () => go(href(machinePath(name))) })),
		...(await executions).executions.map(({ arn, name, machine, status }) => ({
			kind: 'execution',
			label: name,
			detail: `${machine} · ${EXECUTION_LOOK[status].word}`,
			run: () => go(href(executionPath(arn))),
		})),
	];
}

function Jump() {
	const text = useSignal('');
	const found = useSignal<Target[]>([]);
	const chosen = useSignal(0);
	const input = useRef<HTMLInputElement>(null);
	const id = useId();
	useLayoutEffect(() => input.current?.focus(), []);
	useEffect(() => {
		const wanted = text.value.trim();
		found.value = localTargets(wanted);
		chosen.value = 0;
		if (!wanted) return;
		const control = new AbortController();
		const timer = setTimeout(async () => {
			if (/^arn:.*:execution:/.test(wanted)) {
				found.value = [{ kind: 'execution', label: wanted, run: () => go(href(executionPath(wanted))) }];
				return;
			}
			const remote = await remoteTargets(wanted, control.signal);
			if (!control.signal.aborted) found.value = [...remote, ...localTargets(wanted)];
		}, 120);
		return () => {
			clearTimeout(timer);
			control.abort();
		};
	}, [text.value]);
	const take = (target: Target | undefined) => {
		if (!target) return;
		closeDialog();
		target.run();
	};
	const onKey = (event: KeyboardEvent) => {
		const count = found.value.length;
		if (event.key === 'ArrowDown') chosen.value = (chosen.value + 1) % Math.max(1, count);
		else if (event.key === 'ArrowUp') chosen.value = (chosen.value + count - 1) % Math.max(1, count);
		else if (event.key === 'Enter') take(found.value[chosen.value]);
		else return;
		event.preventDefault();
	};
	return (
		<Dialog title="Jump to">
			<input
				ref={input}
				class="jump-input"
				type="text"
				role="combobox"
				aria-label="Execution, machine, state or command"
				aria-expanded="true"
				aria-controls={`${id}-list`}
				aria-activedescendant={found.value.length ? `${id}-${chosen.value}` : undefined}
				placeholder="Name or ARN of an execution, a machine, a state, a command"
				value={text.value}
				onInput={(event) => (text.value = event.currentTarget.value)}
				onKeyDown={onKey}
			/>
			<ul class="jump-list" role="listbox" id={`${id}-list`} aria-label="Found">
				{found.value.map((target, index) => (
					<li
						role="option"
						id={`${id}-${index}`}
						key={`${target.kind} ${target.label} ${index}`}
						aria-selected={index === chosen.value}
						onClick={() => take(target)}
					>
						<span class="muted jump-kind">{target.kind}</span> <span>{target.label}</span>{' '}
						<span class="muted">{target.detail}</span>
					</li>
				))}
			</ul>
			{!found.value.length && <p class="muted">Nothing has that name.</p>}
		</Dialog>
	);
}

export function openJump(): void {
	openDialog(<Jump />);
}
