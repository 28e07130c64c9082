// What is around every screen: navigation, the live chip, jump, theme and time, the list of keys.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { LiveRegion } from './announce';
import { Dialog, DialogHost, openDialog } from './dialog';
import { keySets, useKeys } from './keys';
import { openJump } from './jump';
import { liveState, liveUntil, useLive } from './live/client';
import { setTheme, setTimeMode, theme, THEMES, TIME_MODES, timeMode, type Theme, type TimeMode } from './preferences';
import { href, route, type ScreenName } from './router';
import { logout, session } from './session';
import { formatClock } from './time';

const NAVIGATION: { screen: ScreenName[]; path: string; label: string }[] = [
	{ screen: ['overview'], path: '/', label: 'Overview' },
	{ screen: ['executions', 'execution'], path: '/executions', label: 'Executions' },
	{ screen: ['letters'], path: '/dlq', label: 'Dead letters' },
	{ screen: ['machines', 'machine'], path: '/machines', label: 'Machines' },
];
const THEME_WORDS: Record<Theme, string> = { system: 'System', light: 'Light', dark: 'Dark' };
const TIME_WORDS: Record<TimeMode, string> = { relative: 'Relative', local: 'Local', utc: 'UTC' };

function LiveChip() {
	const state = liveState.value;
	if (state === 'live')
		return (
			<span class="live tone-ok">
				<span aria-hidden="true">●</span> live
			</span>
		);
	if (state === 'connecting')
		return (
			<span class="live">
				<span aria-hidden="true">○</span> connecting
			</span>
		);
	return (
		<span class="live tone-warn" role="status">
			<span aria-hidden="true">◌</span> reconnecting, data from {formatClock(liveUntil.value)}
		</span>
	);
}

function Choice<T extends string>(props: { label: string; value: T; words: Record<T, string>; choices: readonly T[]; set: (v: T) => void }) {
	return (
		<select aria-label={props.label} value={props.value} onChange={(event) => props.set(event.currentTarget.value as T)}>
			{props.choices.map((choice) => (
				<option value={choice} key={choice} selected={choice === props.value}>
					{props.words[choice]}
				</option>
			))}
		</select>
	);
}

export function openKeyHelp(): void {
	openDialog(
		<Dialog title="Keys">
			{[...keySets.peek()].reverse().map(({ title, keys }) => (
				<section key={title}>
					<h3>{title}</h3>
					<dl class="keys">
						{keys.map(({ key, does }) => (
							<div key={key}>
								<dt>
									<kbd>{key}</kbd>
								</dt>
								<dd>{does}</dd>
							</div>
						))}
					</dl>
				</section>
			))}
			<p class="muted">Keys are not heard while you type into a field.</p>
		</Dialog>,
	);
}

const ignore = () => {};

export function Shell({ children }: { children: ComponentChildren }) {
	useKeys('Everywhere', [
		{ key: '?', does: 'show the keys', run: openKeyHelp },
		{ key: 'Ctrl K', does: 'jump to an execution, a machine, a command', run: openJump },
	]);
	useEffect(() => {
		const onKey = (event: KeyboardEvent) => {
			if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
				event.preventDefault();
				openJump();
			}
		};
		document.addEventListener('keydown', onKey);
		return () => document.removeEventListener('keydown', onKey);
	}, []);
	// Something is always listened to, so that the chip is true on every screen.
	useLive(session.value?.role === 'none' ? [] : ['overview'], ignore, ignore);
	const screen = route.value.screen;
	return (
		<>
			<a class="skip" href="#main" onClick={(event) => (event.preventDefault(), document.getElementById('main')?.focus())}>
				Skip to content
			</a>
			<header class="top">
				<a class="brand" href={href('/')}>
					<span aria-hidden="true">⋄</span> <span class="brand-word">Ratchet</span>
				</a>
				<nav aria-label="Screens">
					{NAVIGATION.map((item) => (
						<a href={href(item.path)} key={item.path} aria-current={item.screen.includes(screen) ? 'page' : undefined}>
							{item.label}
						</a>
					))}
				</nav>
				<span class="grow" />
				<LiveChip />
				<button type="button" class="jump-button" onClick={openJump}>
					Jump <kbd>Ctrl K</kbd>
				</button>
				<Choice label="Times" value={timeMode.value} words={TIME_WORDS} choices={TIME_MODES} set={setTimeMode} />
				<Choice label="Theme" value={theme.value} words={THEME_WORDS} choices={THEMES} set={setTheme} />
				<button type="button" class="quiet" aria-label="Keys" title="Keys (?)" onClick={openKeyHelp}>
					?
				</button>
				{session.value?.auth && session.value.role !== 'none' && (
					<button type="button" class="quiet" title={`${session.value.name ?? session.value.key ?? ''}, role ${session.value.role}`} onClick={() => void logout()}>
						Log out
					</button>
				)}
			</header>
			<main id="main" tabIndex={-1}>
				{children}
			</main>
			<LiveRegion />
			<DialogHost />
		</>
	);
}

// A screen's heading: names the page, and takes the focus when the screen was reached by a link.
let first = true;
export function Heading({ children, title }: { children?: ComponentChildren; title: string }) {
	const element = useRef<HTMLHeadingElement>(null);
	useEffect(() => {
		document.title = `${title} – Ratchet`;
	}, [title]);
	useEffect(() => {
		if (!first) element.current?.focus({ preventScroll: true });
		first = false;
	}, []);
	return (
		<h1 ref={element} tabIndex={-1}>
			{children ?? title}
		</h1>
	);
}
