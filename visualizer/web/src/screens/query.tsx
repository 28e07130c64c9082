// The query bar: text with completion by the server, which also reads it; the console knows no more of the language
// than that. What is typed counts on Enter, on choosing a completion, or half a second after the last key.
import { useSignal } from '@preact/signals';
import { useEffect, useId, useRef } from 'preact/hooks';
import { ApiError, apiPath, get } from '../api';
import type { Completion } from '../types';

interface QueryBarProps {
	value: string;
	error: ApiError | null;
	onChange: (text: string) => void;
}

export function QueryBar({ value, error, onChange }: QueryBarProps) {
	const text = useSignal(value);
	const completion = useSignal<Completion | null>(null);
	const chosen = useSignal(-1);
	const input = useRef<HTMLInputElement>(null);
	const timer = useRef(0);
	const asked = useRef(0);
	const id = useId();
	useEffect(() => {
		if (document.activeElement !== input.current) text.value = value;
	}, [value]);

	const submit = (now: string) => {
		clearTimeout(timer.current);
		if (now.trim() !== value) onChange(now.trim());
	};
	const complete = async () => {
		const number = ++asked.current;
		const at = new TextEncoder().encode(text.peek().slice(0, input.current?.selectionStart ?? 0)).length;
		try {
			const answer = await get<Completion>(apiPath('/executions/complete', { q: text.peek(), at }));
			if (number !== asked.current || document.activeElement !== input.current) return;
			completion.value = answer.items.length ? answer : null;
			chosen.value = -1;
		} catch {
			completion.value = null; // it helps, it is not needed
		}
	};
	const close = () => {
		asked.current++;
		completion.value = null;
	};
	const take = (index: number) => {
		const answer = completion.peek();
		const item = answer?.items[index];
		if (!answer || !item) return;
		const bytes = new TextEncoder().encode(text.peek());
		const decode = (from: number, to: number) => new TextDecoder().decode(bytes.slice(from, to));
		const ends = /[:=<>]$/.test(item.text);
		const before = decode(0, answer.from) + item.text + (ends ? '' : ' ');
		text.value = before + decode(answer.to, bytes.length).trimStart();
		close();
		if (input.current) {
			input.current.value = text.peek();
			input.current.setSelectionRange(before.length, before.length);
		}
		if (ends) void complete();
		else submit(text.peek());
	};
	const onKey = (event: KeyboardEvent) => {
		const count = completion.value?.items.length ?? 0;
		if (event.key === 'ArrowDown' && count) chosen.value = (chosen.value + 1) % count;
		else if (event.key === 'ArrowUp' && count) chosen.value = (chosen.value + count - 1) % count;
		else if (event.key === 'Enter') {
			if (chosen.value >= 0) take(chosen.value);
			else {
				close();
				submit(text.value);
			}
		} else if (event.key === 'Escape') {
			if (count) close();
			else input.current?.blur();
		} else return;
		event.preventDefault();
		event.stopPropagation();
	};
	const onInput = (event: InputEvent & { currentTarget: HTMLInputElement }) => {
		text.value = event.currentTarget.value;
		void complete();
		clearTimeout(timer.current);
		timer.current = window.setTimeout(() => submit(text.peek()), 500);
	};
	const at = typeof error?.details.at === 'number' ? error.details.at : null;
	return (
		<div class="query">
			<input
				ref={input}
				type="text"
				role="combobox"
				aria-label="Filter executions"
				aria-expanded={completion.value !== null}
				aria-controls={`${id}-list`}
				aria-autocomplete="list"
				aria-invalid={error?.code === 'InvalidQuery'}
				aria-activedescendant={chosen.value >= 0 ? `${id}-${chosen.value}` : undefined}
				placeholder="status:failed state:Ship error:Carrier.* input.customer.id=4411"
				spellcheck={false}
				autoComplete="off"
				data-filter
				value={text.value}
				onInput={onInput}
				onKeyDown={onKey}
				onFocus={() => void complete()}
				onBlur={close}
			/>
			<ul class="completion" role="listbox" id={`${id}-list`} aria-label="Completions" hidden={completion.value === null}>
				{completion.value?.items.map((item, index) => (
					<li
						role="option"
						id={`${id}-${index}`}
						key={item.text}
						aria-selected={index === chosen.value}
						onMouseDown={(event) => {
							event.preventDefault();
							take(index);
						}}
					>
						<code>{item.text}</code> <span class="muted">{item.detail}</span>
					</li>
				))}
			</ul>
			{error?.code === 'InvalidQuery' && (
				<p class="query-error tone-bad" role="alert">
					{error.message}
					{at !== null && (
						<>
							{' '}
							at “<b>{value.slice(at, at + (Number(error.details.length) || 12)) || 'the end'}</b>”
						</>
					)}
				</p>
			)}
		</div>
	);
}
