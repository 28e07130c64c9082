// Where inside of Maps something is, in few characters.
//
// " #3" for "Produce[0]/TranscodeChunks[3]": the innermost iteration; '' when there is none (a branch of a Parallel says
// nothing that the state's name does not). `maps` has the Maps' names.
export function itemNumber(path: string, maps: Record<string, unknown>): string {
	for (const part of path.split('/').reverse()) {
		const found = /^(.*)\[(\d+)\]$/s.exec(part);
		if (found && Object.hasOwn(maps, found[1] ?? '')) return ` #${found[2]}`;
	}
	return '';
}
