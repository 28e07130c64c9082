// Save as test: what the execution's tasks answered and what came of it, as a file that `ratchet run --test` plays.
import { executionApi, getText } from '../api';
import { CopyButton } from '../cli';
import { ActionForm, closeDialog, Dialog, openDialog, useAction } from '../dialog';
import type { Execution } from '../types';

function saveFile(name: string, text: string): void {
	const address = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
	const link = document.createElement('a');
	link.href = address;
	link.download = name;
	link.click();
	setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

function TestDialog({ execution }: { execution: Execution }) {
	const { busy, error, act } = useAction();
	const file = `${execution.name}.test.json`;
	const words = `ratchet run DEFINITION --test ${file}`;
	const save = () =>
		act(async () => {
			saveFile(file, await getText(executionApi(execution.arn, '/mock-test')));
			closeDialog();
		});
	return (
		<Dialog title="Save as test">
			<ActionForm action={`Save ${file}`} busy={busy.value} error={error.value} onSubmit={save}>
				<p>The file holds the input, what each task answered, and how it ended. Played against a definition, it calls nobody and tells whether the same comes out:</p>
				<div class="cli-line">
					<code>{words}</code>
					<CopyButton text={words} label="Copy as CLI" />
				</div>
			</ActionForm>
		</Dialog>
	);
}

// Only what ended by itself, in one go, is a test.
export function TestButton({ execution }: { execution: Execution }) {
	if (!['SUCCEEDED', 'FAILED'].includes(execution.status) || execution.redrive_count || execution.rerun_of) return null;
	return (
		<button type="button" class="quiet" onClick={() => openDialog(<TestDialog execution={execution} />)}>
			Save as test …
		</button>
	);
}
