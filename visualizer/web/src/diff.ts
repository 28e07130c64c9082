// What differs between two texts, line by line: the shortest list of removals and additions (Myers), with a bound on
// the work, beyond which the rest is told as replaced.
export interface DiffLine {
	kind: 'same' | 'added' | 'removed' | 'skipped';
	text: string;
}

const STEPS_MOST = 2000; // edits looked for

function common(a: string[], b: string[]): number {
	let length = 0;
	while (length < a.length && length < b.length && a[length] === b[length]) length++;
	return length;
}

// Myers' greedy search; the frontier of each step is kept to walk back along.
function edits(a: string[], b: string[]): DiffLine[] | null {
	const most = Math.min(a.length + b.length, STEPS_MOST);
	const frontier = new Map<number, number>([[1, 0]]);
	const trace: Map<number, number>[] = [];
	for (let step = 0; step <= most; step++) {
		trace.push(new Map(frontier));
		for (let k = -step; k <= step; k += 2) {
			const down = k === -step || (k !== step && (frontier.get(k - 1) ?? -1) < (frontier.get(k + 1) ?? -1));
			let x = down ? (frontier.get(k + 1) ?? 0) : (frontier.get(k - 1) ?? 0) + 1;
			while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
			frontier.set(k, x);
			if (x >= a.length && x - k >= b.length) return walkBack(a, b, trace, step);
		}
	}
	return null;
}

function walkBack(a: string[], b: string[], trace: Map<number, number>[], steps: number): DiffLine[] {
	const lines: DiffLine[] = [];
	let x = a.length;
	let y = b.length;
	for (let step = steps; step > 0; step--) {
		const frontier = trace[step] ?? new Map<number, number>();
		const k = x - y;
		const down = k === -step || (k !== step && (frontier.get(k - 1) ?? -1) < (frontier.get(k + 1) ?? -1));
		const before = down ? k + 1 : k - 1;
		const fromX = frontier.get(before) ?? 0;
		const fromY = fromX - before;
		while (x > fromX && y > fromY && x > 0 && y > 0 && a[x - 1] === b[y - 1]) {
			lines.push({ kind: 'same', text: a[--x] ?? '' });
			y--;
		}
		if (down) lines.push({ kind: 'added', text: b[--y] ?? '' });
		else lines.push({ kind: 'removed', text: a[--x] ?? '' });
	}
	while (x > 0) {
		lines.push({ kind: 'same', text: a[--x] ?? '' });
	}
	return lines.reverse();
}

// Unchanged stretches keep `around` lines beside a change; the rest is told as skipped.
function shorten(lines: DiffLine[], around: number): DiffLine[] {
	const near = new Uint8Array(lines.length);
	lines.forEach((line, index) => {
		if (line.kind !== 'same') near.fill(1, Math.max(0, index - around), index + around + 1);
	});
	const out: DiffLine[] = [];
	let skipped = 0;
	const flush = () => {
		if (skipped) out.push({ kind: 'skipped', text: `… ${skipped} lines unchanged` });
		skipped = 0;
	};
	lines.forEach((line, index) => {
		if (!near[index]) {
			skipped++;
			return;
		}
		flush();
		out.push(line);
	});
	flush();
	return out;
}

export function diffLines(before: string, after: string, around = 3): DiffLine[] {
	const a = before.split('\n');
	const b = after.split('\n');
	const head = common(a, b);
	const tail = common(a.slice(head).reverse(), b.slice(head).reverse());
	const same = (text: string): DiffLine => ({ kind: 'same', text });
	const middleA = a.slice(head, a.length - tail);
	const middleB = b.slice(head, b.length - tail);
	const middle = edits(middleA, middleB) ?? [
		...middleA.map((text): DiffLine => ({ kind: 'removed', text })),
		...middleB.map((text): DiffLine => ({ kind: 'added', text })),
	];
	return shorten([...a.slice(0, head).map(same), ...middle, ...a.slice(a.length - tail).map(same)], around);
}
