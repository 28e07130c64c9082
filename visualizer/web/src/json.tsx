// JSON as a tree that opens where it is asked to. Large arrays and objects open in parts, long texts are cut, so that
// five megabytes open as quickly as five lines. Everything is text to the page: nothing of a payload is ever markup.
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { ApiError, executionApi, getText } from './api';
import { CopyButton } from './cli';
import { ErrorNote } from './resource';
import type { Json, Payload } from './types';

const PART = 100; // children shown at once
const TEXT_MOST = 1000; // characters of a text before "more"
const OPEN_DEPTH = 2; // levels that are open at first …
const OPEN_CHILDREN = 24; // … if they have no more children than this

type Named = [name: string, value: Json];

function childrenOf(value: Json): Named[] {
	if (Array.isArray(value)) return value.map((child, index) => [String(index), child]);
	return value !== null && typeof value === 'object' ? Object.entries(value) : [];
}

function countOf(value: Json[] | { [name: string]: Json }): number {
	return Array.isArray(value) ? value.length : Object.keys(value).length;
}

function Scalar({ value }: { value: null | boolean | number | string }) {
	const whole = useSignal(false);
	if (typeof value !== 'string') return <span class={`json-${value === null ? 'null' : typeof value}`}>{String(value)}</span>;
	const cut = value.length > TEXT_MOST && !whole.value;
	return (
		<>
			<span class="json-string">{JSON.stringify(cut ? value.slice(0, TEXT_MOST) : value)}</span>
			{cut && (
				<button type="button" class="quiet json-more" onClick={() => (whole.value = true)}>
					… {value.length - TEXT_MOST} more characters
				</button>
			)}
		</>
	);
}

function Children({ value, depth }: { value: Json; depth: number }) {
	const shown = useSignal(PART);
	const children = childrenOf(value);
	return (
		<div class="json-children" role="group">
			{children.slice(0, shown.value).map(([name, child]) => (
				<Member name={name} value={child} depth={depth} key={name} />
			))}
			{children.length > shown.value && (
				<button type="button" class="quiet json-more" onClick={() => (shown.value += PART)}>
					… {children.length - shown.value} more
				</button>
			)}
		</div>
	);
}

function Member({ name, value, depth }: { name?: string; value: Json; depth: number }) {
	const isTree = value !== null && typeof value === 'object';
	const count = isTree ? countOf(value) : 0;
	const open = useSignal(depth < OPEN_DEPTH && count <= OPEN_CHILDREN);
	const label = name === undefined ? null : <span class="json-name">{JSON.stringify(name)}: </span>;
	if (!isTree)
		return (
			<div class="json-leaf">
				{label}
				<Scalar value={value} />
			</div>
		);
	const braces = Array.isArray(value) ? ['[', ']'] : ['{', '}'];
	if (count === 0)
		return (
			<div class="json-leaf">
				{label}
				{braces.join(' ')}
			</div>
		);
	return (
		<div>
			<button type="button" class="json-toggle" aria-expanded={open.value} onClick={() => (open.value = !open.value)}>
				<span class="json-arrow" aria-hidden="true">
					{open.value ? '▼' : '▶'}
				</span>
				{label}
				{braces[0]} {count} {braces[1]}
			</button>
			{open.value && <Children value={value} depth={depth + 1} />}
		</div>
	);
}

export function JsonTree({ value, label }: { value: Json; label: string }) {
	return (
		<div class="json" role="group" aria-label={label}>
			<div class="json-tools">
				<CopyButton text={() => JSON.stringify(value, null, 2)} label="Copy" title={`Copy ${label}`} />
			</div>
			<Member value={value} depth={0} />
		</div>
	);
}

export function formatBytes(bytes: number): string {
	if (bytes < 1024) return `${bytes} B`;
	return bytes < 1024 * 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

// A payload of an execution; above 64 KiB the server only tells its size, and it is fetched when asked for.
export function PayloadView({ arn, payload, label }: { arn: string; payload: Payload | undefined; label: string }) {
	const loaded = useSignal<Json | undefined>(undefined);
	const error = useSignal<ApiError | null>(null);
	const busy = useSignal(false);
	const control = useRef<AbortController | undefined>(undefined);
	const identity = `${arn} ${payload?.event} ${payload?.field}`;
	useEffect(() => {
		loaded.value = undefined;
		error.value = null;
		return () => control.current?.abort();
	}, [identity]);
	if (!payload) return <p class="muted">There is none.</p>;
	if (payload.json !== undefined) return <JsonTree value={payload.json} label={label} />;
	if (loaded.value !== undefined) return <JsonTree value={loaded.value} label={label} />;
	const load = async () => {
		busy.value = true;
		control.current = new AbortController();
		try {
			const path = executionApi(arn, '/payload', { event: payload.event, field: payload.field });
			loaded.value = JSON.parse(await getText(path, control.current.signal)) as Json;
		} catch (problem) {
			error.value = problem instanceof ApiError ? problem : new ApiError(0, 'NotJson', String(problem));
		}
		busy.value = false;
	};
	return (
		<div>
			{error.value && <ErrorNote error={error.value} retry={load} />}
			<p>
				<button type="button" disabled={busy.value} onClick={load}>
					{busy.value ? 'Loading …' : `Load ${label} (${formatBytes(payload.bytes ?? 0)})`}
				</button>
			</p>
		</div>
	);
}
