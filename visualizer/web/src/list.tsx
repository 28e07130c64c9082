// A list of which only the rows in view are in the page: 100,000 rows cost what thirty do. Rows have one height. The
// list is a table to those who hear it; its rows know their place among all.
import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';

const SPARE_ROWS = 6; // beyond either edge

interface VirtualListProps {
	count: number;
	rowHeight: number;
	label: string;
	role?: 'table' | 'tree' | 'list';
	head?: ComponentChildren;
	row: (index: number) => ComponentChildren;
	follow?: number; // a row to keep in view; -1: none
	stickToEnd?: boolean; // as a log does
	onNearEnd?: () => void; // the last rows come into view
	class?: string;
	empty?: ComponentChildren;
}

export function VirtualList(props: VirtualListProps) {
	const { count, rowHeight, follow = -1 } = props;
	const box = useRef<HTMLDivElement>(null);
	const top = useSignal(0);
	const height = useSignal(600);
	const atEnd = useRef(true);
	useLayoutEffect(() => {
		const element = box.current;
		if (!element) return;
		const measure = () => (height.value = element.clientHeight);
		measure();
		const observer = new ResizeObserver(measure);
		observer.observe(element);
		return () => observer.disconnect();
	}, []);
	useLayoutEffect(() => {
		const element = box.current;
		if (!element || follow < 0) return;
		const head = element.querySelector<HTMLElement>('.list-head')?.offsetHeight ?? 0;
		const from = follow * rowHeight;
		if (from < element.scrollTop) element.scrollTop = from;
		else if (from + rowHeight + head > element.scrollTop + element.clientHeight)
			element.scrollTop = from + rowHeight + head - element.clientHeight;
		top.value = element.scrollTop;
	}, [follow]);
	useLayoutEffect(() => {
		const element = box.current;
		if (props.stickToEnd && atEnd.current && element) element.scrollTop = element.scrollHeight;
	}, [count, props.stickToEnd]);
	const first = Math.max(0, Math.floor(top.value / rowHeight) - SPARE_ROWS);
	const last = Math.min(count, Math.ceil((top.value + height.value) / rowHeight) + SPARE_ROWS);
	useEffect(() => {
		if (last >= count - SPARE_ROWS) props.onNearEnd?.();
	}, [last, count]);
	const onScroll = () => {
		const element = box.current;
		if (!element) return;
		top.value = element.scrollTop;
		atEnd.current = element.scrollTop + element.clientHeight > element.scrollHeight - rowHeight;
	};
	const rows: ComponentChildren[] = [];
	for (let index = first; index < last; index++) rows.push(props.row(index));
	return (
		<div
			ref={box}
			class={`list ${props.class ?? ''}`}
			role={props.role ?? 'table'}
			aria-label={props.label}
			aria-rowcount={(props.role ?? 'table') === 'table' ? count + (props.head ? 1 : 0) : undefined}
			tabIndex={0}
			onScroll={onScroll}
		>
			{props.head}
			{count === 0 && props.empty}
			<div role="presentation" class="list-space" style={{ height: `${count * rowHeight}px` }}>
				<div role="presentation" class="list-rows" style={{ transform: `translateY(${first * rowHeight}px)` }}>
					{rows}
				</div>
			</div>
		</div>
	);
}
