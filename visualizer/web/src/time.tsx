// Moments and durations in words. A moment is written the way the viewer chose; hovering shows all three ways.
import { signal } from '@preact/signals';
import { timeMode, type TimeMode } from './preferences';

// Ticks each second, for what counts from now; told by the server's clock where an answer had one.
export const now = signal(Date.now());
let ahead = 0; // of the browser's clock, ms

export function learnServerTime(nowMs: number): void {
	ahead = nowMs - Date.now();
}
// A moment of the browser's clock, by the server's.
export const serverTime = (ms: number) => ms + ahead;
export function startClock(): void {
	setInterval(() => {
		if (!document.hidden) now.value = Date.now() + ahead;
	}, 1000);
}

const two = (n: number) => String(n).padStart(2, '0');

export function formatDuration(ms: number): string {
	if (!Number.isFinite(ms)) return '–';
	if (ms < 0) return `−${formatDuration(-ms)}`;
	if (ms < 1000) return `${Math.round(ms)} ms`;
	if (ms < 59_950) return `${(ms / 1000).toFixed(ms < 10_000 && ms % 1000 ? 1 : 0)} s`;
	const seconds = Math.round(ms / 1000);
	if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${two(seconds % 60)} s`;
	const minutes = Math.floor(seconds / 60);
	if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} m`;
	const hours = Math.floor(minutes / 60);
	return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

// No finer than what one reads at a glance: seconds, minutes, hours, days.
function formatRough(ms: number): string {
	const minutes = Math.floor(ms / 60_000);
	if (minutes < 1) return `${Math.floor(ms / 1000)} s`;
	if (minutes < 60) return `${minutes} min`;
	return minutes < 2 * 1440 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} days`;
}

export function formatRelative(ms: number, nowMs: number): string {
	const since = nowMs - ms;
	if (Math.abs(since) < 2000) return 'just now';
	return since > 0 ? `${formatRough(since)} ago` : `in ${formatRough(-since)}`;
}

export function formatUtc(ms: number): string {
	return new Date(ms).toISOString().replace('T', ' ').replace(/\.\d+Z$/, 'Z');
}

export function formatLocal(ms: number): string {
	const date = new Date(ms);
	const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
	return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

export function formatClock(ms: number): string {
	return timeMode.value === 'utc' ? formatUtc(ms).slice(11) : formatLocal(ms).slice(11);
}

const WAYS: Record<TimeMode, (ms: number) => string> = {
	relative: (ms) => formatRelative(ms, now.value),
	local: formatLocal,
	utc: formatUtc,
};

export function Moment({ ms }: { ms: number }) {
	const all = `${formatRelative(ms, now.peek())}\n${formatLocal(ms)} local\n${formatUtc(ms)} UTC`;
	return (
		<time dateTime={new Date(ms).toISOString()} title={all}>
			{WAYS[timeMode.value](ms)}
		</time>
	);
}

// How long something took, or takes until now.
export function Duration({ from, to }: { from: number; to?: number }) {
	return <span class="number">{formatDuration(Math.max(0, (to ?? now.value) - from))}</span>;
}
