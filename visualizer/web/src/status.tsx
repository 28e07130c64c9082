// A status is an icon, a word and a colour, everywhere the same three.
export type ExecutionStatus = 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED' | 'PENDING_REDRIVE';
export type Outcome = 'pending' | 'running' | 'succeeded' | 'caught' | 'failed' | 'aborted';
export type Tone = 'idle' | 'run' | 'ok' | 'warn' | 'bad';

interface Look {
	icon: string;
	word: string;
	tone: Tone;
}

export const EXECUTION_LOOK: Record<ExecutionStatus, Look> = {
	RUNNING: { icon: '●', word: 'Running', tone: 'run' },
	SUCCEEDED: { icon: '✓', word: 'Succeeded', tone: 'ok' },
	FAILED: { icon: '✕', word: 'Failed', tone: 'bad' },
	TIMED_OUT: { icon: '◷', word: 'Timed out', tone: 'warn' },
	ABORTED: { icon: '■', word: 'Aborted', tone: 'idle' },
	PENDING_REDRIVE: { icon: '↻', word: 'To be redriven', tone: 'run' },
};

export const OUTCOME_LOOK: Record<Outcome, Look> = {
	pending: { icon: '○', word: 'not entered', tone: 'idle' },
	running: { icon: '●', word: 'running', tone: 'run' },
	succeeded: { icon: '✓', word: 'succeeded', tone: 'ok' },
	caught: { icon: '!', word: 'error caught', tone: 'warn' },
	failed: { icon: '✕', word: 'failed', tone: 'bad' },
	aborted: { icon: '■', word: 'aborted', tone: 'idle' },
};

function Pill({ look }: { look: Look }) {
	return (
		<span class={`pill tone-${look.tone}`}>
			<span class="pill-icon" aria-hidden="true">
				{look.icon}
			</span>
			{look.word}
		</span>
	);
}

export function StatusPill({ status }: { status: ExecutionStatus }) {
	return <Pill look={EXECUTION_LOOK[status] ?? { icon: '?', word: status, tone: 'idle' }} />;
}

export function OutcomePill({ outcome }: { outcome: Outcome }) {
	return <Pill look={OUTCOME_LOOK[outcome]} />;
}
