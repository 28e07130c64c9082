// A failure's cause. Functions write JSON into it (AWS Lambda's way), others a sentence; people want the sentence first.
import { JsonTree } from '../json';
import type { Json } from '../types';

function parsed(text: string): Json | null {
	if (!/^\s*[[{]/.test(text)) return null;
	try {
		return JSON.parse(text) as Json;
	} catch {
		return null;
	}
}

// The sentence in a cause: its message if it is an object that has one, else all of it.
export function causeSentence(text: string): string {
	const value = parsed(text);
	if (value === null || typeof value !== 'object' || Array.isArray(value)) return text;
	const message = value.errorMessage ?? value.message;
	return typeof message === 'string' && message ? message : text;
}

export function Cause({ text }: { text: string }) {
	const value = parsed(text);
	if (value === null) return <pre class="cause">{text}</pre>;
	const sentence = causeSentence(text);
	return (
		<>
			{sentence !== text && <pre class="cause">{sentence}</pre>}
			<JsonTree value={value} label="cause" />
		</>
	);
}
