// Dead letters and redrive jobs, as docs/console-api.md describes them.
import type { Json } from '../types';

export interface LetterGroup {
	stateMachineArn: string;
	stateMachineName: string;
	status: 'FAILED' | 'TIMED_OUT' | 'ABORTED';
	error: string | null;
	state: string | null;
	revision: number;
	version: number | null;
	newest: boolean;
	count: number;
	firstSeen: number;
	lastSeen: number;
	sampleExecutionArn: string;
	hourly: number[];
}
export interface Groups {
	groups: LetterGroup[];
	hourlyFrom: number;
	total: number;
	unindexed: number;
	more: boolean;
}
export interface Letter {
	executionArn: string;
	name: string;
	stateMachineName: string;
	status: 'FAILED' | 'TIMED_OUT' | 'ABORTED';
	error: string | null;
	state: string | null;
	revision: number;
	version: number | null;
	startedAt: number;
	failedAt: number;
	redriveCount: number;
	job: string | null;
	expiresAt?: number;
	compatible?: boolean;
	divergence?: string;
}
export interface LettersPage {
	deadLetters: Letter[];
	next?: string | null;
}
export interface LetterDetail extends Letter {
	stateInput?: Json;
	editable: boolean;
}
export interface Preview {
	preview: string;
	count: number;
	more: boolean;
	executions: Letter[];
}
export type Definition = 'same' | 'newest';
export interface Job {
	id: string;
	state: 'RUNNING' | 'PAUSED' | 'STOPPED' | 'CANCELLED' | 'COMPLETED';
	reason: string | null;
	createdAt: number;
	endedAt: number | null;
	definition: Definition;
	edited: boolean;
	rate: number;
	canary: boolean;
	stage: string | null;
	total: number;
	pending: number;
	running: number;
	succeeded: number;
	failedAgain: number;
	skipped: number;
}
export type JobOutcome = 'PENDING' | 'RUNNING' | 'SUCCEEDED' | 'FAILED_AGAIN' | 'SKIPPED';
export interface OutcomesPage {
	outcomes: { executionArn: string; outcome: JobOutcome; at: number; detail: string | null }[];
	next?: string | null;
}

// What a preview may be asked for: a filter, or a list.
export interface Filter {
	machine?: string;
	error?: string;
	state?: string;
	status?: string;
	revision?: number;
}
export type Wanted = { filter: Filter } | { executions: string[] };

export function filterOf(group: LetterGroup): Filter {
	return {
		machine: group.stateMachineArn,
		status: group.status,
		revision: group.revision,
		...(group.error === null ? {} : { error: group.error }),
		...(group.state === null ? {} : { state: group.state }),
	};
}
