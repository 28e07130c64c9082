// An execution's name, status and times; what can be done with it; and, when it failed, why.
import { useSignal } from '@preact/signals';
import { openStart, openStop } from '../actions';
import { CopyButton, CopyCli } from '../cli';
import { executionApi, getText } from '../api';
import { executionPath, href, machinePath } from '../router';
import { refusal } from '../session';
import { Heading } from '../shell';
import { StatusPill } from '../status';
import { Duration, Moment } from '../time';
import type { Execution, Json } from '../types';
import { causeSentence } from './cause';
import { TestButton } from './test-case';
import { chooseState } from './view-state';

async function inputOf(execution: Execution): Promise<Json> {
	if (execution.input !== undefined) return execution.input;
	return JSON.parse(await getText(executionApi(execution.arn, '/payload', { event: 1, field: 'input' }))) as Json;
}

export function ExecutionHeader({ execution, onRedrive, onChanged }: { execution: Execution; onRedrive: () => void; onChanged: () => void }) {
	const busy = useSignal(false);
	const denied = refusal('operate');
	const running = execution.status === 'RUNNING';
	const again = async () => {
		busy.value = true;
		try {
			openStart(execution.machine, await inputOf(execution));
		} finally {
			busy.value = false;
		}
	};
	const version = execution.version ? ` · version ${execution.version}` : execution.definition_current === false ? ' · an earlier definition' : '';
	return (
		<div class="execution-head">
			<Heading title={`${execution.name} · ${execution.machine}`}>
				<a class="machine-link" href={href(machinePath(execution.machine))}>
					{execution.machine}
				</a>{' '}
				/ {execution.name}
			</Heading>
			<CopyButton text={execution.arn} label="Copy ARN" title={`Copy ${execution.arn}`} compact />
			<StatusPill status={execution.status} />
			<span class="muted">
				started <Moment ms={execution.start_ms} /> · <Duration from={execution.start_ms} {...(execution.stop_ms ? { to: execution.stop_ms } : {})} />
				{version} · {execution.events} events
				{!!execution.redrive_count && ` · redriven ${execution.redrive_count} ×`}
			</span>
			{execution.parent && (
				<a href={href(executionPath(execution.parent.arn))} title={execution.parent.arn}>
					started by another execution
				</a>
			)}
			{execution.rerun_of && (
				<a href={href(executionPath(execution.rerun_of), { state: execution.rerun_state })} title={execution.rerun_of}>
					re-run of {execution.rerun_of.slice(execution.rerun_of.lastIndexOf(':') + 1)} from {execution.rerun_state}
				</a>
			)}
			<div class="row execution-actions">
				<TestButton execution={execution} />
				<CopyCli words={['history', execution.arn]} />
				<button type="button" disabled={!!denied || busy.value} title={denied} onClick={() => void again()}>
					New run with this input …
				</button>
				{running && (
					<button type="button" disabled={!!denied} title={denied} onClick={() => openStop(execution.arn, execution.name, onChanged)}>
						Stop …
					</button>
				)}
				{!running && execution.status !== 'SUCCEEDED' && (
					<button
						type="button"
						class="primary"
						disabled={!!denied || !execution.redrivable}
						title={denied ?? (execution.redrivable ? undefined : 'It ended too long ago to be redriven')}
						onClick={onRedrive}
					>
						Redrive …
					</button>
				)}
			</div>
		</div>
	);
}

export function Banner({ execution }: { execution: Execution }) {
	if (!execution.error && !['FAILED', 'TIMED_OUT'].includes(execution.status)) return null;
	if (execution.status === 'RUNNING' || execution.status === 'SUCCEEDED') return null;
	const others = execution.failed_here_last_hour ?? 0;
	const state = execution.failed_state;
	return (
		<div class="banner">
			<span aria-hidden="true" class="banner-icon">
				✕
			</span>
			<div class="banner-text">
				<code class="banner-error">{execution.error ?? 'no error name'}</code>
				{state && (
					<>
						{' in '}
						<button type="button" class="link" onClick={() => chooseState(state)}>
							{state}
						</button>
					</>
				)}
				{(execution.attempts ?? 0) > 1 && ` after ${execution.attempts} attempts`}
				{others > 0 && ` — ${others} other ${others === 1 ? 'execution' : 'executions'} failed here with this error in the last hour`}
				{execution.cause && <div class="banner-cause clip" title={execution.cause.slice(0, 2000)}>{causeSentence(execution.cause).slice(0, 400)}</div>}
			</div>
			<a class="button" href={href('/dlq', { machine: execution.machine, error: execution.error, state })}>
				Open dead letters
			</a>
		</div>
	);
}
