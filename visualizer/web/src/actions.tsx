// What changes something: start, stop, redrive. Each is a dialog that says exactly what will happen, and the command
// that would do the same.
import { useSignal } from '@preact/signals';
import { announce } from './announce';
import { ApiError, apiPath, executionApi, send } from './api';
import { CliLine } from './cli';
import { ActionForm, closeDialog, Dialog, openDialog, useAction } from './dialog';
import { executionPath, go, href } from './router';
import type { Json } from './types';

interface StartProps {
	machine: string; // a name, or the ARN of a version
	input?: Json;
}

function StartDialog({ machine, input }: StartProps) {
	const name = useSignal('');
	const text = useSignal(JSON.stringify(input ?? {}, null, 2));
	const { busy, error, act } = useAction();
	const start = () =>
		act(async () => {
			let parsed: Json;
			try {
				parsed = JSON.parse(text.value || '{}') as Json;
			} catch (problem) {
				throw new ApiError(0, 'InvalidInput', `The input is no JSON: ${String(problem)}`);
			}
			const body = { machine, input: parsed, ...(name.value ? { name: name.value } : {}) };
			const started = await send<{ arn: string; name: string }>('POST', apiPath('/executions'), body);
			closeDialog();
			announce(`Started ${started.name}`);
			go(href(executionPath(started.arn)));
		});
	const words = ['start', machine, ...(name.value ? ['--name', name.value] : []), '--input', text.value.replace(/\n\s*/g, ' ')];
	return (
		<Dialog title={`Start ${machine}`}>
			<ActionForm action="Start 1 execution" busy={busy.value} error={error.value} onSubmit={start}>
				<label>
					Name (left empty: one is made up)
					<input value={name.value} maxLength={80} onInput={(event) => (name.value = event.currentTarget.value)} />
				</label>
				<label>
					Input, JSON
					<textarea value={text.value} spellcheck={false} onInput={(event) => (text.value = event.currentTarget.value)} />
				</label>
				<CliLine words={words} />
			</ActionForm>
		</Dialog>
	);
}

export function openStart(machine: string, input?: Json): void {
	openDialog(<StartDialog machine={machine} {...(input === undefined ? {} : { input })} />);
}

function StopDialog({ arn, name, done }: { arn: string; name: string; done: () => void }) {
	const cause = useSignal('');
	const { busy, error, act } = useAction();
	const stop = () =>
		act(async () => {
			await send('POST', executionApi(arn, '/stop'), cause.value ? { cause: cause.value } : {});
			closeDialog();
			announce(`Stopped ${name}`);
			done();
		});
	return (
		<Dialog title={`Stop ${name}`}>
			<ActionForm action="Stop 1 execution" danger busy={busy.value} error={error.value} onSubmit={stop}>
				<p>What runs is cancelled, and the execution ends as aborted. It can be redriven later.</p>
				<label>
					Cause (kept in the history)
					<input value={cause.value} onInput={(event) => (cause.value = event.currentTarget.value)} />
				</label>
				<CliLine words={['stop', arn, ...(cause.value ? ['--cause', cause.value] : [])]} />
			</ActionForm>
		</Dialog>
	);
}

export function openStop(arn: string, name: string, done: () => void): void {
	openDialog(<StopDialog arn={arn} name={name} done={done} />);
}

interface RedriveProps {
	arn: string;
	name: string;
	failedState?: string;
	done: () => void;
}

function RedriveDialog({ arn, name, failedState, done }: RedriveProps) {
	const { busy, error, act } = useAction();
	const redrive = () =>
		act(async () => {
			await send('POST', executionApi(arn, '/redrive'));
			closeDialog();
			announce(`Redriving ${name}`);
			done();
		});
	return (
		<Dialog title={`Redrive ${name}`}>
			<ActionForm action="Redrive 1 execution" busy={busy.value} error={error.value} onSubmit={redrive}>
				<p>
					It goes on where it stood{failedState ? <> , at <b>{failedState}</b></> : null}, with the same input there and the
					definition that it runs. What succeeded before is not done again.
				</p>
				<CliLine words={['dlq', 'redrive', arn, '--yes']} />
			</ActionForm>
		</Dialog>
	);
}

export function openRedrive(props: RedriveProps): void {
	openDialog(<RedriveDialog {...props} />);
}
