// The whole graph in a corner, and where the window is. For the pointer: the outline does the same for keys.
import { effect, type Signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { isOpenContainer, type GraphModel, type NodeLook } from './model';
import type { Viewport } from './viewport';

const WIDTH = 150;
const HEIGHT = 110;
const COLOURS: Record<string, string> = {
	pending: '--line-strong',
	running: '--run',
	succeeded: '--ok',
	caught: '--warn',
	failed: '--bad',
	aborted: '--idle',
};

export function Minimap({ model, viewport, looks }: { model: GraphModel; viewport: Viewport; looks: Signal<NodeLook>[] }) {
	const canvas = useRef<HTMLCanvasElement>(null);
	const window = useRef<HTMLDivElement>(null);
	const { width, height } = model.graph;
	const scale = Math.min(WIDTH / width, HEIGHT / height);
	const [mapWidth, mapHeight] = [Math.max(8, width * scale), Math.max(8, height * scale)];

	useEffect(
		() =>
			effect(() => {
				const context = canvas.current?.getContext('2d');
				if (!context) return;
				const style = getComputedStyle(document.documentElement);
				const colours = Object.fromEntries(Object.entries(COLOURS).map(([outcome, name]) => [outcome, style.getPropertyValue(name)]));
				context.setTransform(2, 0, 0, 2, 0, 0);
				context.clearRect(0, 0, WIDTH, HEIGHT);
				for (const node of model.graph.nodes) {
					if (isOpenContainer(node) || node.kind === 'branch') continue;
					context.fillStyle = colours[looks[node.id]?.value.outcome ?? 'pending'] ?? 'grey';
					context.fillRect(node.x * scale, node.y * scale, Math.max(1, node.w * scale), Math.max(1, node.h * scale));
				}
			}),
		[model, looks],
	);
	useEffect(
		() =>
			effect(() => {
				const { k, x, y } = viewport.view.value;
				const { w, h } = viewport.size.value;
				const element = window.current;
				if (!element) return;
				const left = Math.max(0, (-x / k) * scale);
				const top = Math.max(0, (-y / k) * scale);
				const right = Math.min(mapWidth, ((w - x) / k) * scale);
				const bottom = Math.min(mapHeight, ((h - y) / k) * scale);
				element.style.transform = `translate(${left}px, ${top}px)`;
				element.style.width = `${Math.max(4, right - left)}px`;
				element.style.height = `${Math.max(4, bottom - top)}px`;
				const all = left <= 0 && top <= 0 && right >= mapWidth && bottom >= mapHeight;
				if (element.parentElement) element.parentElement.hidden = all;
			}),
		[model],
	);

	const go = (event: PointerEvent & { currentTarget: HTMLElement }) => {
		if (!(event.buttons & 1)) return;
		const box = event.currentTarget.getBoundingClientRect();
		const k = viewport.view.peek().k;
		const { w, h } = viewport.size.peek();
		viewport.view.value = { k, x: w / 2 - ((event.clientX - box.left) / scale) * k, y: h / 2 - ((event.clientY - box.top) / scale) * k };
	};
	return (
		<div class="minimap" aria-hidden="true" style={{ width: `${mapWidth}px`, height: `${mapHeight}px` }} onPointerDown={go} onPointerMove={go}>
			<canvas ref={canvas} width={WIDTH * 2} height={HEIGHT * 2} />
			<div ref={window} class="minimap-window" />
		</div>
	);
}
