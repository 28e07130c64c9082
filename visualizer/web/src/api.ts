// The console's API (docs/console-api.md): one function for reading, one for doing. Errors come out as ApiError, with
// the server's code and message, or code "Unreachable" when there was no answer.
import { signal } from '@preact/signals';
import { learnServerTime } from './time';

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

async function request(method: string, path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
	const headers: Record<string, string> = {};
	if (body !== undefined) headers['Content-Type'] = 'application/json';
	if (method !== 'GET' && csrfToken.peek()) headers['X-Ratchet-Csrf'] = csrfToken.peek();
	let response: Response;
	try {
		response = await fetch(path, {
			method,
			headers,
			body: body === undefined ? null : JSON.stringify(body),
			signal: signal ?? null,
			credentials: 'same-origin',
			cache: 'no-store',
		});
	} catch (error) {
		if (signal?.aborted) throw error;
		throw new ApiError(0, 'Unreachable', 'The server does not answer.');
	}
	if (response.ok) return response;
	const error = await errorOf(response);
	if (response.status === 401) onUnauthorized();
	throw error;
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
	const response = await request('GET', path, undefined, signal);
	const answer = (await response.json()) as T;
	if (isRecord(answer) && typeof answer.now_ms === 'number') learnServerTime(answer.now_ms);
	return answer;
}

export async function getText(path: string, signal?: AbortSignal): Promise<string> {
	return (await request('GET', path, undefined, signal)).text();
}

export async function send<T>(method: 'POST' | 'PUT' | 'DELETE', path: string, body: unknown = {}): Promise<T> {
	const response = await request(method, path, body);
	const text = await response.text();
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
