// A state type's icon in a square of 16, drawn with a line; the word beside it says the same.
export const TYPE_ICONS: Record<string, string> = {
	Task: 'M9 1.5L3.5 9H8l-1 5.5L12.5 7H8z',
	Pass: 'M2.5 8h10M8.5 4l4 4-4 4',
	Choice: 'M8 2l6 6-6 6-6-6z',
	Wait: 'M8 2a6 6 0 1 0 .01 0M8 4.8V8.2l2.4 1.6',
	Succeed: 'M3 8.5l3.5 3.5L13 4.5',
	Fail: 'M4 4l8 8M12 4l-8 8',
	Parallel: 'M3 3v10M8 3v10M13 3v10',
	Map: 'M2.5 6h7.5v7.5h-7.5zM6 6V2.5h7.5v7.5H10',
};
