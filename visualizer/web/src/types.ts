// The answers of the console's API, as docs/console-api.md describes them.
import type { ExecutionStatus, Outcome } from './status';

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

export interface MachineFigures {
	name: string;
	arn: string;
	type: string;
	running: number;
	failed_last_hour: number;
	failed_24h: number;
	ended_24h: number;
	p50_ms?: number;
	p95_ms?: number;
	sparkline?: [number, number][];
}
export interface Overview {
	now_ms: number;
	running: number;
	failed_last_hour: number;
	dead_letters: number;
	started_last_hour: number;
	oldest_running?: { arn: string; name: string; machine: string; start_ms: number };
	machines: MachineFigures[];
	search: { enabled: boolean; ready: boolean; behind: number; done: number; total: number };
}

export interface ExecutionRow {
	arn: string;
	name: string;
	machine: string;
	status: ExecutionStatus;
	start_ms: number;
	stop_ms?: number;
	error?: string;
	state?: string;
	redrives: number;
	version?: number;
}
export interface ExecutionsPage {
	executions: ExecutionRow[];
	next?: string;
}
export interface SavedView {
	name: string;
	query: string;
	updated_ms: number;
	shared: boolean;
}
export interface Completion {
	from: number;
	to: number;
	items: { text: string; detail?: string }[];
}

export interface RunningTask {
	task: number;
	state: string;
	progress?: number;
	started_ms: number;
	eta_ms?: number;
}
export interface Execution {
	arn: string;
	name: string;
	machine: string;
	machine_arn: string;
	status: ExecutionStatus;
	start_ms: number;
	stop_ms?: number;
	now_ms: number;
	events: number;
	version?: number;
	revision_id?: string;
	definition_current?: boolean;
	input?: Json;
	input_bytes?: number;
	output?: Json;
	output_bytes?: number;
	error?: string;
	cause?: string;
	failed_state?: string;
	failed_event?: number;
	attempts?: number;
	failed_here_last_hour?: number;
	redrive_count?: number;
	redrivable?: boolean;
	rerun_of?: string; // the execution from whose state this one began …
	rerun_state?: string; // … and that state
	parent?: { arn: string; event?: number };
	children?: { arn: string; event: number; state?: string }[];
	tasks?: RunningTask[];
}

export interface GraphNode {
	id: number;
	kind: 'start' | 'end' | 'state' | 'branch' | 'fold';
	parent: number | null;
	x: number;
	y: number;
	w: number;
	h: number;
	name?: string;
	type?: string;
	detail?: string;
	lines?: string[];
	resource?: string;
	retry?: { attempts: number; text: string };
	comment?: string;
	branch?: number;
	container?: boolean; // Parallel and Map …
	collapsed?: boolean; // … of which the inside is not shown
	folded?: string[]; // the states in a fold, or in what is collapsed
}
export interface GraphEdge {
	from: number;
	to: number;
	kind: 'next' | 'choice' | 'default' | 'catch';
	back?: boolean;
	jump?: boolean;
	path: string;
	own?: string;
	label?: { x: number; y: number; w: number; h: number; lines: string[] };
	transitions: { kind: string; state?: string; index?: number; text?: string }[];
}
export interface Graph {
	direction: 'down' | 'right';
	width: number;
	height: number;
	states: number;
	folded: number;
	nodes: GraphNode[];
	edges: GraphEdge[];
}

export interface StateFigures {
	entered: number;
	running: number;
	succeeded: number;
	failed: number;
	caught: number;
	aborted: number;
	retries: number;
	first_ms: number;
	last_ms: number;
	event: number;
	error?: string;
}
export interface MapFigures {
	length: number;
	started: number;
	succeeded: number;
	failed: number;
	aborted: number;
	running: number;
}
export interface StateAt {
	event: number;
	events: number;
	time_ms: number;
	status: ExecutionStatus;
	path?: string;
	states: Record<string, StateFigures>;
	edges: [string, string, number, string?][];
	maps: Record<string, MapFigures>;
}

export interface HistoryEvent {
	id: number;
	previousEventId: number;
	type: string;
	timestamp_ms: number;
	state?: string;
	path?: string;
	[details: string]: unknown;
}
export interface EventsPage {
	events: HistoryEvent[];
	next?: number;
}

export type SegmentKind = 'queued' | 'run' | 'wait' | 'retry';
export interface Visit {
	event: number;
	state: string;
	path?: string;
	start_ms: number;
	stop_ms?: number;
	outcome: Exclude<Outcome, 'pending'>;
	attempts?: number;
	segments: [SegmentKind, number, number][];
}
export interface Timeline {
	origin_ms: number;
	now_ms: number;
	event: number;
	visits: Visit[];
	next?: string;
}
export type MapItem = [number, number, number, number, Exclude<Outcome, 'pending' | 'caught'>, number, string?];
export interface MapTimeline {
	map: string;
	origin_ms: number;
	now_ms?: number;
	length: number;
	slots: number;
	succeeded: number;
	failed: number;
	running: number;
	items: MapItem[];
	next?: string;
}

export interface Payload {
	json?: Json;
	bytes?: number;
	event?: number;
	field?: string;
}
export interface Attempt {
	event: number;
	scheduled_ms: number;
	started_ms?: number;
	ended_ms?: number;
	outcome: string;
	error?: string;
	cause?: string;
	input?: Payload;
	result?: Payload;
	retry_ms?: number;
}
export interface FlowStage {
	stage: string;
	expression?: Json;
	value?: Payload;
	error?: string;
}
export interface Inspection {
	state: string;
	type: string;
	path?: string;
	event: number;
	exit_event?: number;
	previous?: number;
	next?: number;
	start_ms: number;
	stop_ms?: number;
	outcome: Exclude<Outcome, 'pending'>;
	input?: Payload;
	output?: Payload;
	result?: Payload;
	variables?: Record<string, Json>;
	assigned?: Record<string, Json>;
	error?: string;
	cause?: string;
	attempts?: Attempt[];
	flow?: FlowStage[];
	definition?: Json;
	query_language?: string;
}

export interface MachineRow {
	name: string;
	arn: string;
	type: string;
	created_ms: number;
	updated_ms: number;
	status: string;
}
export interface MachinesPage {
	machines: MachineRow[];
	next?: string;
}
export interface MachineVersion {
	version: number;
	arn: string;
	description?: string;
	created_ms: number;
}
export interface Machine {
	name: string;
	arn: string;
	type: string;
	definition: string;
	revision_id?: string;
	created_ms: number;
	updated_ms: number;
	description?: string;
	status: string;
	tags?: Record<string, string>;
	policy?: Json;
	versions?: MachineVersion[];
	aliases?: { name: string; arn: string; routes: { version_arn: string; weight: number }[] }[];
}
export interface DurationFigures {
	count: number;
	failed: number;
	p50_ms?: number;
	p95_ms?: number;
	p99_ms?: number;
}
export interface Durations {
	window_ms: number;
	executions: DurationFigures;
	states: (DurationFigures & { state: string; retries: number })[];
}
