// Bulk redrive: the exact executions first, then how, then the job. The preview that was shown is what the job takes:
// neither more nor fewer.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { announce } from '../announce';
import { ApiError, apiPath, get, problemOf, send } from '../api';
import { CliLine } from '../cli';
import { ActionForm, closeDialog, Dialog, openDialog } from '../dialog';
import { ErrorNote, Skeleton } from '../resource';
import { executionPath, href, setQuery } from '../router';
import type { Json } from '../types';
import type { Definition, Job, LetterDetail, Preview, Wanted } from './types';

// The command that means the same executions.
function cliWords(verb: 'redrive' | 'discard', wanted: Wanted): string[] {
	if ('executions' in wanted) return ['dlq', verb, ...wanted.executions, '--yes'];
	const options = Object.entries(wanted.filter).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, String(value)]));
	return ['dlq', verb, ...options, '--yes'];
}

export function executionsWord(count: number): string {
	return count === 1 ? '1 execution' : `${count} executions`;
}

export function PreviewList({ preview }: { preview: Preview }) {
	const unlisted = preview.count - preview.executions.length;
	return (
		<div>
			<ul class="id-list" aria-label="Executions that are meant" tabIndex={0}>
				{preview.executions.map((letter) => (
					<li key={letter.executionArn} data-arn={letter.executionArn}>
						<a href={href(executionPath(letter.executionArn))} target="_blank" rel="noreferrer">
							{letter.stateMachineName}:{letter.name}
						</a>{' '}
						<span class="muted">
							{[letter.state, letter.error].filter(Boolean).join(' · ')}
							{letter.compatible === false && ` – does not fit the newest definition: ${letter.divergence ?? ''}`}
						</span>
					</li>
				))}
			</ul>
			{unlisted > 0 && <p class="muted">… and {executionsWord(unlisted)} more, {preview.count} in all. These, and no others.</p>}
			{preview.more && <p class="muted">There are more than one job takes; begin another for the rest.</p>}
		</div>
	);
}

function RedriveDialog({ wanted, sample }: { wanted: Wanted; sample?: string }) {
	const preview = useSignal<Preview | null>(null);
	const error = useSignal<ApiError | null>(null);
	const busy = useSignal(false);
	const definition = useSignal<Definition>('same');
	const edited = useSignal(false);
	const input = useSignal('');
	const editable = useSignal(false);
	const rate = useSignal(100);
	const canary = useSignal(true);
	useEffect(() => {
		let wantedStill = true;
		preview.value = null;
		send<Preview>('POST', apiPath('/dead-letters/preview'), { ...wanted, definition: definition.value })
			.then((answer) => wantedStill && (preview.value = answer))
			.catch((problem: unknown) => wantedStill && (error.value = problemOf(problem)));
		return () => void (wantedStill = false);
	}, [definition.value]);
	useEffect(() => {
		if (!sample) return;
		get<LetterDetail>(apiPath(`/dead-letters/${encodeURIComponent(sample)}`))
			.then((letter) => {
				editable.value = letter.editable;
				input.value = JSON.stringify(letter.stateInput ?? {}, null, 2);
			})
			.catch(() => (editable.value = false));
	}, []);
	const begin = async () => {
		const shown = preview.peek();
		if (!shown) return;
		busy.value = true;
		error.value = null;
		try {
			const body: Record<string, Json> = { preview: shown.preview, definition: definition.peek(), rate: rate.peek(), canary: canary.peek() };
			if (edited.peek()) body.input = JSON.parse(input.peek()) as Json;
			const job = await send<Job>('POST', apiPath('/redrive-jobs'), body);
			closeDialog();
			announce(`Redriving ${executionsWord(shown.count)}`);
			setQuery({ job: job.id }, { push: true });
		} catch (problem) {
			error.value = problem instanceof SyntaxError ? new ApiError(0, 'InvalidInput', `The input is no JSON: ${problem.message}`) : problemOf(problem);
		}
		busy.value = false;
	};
	const count = preview.value?.count ?? 0;
	return (
		<Dialog title="Redrive dead letters" wide>
			{!preview.value ? (
				error.value ? (
					<ErrorNote error={error.value} />
				) : (
					<Skeleton lines={6} />
				)
			) : count === 0 ? (
				<p>None of these stands in the queue any more.</p>
			) : (
				<ActionForm action={`Redrive ${executionsWord(count)}`} busy={busy.value} error={error.value} onSubmit={() => void begin()}>
					<p>
						Exactly <b data-testid="preview-count">{executionsWord(count)}</b>, each from the state where it failed:
					</p>
					<PreviewList preview={preview.value} />
					<fieldset>
						<legend>Definition</legend>
						<label class="inline">
							<input type="radio" name="definition" checked={definition.value === 'same'} onChange={() => (definition.value = 'same')} /> the one that it ran
						</label>
						<label class="inline">
							<input type="radio" name="definition" checked={definition.value === 'newest'} onChange={() => (definition.value = 'newest')} /> the newest one; what does not fit it is skipped
						</label>
					</fieldset>
					<fieldset>
						<legend>Input of the failed state</legend>
						<label class="inline">
							<input type="radio" name="input" checked={!edited.value} onChange={() => (edited.value = false)} /> the same
						</label>
						<label class="inline">
							<input type="radio" name="input" checked={edited.value} disabled={!editable.value} onChange={() => (edited.value = true)} /> another, for all of them
						</label>
						{edited.value && <textarea aria-label="Input, JSON" spellcheck={false} value={input.value} onInput={(event) => (input.value = event.currentTarget.value)} />}
					</fieldset>
					<div class="row">
						<label class="inline">
							At most{' '}
							<input class="short-number" type="number" min={1} max={10000} value={rate.value} onInput={(event) => (rate.value = Number(event.currentTarget.value) || 1)} /> a second
						</label>
						<label class="inline">
							<input type="checkbox" checked={canary.value} onChange={(event) => (canary.value = event.currentTarget.checked)} /> first 1, then 10, then the rest; stop when most fail again
						</label>
					</div>
					<CliLine
						words={[
							...cliWords('redrive', wanted),
							...(definition.value === 'newest' ? ['--definition', 'newest'] : []),
							...(edited.value ? ['--input', input.value.replace(/\n\s*/g, ' ')] : []),
							...(rate.value === 100 ? [] : ['--rate', String(rate.value)]),
							...(canary.value ? [] : ['--no-canary']),
						]}
					/>
				</ActionForm>
			)}
		</Dialog>
	);
}

export function openBulkRedrive(wanted: Wanted, sample?: string): void {
	openDialog(<RedriveDialog wanted={wanted} {...(sample ? { sample } : {})} />);
}

function DiscardDialog({ wanted, done }: { wanted: Wanted; done: () => void }) {
	const preview = useSignal<Preview | null>(null);
	const error = useSignal<ApiError | null>(null);
	const busy = useSignal(false);
	useEffect(() => {
		send<Preview>('POST', apiPath('/dead-letters/preview'), { ...wanted, definition: 'same' })
			.then((answer) => (preview.value = answer))
			.catch((problem: unknown) => (error.value = problemOf(problem)));
	}, []);
	const discard = async () => {
		busy.value = true;
		try {
			await send('POST', apiPath('/dead-letters/discard'), { preview: preview.peek()?.preview });
			closeDialog();
			announce(`Discarded ${executionsWord(preview.peek()?.count ?? 0)}`);
			done();
		} catch (problem) {
			error.value = problemOf(problem);
		}
		busy.value = false;
	};
	return (
		<Dialog title="Discard dead letters" wide>
			{!preview.value ? (
				error.value ? (
					<ErrorNote error={error.value} />
				) : (
					<Skeleton lines={6} />
				)
			) : (
				<ActionForm action={`Discard ${executionsWord(preview.value.count)}`} danger busy={busy.value} error={error.value} onSubmit={() => void discard()}>
					<p>
						Exactly <b>{executionsWord(preview.value.count)}</b> leave the queue. They stay as they are, with their histories, and can be redriven one by one.
					</p>
					<PreviewList preview={preview.value} />
					<CliLine words={cliWords('discard', wanted)} />
				</ActionForm>
			)}
		</Dialog>
	);
}

export function openDiscard(wanted: Wanted, done: () => void): void {
	openDialog(<DiscardDialog wanted={wanted} done={done} />);
}
