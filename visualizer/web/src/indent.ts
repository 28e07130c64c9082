// JSON text laid out in lines, token by token: what it says stays as it was written, numbers to the last digit.
export function indentJson(text: string): string {
	const tokens = text.match(/"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s"[\]{},:]+/g) ?? [];
	let depth = 0;
	let out = '';
	tokens.forEach((token, index) => {
		const before = tokens[index - 1] ?? '';
		const opens = before === '{' || before === '[';
		const closes = token === '}' || token === ']';
		if (closes) depth--;
		if ((closes && !opens) || (opens && !closes) || before === ',') out += `\n${'  '.repeat(Math.max(0, depth))}`;
		out += token === ':' ? ': ' : token;
		if (token === '{' || token === '[') depth++;
	});
	return out;
}
