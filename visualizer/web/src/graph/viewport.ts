// What part of a picture is seen, and how large. One signal: zooming and panning change an attribute, no component.
import { computed, signal } from '@preact/signals';
import type { Box } from './model';

const ZOOM_LEAST = 0.03;
const ZOOM_MOST = 3;
const TILE = 300; // the window of what is drawn moves in steps, so that most pans redraw nothing

export class Viewport {
	readonly view = signal({ k: 1, x: 0, y: 0 });
	readonly size = signal({ w: 800, h: 400 });
	readonly transform = computed(() => `translate(${this.view.value.x} ${this.view.value.y}) scale(${this.view.value.k})`);
	readonly detail = computed<'far' | 'middle' | 'near'>(() =>
		this.view.value.k < 0.22 ? 'far' : this.view.value.k < 0.5 ? 'middle' : 'near',
	);
	// In the picture's coordinates, a tile wider than what is seen; a text, so that it only changes with its content.
	private readonly tiles = computed(() => {
		const { k, x, y } = this.view.value;
		const { w, h } = this.size.value;
		const floor = (n: number) => Math.floor(n / TILE);
		return [floor(-x / k), floor(-y / k), floor((w - x) / k) + 1, floor((h - y) / k) + 1].join();
	});
	readonly window = computed<Box>(() => {
		const [left = 0, top = 0, right = 0, bottom = 0] = this.tiles.value.split(',').map(Number);
		return { x: left * TILE, y: top * TILE, w: (right - left) * TILE, h: (bottom - top) * TILE };
	});

	constructor(private picture: { width: number; height: number }) {}

	setPicture(picture: { width: number; height: number }): void {
		this.picture = picture;
	}

	fit(): void {
		const { w, h } = this.size.peek();
		const k = this.clamp(Math.min(w / (this.picture.width + 20), h / (this.picture.height + 20), 1.2));
		this.view.value = { k, x: (w - this.picture.width * k) / 2, y: Math.max(8, (h - this.picture.height * k) / 2) };
	}

	// Whether all of it can be seen with labels that can be read.
	fitsReadably(): boolean {
		const { w, h } = this.size.peek();
		return Math.min(w / (this.picture.width + 20), h / (this.picture.height + 20)) >= 0.85;
	}

	center(box: Box, least: number): void {
		const { w, h } = this.size.peek();
		const k = this.clamp(Math.max(this.view.peek().k, least));
		// Of a box that is larger than the window, its head.
		const tall = box.h * k > h - 20;
		const y = tall ? 20 - box.y * k : h / 2 - (box.y + box.h / 2) * k;
		const x = box.w * k > w - 20 ? 20 - box.x * k : w / 2 - (box.x + box.w / 2) * k;
		this.view.value = { k, x, y };
	}

	// The picture's beginning, at its own size.
	head(start: Box): void {
		this.view.value = { k: 1, x: this.size.peek().w / 2 - (start.x + start.w / 2), y: 12 - start.y };
	}

	// The middle of a box's upper edge stays where it is in the window, though the picture is another.
	keep(old: Box, now: Box): void {
		const { k, x, y } = this.view.peek();
		this.view.value = { k, x: x + (old.x + old.w / 2 - now.x - now.w / 2) * k, y: y + (old.y - now.y) * k };
	}

	// Whether the head of a box is in the window.
	shows(box: Box): boolean {
		const { k, x, y } = this.view.peek();
		const { w, h } = this.size.peek();
		const [left, top] = [box.x * k + x, box.y * k + y];
		return left >= 0 && left < w && top >= 0 && top + Math.min(box.h, 46) * k <= h;
	}

	// Moves no more than it must.
	reveal(box: Box): void {
		const { k, x, y } = this.view.peek();
		const { w, h } = this.size.peek();
		const shift = (from: number, length: number, room: number) => {
			if (length > room - 20 || from < 10) return 10 - from;
			return Math.min(0, room - 10 - (from + length));
		};
		const head = Math.min(box.h, 46);
		const dx = shift(box.x * k + x, box.w * k, w);
		const dy = shift(box.y * k + y, head * k, h);
		if (dx || dy) this.view.value = { k, x: x + dx, y: y + dy };
	}

	zoom(factor: number, at?: { x: number; y: number }): void {
		const { k, x, y } = this.view.peek();
		const { w, h } = this.size.peek();
		const point = at ?? { x: w / 2, y: h / 2 };
		const next = this.clamp(k * factor);
		const by = next / k;
		this.view.value = { k: next, x: point.x - (point.x - x) * by, y: point.y - (point.y - y) * by };
	}

	pan(dx: number, dy: number): void {
		const { k, x, y } = this.view.peek();
		this.view.value = { k, x: x + dx, y: y + dy };
	}

	private clamp(k: number): number {
		return Math.max(ZOOM_LEAST, Math.min(ZOOM_MOST, k));
	}
}

export function overlaps(a: Box, b: Box): boolean {
	return a.x <= b.x + b.w && b.x <= a.x + a.w && a.y <= b.y + b.h && b.y <= a.y + a.h;
}
