// Dialogs: the browser's own <dialog>, which keeps the focus inside, closes by Esc and gives the focus back. `shown`
// is the one that is open.
import { signal, useSignal, type Signal } from '@preact/signals';
import { Fragment, type ComponentChildren, type VNode } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { problemOf, type ApiError } from './api';
import { ErrorNote } from './resource';

const shown = signal<VNode | null>(null);
let opened = 0;

export function openDialog(content: VNode): void {
	shown.value = <Fragment key={++opened}>{content}</Fragment>; // its own elements, even if the last was alike
}
export function closeDialog(): void {
	shown.value = null;
}

export function DialogHost() {
	return shown.value;
}

interface DialogProps {
	title: string;
	wide?: boolean;
	children: ComponentChildren;
}

export function Dialog({ title, wide, children }: DialogProps) {
	const element = useRef<HTMLDialogElement>(null);
	const mine = useRef(shown.peek());
	// The browser tells of a closing later: by then another dialog may be open.
	const closed = () => shown.peek() === mine.current && closeDialog();
	// At once: what is typed right after the key that opens a dialog belongs to it.
	useLayoutEffect(() => {
		const before = document.activeElement;
		element.current?.showModal();
		return () => {
			if (before instanceof HTMLElement || before instanceof SVGElement) before.focus();
		};
	}, []);
	return (
		<dialog ref={element} class={wide ? 'dialog wide' : 'dialog'} aria-labelledby="dialog-title" onClose={closed}>
			<div class="dialog-head">
				<h2 id="dialog-title">{title}</h2>
				<button type="button" class="quiet" aria-label="Close" onClick={closeDialog}>
					✕
				</button>
			</div>
			{children}
		</dialog>
	);
}

interface ActionFormProps {
	action: string; // on the button: a verb, and the exact count where there is one
	danger?: boolean;
	busy: boolean;
	error: ApiError | null;
	onSubmit: () => void;
	children?: ComponentChildren;
}

// What asks before it acts.
export function ActionForm({ action, danger, busy, error, onSubmit, children }: ActionFormProps) {
	const submit = (event: Event) => {
		event.preventDefault();
		if (!busy) onSubmit();
	};
	return (
		<form class="action-form" onSubmit={submit}>
			{children}
			{error && <ErrorNote error={error} />}
			<div class="row end">
				<button type="button" onClick={closeDialog}>
					Cancel
				</button>
				<button type="submit" class={danger ? 'danger' : 'primary'} disabled={busy}>
					{busy ? 'Working …' : action}
				</button>
			</div>
		</form>
	);
}

// Runs an action with its dialog's busy and error.
export function useAction(): { busy: Signal<boolean>; error: Signal<ApiError | null>; act: (work: () => Promise<void>) => void } {
	const busy = useSignal(false);
	const error = useSignal<ApiError | null>(null);
	const act = (work: () => Promise<void>) => {
		busy.value = true;
		error.value = null;
		work()
			.catch((problem: unknown) => (error.value = problemOf(problem)))
			.finally(() => (busy.value = false));
	};
	return { busy, error, act };
}
