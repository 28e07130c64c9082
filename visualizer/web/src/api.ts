// The console's API (docs/console-api.md): one function for reading, one for doing. Errors come out as ApiError, with
// the server's code and message, or code "Unreachable" when there was no answer.
import { signal } from '@preact/signals';
import { learnServerTime } from './time';

const BEGIN_MS = 20_000;
const WHOLE_MS = 120_000;

export class ApiError extends Error {
	constructor(
		readonly status: number, // 0: no answer
		readonly code: string,
		message: string,
		readonly details: Record<string, unknown> = {},
	) {
		super(message);
	}
}

// Whatever was thrown, as something that can be shown.
export function problemOf(error: unknown): ApiError {
	return error instanceof ApiError ? error : new ApiError(0, 'Unexpected', String(error));
}

// The token that the session gave out; sent with everything that changes something.
export const csrfToken = signal('');
// Called when an answer says that nobody is logged in.
let onUnauthorized = () => {};
export function whenUnauthorized(then: () => void): void {
	onUnauthorized = then;
}

function isRecord(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function errorOf(response: Response): Promise<ApiError> {
	let body: unknown = null;
	try {
		body = await response.json();
	} catch {
		// No JSON: the status says all there is.
	}
	const error = isRecord(body) && isRecord(body.error) ? body.error : isRecord(body) ? body : {};
	const code = typeof error.code === 'string' ? error.code : `Http${response.status}`;
	const message = typeof error.message === 'string' ? error.message : `the server answered ${response.status}`;
	return new ApiError(response.status, code, message, error);
}

// A request whose answer is read by `read`. It has a time for the answer to begin and another to come in whole: a server
// that accepts but says nothing is an error like one that is not there.
async function request<T>(method: string, path: string, body: unknown, read: (response: Response) => Promise<T>, signal?: AbortSignal): Promise<T> {
	const headers: Record<string, string> = {};
	if (body !== undefined) headers['Content-Type'] = 'application/json';
	if (method !== 'GET' && csrfToken.peek()) headers['X-Ratchet-Csrf'] = csrfToken.peek();
	const control = new AbortController();
	const abort = () => control.abort();
	signal?.addEventListener('abort', abort);
	let timer = setTimeout(abort, BEGIN_MS);
	try {
		const response = await fetch(path, {
			method,
			headers,
			body: body === undefined ? null : JSON.stringify(body),
			signal: control.signal,
			credentials: 'same-origin',
			cache: 'no-store',
		});
		clearTimeout(timer);
		timer = setTimeout(abort, WHOLE_MS);
		if (response.ok) return await read(response);
		const error = await errorOf(response);
		if (response.status === 401) onUnauthorized();
		throw error;
	} catch (error) {
		if (error instanceof ApiError || signal?.aborted) throw error;
		if (!control.signal.aborted) throw new ApiError(0, 'Unreachable', 'The server does not answer.');
		const done = method === 'GET' ? '' : ' It may have done what was asked nevertheless.';
		throw new ApiError(0, 'Timeout', `The server is there but has not answered in time.${done}`);
	} finally {
		clearTimeout(timer);
		signal?.removeEventListener('abort', abort);
	}
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
	const answer = await request('GET', path, undefined, (response) => response.json() as Promise<T>, signal);
	if (isRecord(answer) && typeof answer.now_ms === 'number') learnServerTime(answer.now_ms);
	return answer;
}

export async function getText(path: string, signal?: AbortSignal): Promise<string> {
	return request('GET', path, undefined, (response) => response.text(), signal);
}

export async function send<T>(method: 'POST' | 'PUT' | 'DELETE', path: string, body: unknown = {}): Promise<T> {
	const text = await request(method, path, body, (response) => response.text());
	return (text ? JSON.parse(text) : {}) as T;
}

// "/v1/executions" with its query; absent members are left out.
export function apiPath(path: string, query: Record<string, string | number | null | undefined> = {}): string {
	const params = new URLSearchParams();
	for (const [name, value] of Object.entries(query))
		if (value !== null && value !== undefined && value !== '') params.set(name, String(value));
	const text = params.toString();
	return `/v1${path}${text ? `?${text}` : ''}`;
}

export const executionApi = (arn: string, rest = '', query: Record<string, string | number | null | undefined> = {}) =>
	apiPath(`/executions/${encodeURIComponent(arn)}${rest}`, query);
export const machineApi = (name: string, rest = '', query: Record<string, string | number | null | undefined> = {}) =>
	apiPath(`/machines/${encodeURIComponent(name)}${rest}`, query);
