// Who uses the console, and what they may do (docs/console-api.md, session). Without authentication everybody who
// reaches the listener administers.
import { computed, signal } from '@preact/signals';
import { apiPath, csrfToken, get, send, whenUnauthorized } from './api';
import { go, href, place } from './router';

export type Role = 'none' | 'read' | 'operate' | 'administer';
const RANK: Record<Role, number> = { none: 0, read: 1, operate: 2, administer: 3 };

export interface Session {
	auth: boolean; // whether this server asks for a login at all
	role?: Role; // absent: nobody is signed in
	key?: string;
	name?: string;
	csrf?: string;
}

export const session = signal<Session | null>(null); // null: not known yet
const may = computed(() => RANK[session.value?.role ?? 'none']);

export function allows(role: Role): boolean {
	return may.value >= RANK[role];
}

// Why an action is not offered; undefined when it is.
export function refusal(role: Role): string | undefined {
	if (allows(role)) return undefined;
	return `Needs the role "${role}"; yours is "${session.value?.role ?? 'none'}"`;
}

function take(answer: Session): void {
	csrfToken.value = answer.csrf ?? '';
	session.value = answer.auth ? { ...answer, role: answer.role ?? 'none' } : { auth: false, role: 'administer' };
}

// Leads to the form, and back afterwards. A signed-out page keeps nothing of who was there.
function askForLogin(): void {
	csrfToken.value = '';
	session.value = { auth: true, role: 'none' };
	if (place.peek().path === '/login') return;
	const back = location.pathname + location.search;
	go(href('/login', { back: back === '/' ? null : back }), { replace: true });
}

export async function startSession(): Promise<void> {
	whenUnauthorized(askForLogin);
	try {
		take(await get<Session>(apiPath('/session')));
		if (session.peek()?.role === 'none') askForLogin();
	} catch {
		session.value = { auth: false, role: 'administer' }; // no answer: the screens say so, the server decides
	}
}

export async function login(accessKeyId: string, secretAccessKey: string): Promise<void> {
	take(await send<Session>('POST', apiPath('/session'), { accessKeyId, secretAccessKey }));
	const back = place.peek().query.get('back') ?? '/';
	go(back.startsWith('/') && !back.startsWith('//') ? back : '/', { replace: true });
}

export async function logout(): Promise<void> {
	await send('DELETE', apiPath('/session'));
	askForLogin();
}
