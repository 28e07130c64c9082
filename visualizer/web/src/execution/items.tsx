// The items of a Map: a picture of its concurrency slots over time, on a canvas (10,000 items are some milliseconds),
// and a table of the same. By index a few failures would look like half of it; by slot they look like what they are.
import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { VirtualList } from '../list';
import { Loaded, type Resource } from '../resource';
import { OUTCOME_LOOK, type Outcome } from '../status';
import { formatDuration, now } from '../time';
import type { MapItem, MapTimeline } from '../types';
import { theme } from '../preferences';
import { Axis } from './timeline';
import { chooseItem } from './view-state';

export const ITEM_ROW_HEIGHT = 30;
export const SLOT_HEIGHT = 20;
const LEFT = 52; // pixels before the axis begins: the slots' names stand there
const RIGHT = 8;
const FAILED_LEAST = 3; // pixels: a failure is seen, however short
const COLOURS: Record<string, string> = { succeeded: '--ok', failed: '--bad', aborted: '--idle', running: '--run' };

type ItemOutcome = MapItem[4];

export function itemAt(item: MapItem, moment: number | null): MapItem | null {
	if (moment === null) return item;
	const [index, slot, start, stop, , retries] = item;
	if (start > moment) return null;
	return stop && stop <= moment ? item : [index, slot, start, 0, 'running', retries];
}

interface ItemsProps {
	of: Resource<MapTimeline>;
	item: string;
	prefix: string | null; // where the items are; null: not to be named
	moment: number | null;
}

function chosenIndex(item: string, prefix: string | null): number {
	if (prefix === null || !item.startsWith(`${prefix}[`)) return -1;
	return Number(/^\[(\d+)\]/.exec(item.slice(prefix.length))?.[1] ?? -1);
}

function spanOf(answer: MapTimeline): { origin: number; span: number } {
	const running = answer.items.some(([, , , stop]) => !stop);
	const origin = answer.items.reduce((least, [, , start]) => Math.min(least, start), Infinity);
	const newest = answer.items.reduce((most, [, , start, stop]) => Math.max(most, stop || start), 0);
	const from = Number.isFinite(origin) ? origin : answer.origin_ms;
	return { origin: from, span: Math.max(1, (running ? Math.max(newest, now.value) : newest) - from) };
}

function drawItems(canvas: HTMLCanvasElement, answer: MapTimeline, chosen: number, moment: number | null): void {
	const [width, height] = [canvas.clientWidth, canvas.clientHeight];
	const scale = window.devicePixelRatio || 1;
	canvas.width = width * scale;
	canvas.height = height * scale;
	const context = canvas.getContext('2d');
	if (!context) return;
	context.scale(scale, scale);
	const style = getComputedStyle(canvas);
	const { origin, span } = spanOf(answer);
	const slots = Math.max(1, answer.slots);
	const rowHeight = Math.min(SLOT_HEIGHT, (height - 4) / slots);
	const bar = Math.max(1, rowHeight - (rowHeight > 4 ? 2 : 0.5));
	const x = (ms: number) => LEFT + ((ms - origin) / span) * (width - LEFT - RIGHT);
	const end = moment ?? origin + span;
	const started = performance.now();
	context.fillStyle = style.getPropertyValue('--muted');
	context.font = `11px ${style.fontFamily}`;
	// The first and the last slot have their names, all of them where there is room.
	const named = rowHeight >= 12 ? 1 : Math.max(1, slots - 1);
	for (let slot = 0; slot < slots; slot += named)
		context.fillText(`slot ${slot + 1}`, 8, 2 + slot * rowHeight + Math.max(8, rowHeight / 2 + 3), LEFT - 12);
	// One colour after the other: changing it is what costs.
	for (const outcome of ['succeeded', 'running', 'aborted', 'failed'] as ItemOutcome[]) {
		context.fillStyle = style.getPropertyValue(COLOURS[outcome] ?? '--idle');
		const least = outcome === 'failed' ? FAILED_LEAST : 1;
		for (const one of answer.items) {
			const item = itemAt(one, moment);
			if (!item || item[4] !== outcome) continue;
			const left = x(item[2]);
			context.fillRect(left, 2 + item[1] * rowHeight, Math.max(least, x(Math.min(end, item[3] || end)) - left - 0.5), bar);
		}
	}
	const marked = answer.items.find(([index]) => index === chosen);
	if (marked) {
		context.strokeStyle = style.getPropertyValue('--ink');
		context.lineWidth = 2;
		const left = x(marked[2]);
		context.strokeRect(left - 1, 1 + marked[1] * rowHeight, Math.max(4, x(marked[3] || end) - left + 2), bar + 2);
	}
	canvas.dataset.drawMs = String(performance.now() - started);
}

function itemAtPoint(answer: MapTimeline, canvas: HTMLCanvasElement, px: number, py: number): number {
	const { origin, span } = spanOf(answer);
	const slots = Math.max(1, answer.slots);
	const rowHeight = Math.min(SLOT_HEIGHT, (canvas.clientHeight - 4) / slots);
	const slot = Math.floor((py - 2) / rowHeight);
	const perPixel = span / (canvas.clientWidth - LEFT - RIGHT);
	const ms = origin + (px - LEFT) * perPixel;
	let best = -1;
	let nearest = 6 * perPixel; // a short item is hit from six pixels away
	for (const [index, at, start, stop] of answer.items) {
		if (at !== slot) continue;
		const distance = ms < start ? start - ms : stop && ms > stop ? ms - stop : 0;
		if (distance < nearest) [best, nearest] = [index, distance];
	}
	return best;
}

export function ItemsPicture({ of, item, prefix, moment }: ItemsProps) {
	const canvas = useRef<HTMLCanvasElement>(null);
	const size = useSignal(0);
	const answer = of.data.value;
	const chosen = chosenIndex(item, prefix);
	useLayoutEffect(() => {
		const element = canvas.current;
		if (!element) return;
		const observer = new ResizeObserver(() => (size.value = element.clientWidth * 10_000 + element.clientHeight));
		observer.observe(element);
		return () => observer.disconnect();
	}, [answer === null]);
	useEffect(() => {
		if (canvas.current && answer) drawItems(canvas.current, answer, chosen, moment);
	}, [answer, chosen, moment, size.value, theme.value]);
	const choose = (event: MouseEvent) => {
		if (!answer || !canvas.current || prefix === null) return;
		const index = itemAtPoint(answer, canvas.current, event.offsetX, event.offsetY);
		if (index >= 0) chooseItem(index === chosen ? null : `${prefix}[${index}]`);
	};
	return (
		<Loaded of={of} lines={5}>
			{(data) => (
				<div class="items-picture">
					<div class="items-axis">
						<Axis span={spanOf(data).span} />
					</div>
					<canvas
						ref={canvas}
						role="img"
						aria-label={`${data.length} items in ${data.slots} slots: ${data.succeeded} succeeded, ${data.failed} failed, ${data.running} running. “Items as table” lists them.`}
						onClick={choose}
					/>
				</div>
			)}
		</Loaded>
	);
}

type Order = 'started' | 'index' | 'slowest' | 'failed';
const ORDER_WORDS: Record<Order, string> = { failed: 'Failed only', slowest: 'Slowest first', index: 'By index', started: 'By start' };

function ordered(items: MapItem[], order: Order, end: number): MapItem[] {
	const took = ([, , start, stop]: MapItem) => (stop || end) - start;
	if (order === 'failed') return items.filter(([, , , , outcome]) => outcome === 'failed');
	if (order === 'slowest') return [...items].sort((a, b) => took(b) - took(a));
	return order === 'index' ? [...items].sort((a, b) => a[0] - b[0]) : items;
}

export function ItemsTable({ of, item, prefix, moment }: ItemsProps) {
	const order = useSignal<Order | null>(null);
	const chosen = chosenIndex(item, prefix);
	return (
		<Loaded of={of} lines={5}>
			{(data) => {
				const { origin, span } = spanOf(data);
				const end = moment ?? origin + span;
				const there = data.items.map((one) => itemAt(one, moment)).filter((one) => one !== null);
				const by = order.value ?? (there.some((one) => one[4] === 'failed') ? 'failed' : 'started');
				const rows = ordered(there, by, end);
				return (
					<>
						<div class="chips items-order" role="group" aria-label="Order">
							{(Object.keys(ORDER_WORDS) as Order[]).map((one) => (
								<button type="button" key={one} aria-pressed={one === by} onClick={() => (order.value = one)}>
									{ORDER_WORDS[one]}
								</button>
							))}
						</div>
						<VirtualList
							label="Items"
							count={rows.length}
							rowHeight={ITEM_ROW_HEIGHT}
							follow={rows.findIndex(([index]) => index === chosen)}
							empty={<p class="empty">{by === 'failed' ? 'No item failed.' : 'No item was started yet.'}</p>}
							head={
								<div role="row" aria-rowindex={1} class="list-head items-grid">
									{['Item', 'Outcome', 'Began', 'Took', 'Retries', 'Error'].map((name) => (
										<span role="columnheader" key={name}>
											{name}
										</span>
									))}
								</div>
							}
							row={(index) => {
								const row = rows[index];
								if (!row) return null;
								const [number, , start, stop, outcome, retries, error] = row;
								const look = OUTCOME_LOOK[outcome as Outcome];
								return (
									<div role="row" aria-rowindex={index + 2} key={number} class={`list-row items-grid tone-${look.tone} ${number === chosen ? 'current' : ''}`}>
										<span role="cell">
											<button type="button" class="link" disabled={prefix === null} onClick={() => chooseItem(`${prefix}[${number}]`)}>
												#{number}
											</button>
										</span>
										<span role="cell" class="timeline-outcome">
											<span aria-hidden="true">{look.icon}</span> {look.word}
										</span>
										<span role="cell" class="number">
											+{formatDuration(start - origin)}
										</span>
										<span role="cell" class="number">
											{formatDuration((stop || end) - start)}
										</span>
										<span role="cell" class="number">
											{retries || ''}
										</span>
										<span role="cell" class="clip" title={error}>
											{error}
										</span>
									</div>
								);
							}}
						/>
					</>
				);
			}}
		</Loaded>
	);
}
