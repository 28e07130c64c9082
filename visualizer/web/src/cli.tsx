// Every action as the command that does the same: built here, shown and copied where the action is offered.
import { useSignal } from '@preact/signals';
import { announce } from './announce';

// Quoted for a POSIX shell, where it must be.
export function quote(word: string): string {
	return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

export function command(...words: string[]): string {
	return ['ratchet', ...words, '--endpoint', location.origin].map(quote).join(' ');
}

export async function copyText(text: string): Promise<boolean> {
	try {
		await navigator.clipboard.writeText(text);
		return true;
	} catch {
		// Without HTTPS there is no clipboard to write to; a selection still copies.
		const area = document.createElement('textarea');
		area.value = text;
		area.className = 'off-screen';
		document.body.append(area);
		area.select();
		const done = document.execCommand('copy');
		area.remove();
		return done;
	}
}

interface CopyButtonProps {
	text: string | (() => string);
	label: string;
	title?: string;
	compact?: boolean; // an icon instead of the label
}

export function CopyButton({ text, label, title, compact }: CopyButtonProps) {
	const state = useSignal<'idle' | 'copied' | 'refused'>('idle');
	const copy = async () => {
		state.value = (await copyText(typeof text === 'string' ? text : text())) ? 'copied' : 'refused';
		announce(state.peek() === 'copied' ? 'Copied' : 'The browser refused to copy');
		setTimeout(() => (state.value = 'idle'), 1500);
	};
	const words = { idle: label, copied: 'Copied', refused: 'Refused' };
	return (
		<button type="button" class="quiet" title={title ?? (typeof text === 'string' ? text : undefined)} onClick={copy}>
			{compact && state.value === 'idle' ? (
				<>
					<svg class="copy-icon" viewBox="0 0 16 16" aria-hidden="true">
						<path d="M6 6h7.5v7.5H6zM3.5 10H2.5V2.5H10v1" />
					</svg>
					<span class="off-screen">{label}</span>
				</>
			) : (
				words[state.value]
			)}
		</button>
	);
}

export function CopyCli({ words }: { words: string[] }) {
	return <CopyButton text={command(...words)} label="Copy as CLI" />;
}

// The command in full, under an action's form.
export function CliLine({ words }: { words: string[] }) {
	return (
		<div class="cli-line">
			<code>{command(...words)}</code>
			<CopyCli words={words} />
		</div>
	);
}
