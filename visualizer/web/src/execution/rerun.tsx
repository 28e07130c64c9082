// Re-run from here: a new execution that begins at a state, with what that state was given or something else.
import { useSignal } from '@preact/signals';
import { announce } from '../announce';
import { ApiError, executionApi, send } from '../api';
import { ActionForm, closeDialog, Dialog, openDialog, useAction } from '../dialog';
import { executionPath, go, href } from '../router';
import { refusal } from '../session';
import type { Execution, GraphNode, Inspection, Json } from '../types';

interface RerunProps {
	execution: Execution;
	visit: Inspection;
}

function RerunDialog({ execution, visit }: RerunProps) {
	const given = visit.input?.json === undefined ? '' : JSON.stringify(visit.input.json, null, 2);
	const text = useSignal(given);
	const { busy, error, act } = useAction();
	const rerun = () =>
		act(async () => {
			const body: Record<string, Json> = { state: visit.state };
			if (text.peek().trim() && text.peek() !== given) {
				try {
					body.input = JSON.parse(text.peek()) as Json;
				} catch (problem) {
					throw new ApiError(0, 'InvalidInput', `The input is no JSON: ${String(problem)}`);
				}
			}
			const started = await send<{ arn: string; name: string }>('POST', executionApi(execution.arn, '/rerun'), body);
			closeDialog();
			announce(`Started ${started.name}`);
			go(href(executionPath(started.arn)));
		});
	return (
		<Dialog title={`Re-run from ${visit.state}`}>
			<ActionForm action="Start 1 execution" busy={busy.value} error={error.value} onSubmit={rerun}>
				<p>
					A new execution of the definition that {execution.name} runs, which begins at <b>{visit.state}</b>, with the variables
					that were set before it. {execution.name} stays as it is.
				</p>
				<label>
					Input of the state, JSON
					<textarea
						value={text.value}
						spellcheck={false}
						placeholder="Left empty: what the state was given"
						onInput={(event) => (text.value = event.currentTarget.value)}
					/>
				</label>
			</ActionForm>
		</Dialog>
	);
}

// Only the states of the machine's own can be begun at, and only Standard executions are kept to begin from.
export function RerunButton({ execution, visit, node }: RerunProps & { node: GraphNode | undefined }) {
	if (node?.kind !== 'state' || node.parent !== null || execution.arn.includes(':express:')) return null;
	const denied = refusal('operate');
	return (
		<button type="button" disabled={!!denied} title={denied} onClick={() => openDialog(<RerunDialog execution={execution} visit={visit} />)}>
			Re-run from here …
		</button>
	);
}
