// Redrive jobs: how far each is, and what became of every execution. "Succeeded" is said only after an execution's
// terminal event.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { type ApiError, apiPath, problemOf, send } from '../api';
import { Progress } from '../figures';
import { ErrorNote, Loaded, useResource } from '../resource';
import { executionPath, href, setQuery } from '../router';
import { refusal } from '../session';
import { EXECUTION_LOOK, type Tone } from '../status';
import { Moment } from '../time';
import { useLive } from '../live/client';
import type { Job, JobOutcome, OutcomesPage } from './types';

const POLL_MS = 700;
const STATE_LOOK: Record<Job['state'], { icon: string; word: string; tone: Tone }> = {
	RUNNING: { icon: '●', word: 'running', tone: 'run' },
	PAUSED: { icon: '❚❚', word: 'paused', tone: 'warn' },
	STOPPED: { icon: '!', word: 'stopped', tone: 'bad' },
	CANCELLED: { icon: '■', word: 'cancelled', tone: 'idle' },
	COMPLETED: { icon: '✓', word: 'completed', tone: 'ok' },
};
const OUTCOME_WORDS: Record<JobOutcome, { icon: string; word: string; tone: Tone }> = {
	PENDING: { icon: '○', word: 'Accepted, waiting', tone: 'idle' },
	RUNNING: { icon: EXECUTION_LOOK.RUNNING.icon, word: 'Running', tone: 'run' },
	SUCCEEDED: { icon: EXECUTION_LOOK.SUCCEEDED.icon, word: 'Succeeded', tone: 'ok' },
	FAILED_AGAIN: { icon: EXECUTION_LOOK.FAILED.icon, word: 'Failed again', tone: 'bad' },
	SKIPPED: { icon: '↷', word: 'Skipped', tone: 'warn' },
};

function Pill({ look }: { look: { icon: string; word: string; tone: Tone } }) {
	return (
		<span class={`pill tone-${look.tone}`}>
			<span class="pill-icon" aria-hidden="true">
				{look.icon}
			</span>
			{look.word}
		</span>
	);
}

const COUNTS: { key: keyof Job & ('total' | 'pending' | 'running' | 'succeeded' | 'failedAgain' | 'skipped'); label: string }[] = [
	{ key: 'total', label: 'accepted' },
	{ key: 'pending', label: 'waiting' },
	{ key: 'running', label: 'running' },
	{ key: 'succeeded', label: 'succeeded' },
	{ key: 'failedAgain', label: 'failed again' },
	{ key: 'skipped', label: 'skipped' },
];

function JobCounts({ job }: { job: Job }) {
	const share = (count: number) => count / Math.max(1, job.total);
	return (
		<>
			<Progress
				label={job.stage && job.state === 'RUNNING' ? `Job ${job.id}, ${job.stage}` : `Job ${job.id}`}
				parts={[
					{ tone: 'ok', share: share(job.succeeded) },
					{ tone: 'bad', share: share(job.failedAgain) },
					{ tone: 'warn', share: share(job.skipped) },
					{ tone: 'run', share: share(job.running) },
				]}
				text={`${job.total - job.pending - job.running} of ${job.total} ended`}
			/>
			<dl class="counts">
				{COUNTS.map(({ key, label }) => (
					<div key={key}>
						<dt>{label}</dt>
						<dd class="number" data-count={key}>
							{job[key]}
						</dd>
					</div>
				))}
			</dl>
		</>
	);
}

function Outcomes({ job }: { job: Job }) {
	const outcomes = useResource<OutcomesPage>(apiPath(`/redrive-jobs/${job.id}/outcomes`, { limit: 100 }));
	const progress = `${job.pending} ${job.running} ${job.succeeded} ${job.failedAgain} ${job.skipped}`;
	useEffect(() => outcomes.reloadSoon(), [progress]);
	return (
		<Loaded of={outcomes} lines={4}>
			{(page) => (
				<div class="table-scroll outcomes" role="region" aria-label="Outcomes" tabIndex={0}>
					<table class="small">
						<thead>
							<tr>
								<th scope="col">Execution</th>
								<th scope="col">Outcome</th>
								<th scope="col">Why</th>
								<th scope="col">When</th>
							</tr>
						</thead>
						<tbody>
							{page.outcomes.map((one) => (
								<tr key={one.executionArn} data-arn={one.executionArn} data-outcome={one.outcome}>
									<td>
										<a href={href(executionPath(one.executionArn))}>{one.executionArn.split(':').slice(-2).join(':')}</a>
									</td>
									<td>
										<Pill look={OUTCOME_WORDS[one.outcome]} />
									</td>
									<td>{one.detail}</td>
									<td>{one.at ? <Moment ms={one.at} /> : ''}</td>
								</tr>
							))}
						</tbody>
					</table>
					{page.next && <p class="muted pad-text">The first 100 of {job.total}.</p>}
				</div>
			)}
		</Loaded>
	);
}

export function JobPane({ id, onProgress }: { id: string; onProgress: () => void }) {
	const job = useResource<Job>(apiPath(`/redrive-jobs/${encodeURIComponent(id)}`));
	const error = useSignal<ApiError | null>(null);
	const state = job.data.value?.state;
	useEffect(() => {
		if (state !== 'RUNNING') {
			onProgress();
			return;
		}
		const timer = setInterval(job.reload, POLL_MS);
		return () => clearInterval(timer);
	}, [state, id]);
	useLive(['dead-letters'], job.reloadSoon, job.reload);
	const tell = async (what: 'pause' | 'resume' | 'cancel') => {
		error.value = null;
		try {
			await send('POST', apiPath(`/redrive-jobs/${encodeURIComponent(id)}/${what}`));
		} catch (problem) {
			error.value = problemOf(problem);
		}
		job.reload();
	};
	const denied = refusal('operate');
	const button = (what: 'pause' | 'resume' | 'cancel', label: string) => (
		<button type="button" disabled={!!denied} title={denied} onClick={() => void tell(what)}>
			{label}
		</button>
	);
	return (
		<section class="pane job" aria-label={`Redrive job ${id}`}>
			<Loaded of={job} lines={3}>
				{(data) => (
					<>
						<div class="pane-bar">
							<h2>Redrive job {data.id}</h2>
							<Pill look={STATE_LOOK[data.state]} />
							<span class="muted">
								<Moment ms={data.createdAt} />
								{data.definition === 'newest' && ' · on the newest definition'}
								{data.edited && ' · with another input'}
								{data.reason && ` · ${data.reason}`}
							</span>
							<span class="grow" />
							{data.state === 'RUNNING' && button('pause', 'Pause')}
							{(data.state === 'PAUSED' || data.state === 'STOPPED') && button('resume', 'Resume')}
							{(data.state === 'RUNNING' || data.state === 'PAUSED') && button('cancel', 'Cancel the rest')}
							<button type="button" class="quiet" aria-label="Close the job" onClick={() => setQuery({ job: null }, { push: true })}>
								✕
							</button>
						</div>
						{error.value && <ErrorNote error={error.value} />}
						<div class="pad-text">
							<JobCounts job={data} />
						</div>
						<Outcomes job={data} />
					</>
				)}
			</Loaded>
		</section>
	);
}

export function JobsList({ jobs, chosen }: { jobs: Job[]; chosen: string }) {
	const others = jobs.filter(({ id }) => id !== chosen).slice(0, 10);
	if (!others.length) return null;
	return (
		<section class="pane" aria-label="Redrive jobs">
			<div class="pane-bar">
				<h2>Redrive jobs</h2>
			</div>
			<ul class="jobs">
				{others.map((job) => (
					<li key={job.id} class="row">
						<a href={href('/dlq', { job: job.id })}>Job {job.id}</a>
						<Pill look={STATE_LOOK[job.state]} />
						<span class="muted number">
							{job.succeeded} succeeded, {job.failedAgain} failed again, {job.skipped} skipped of {job.total} · <Moment ms={job.createdAt} />
						</span>
					</li>
				))}
			</ul>
		</section>
	);
}
