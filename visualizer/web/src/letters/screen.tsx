// Dead letters: executions that failed and stand where they failed. First the groups (what goes wrong, where, since
// when), then the members of one, then redrive or discard, and the jobs that do it.
import { useEffect, useRef } from 'preact/hooks';
import { useSignal } from '@preact/signals';
import { type ApiError, apiPath, get, problemOf } from '../api';
import { Sparkline } from '../figures';
import { useKeys } from '../keys';
import { useLive, useWhenBack } from '../live/client';
import { VirtualList } from '../list';
import { ErrorNote, Loaded, Skeleton, useResource } from '../resource';
import { executionPath, go, href, queryValue, setQuery } from '../router';
import { refusal } from '../session';
import { Heading } from '../shell';
import { StatusPill } from '../status';
import { Moment } from '../time';
import { JobPane, JobsList } from './jobs';
import { openBulkRedrive, openDiscard } from './redrive';
import { filterOf, type Groups, type Job, type Letter, type LetterGroup, type LettersPage } from './types';

const ROW_HEIGHT = 34;

const keyOf = (group: LetterGroup) => [group.stateMachineName, group.status, group.error ?? '', group.state ?? '', group.revision].join('|');

interface GroupRowProps {
	group: LetterGroup;
	chosen: boolean;
	current: boolean;
	reload: () => void;
}

function GroupRow({ group, chosen, current, reload }: GroupRowProps) {
	const denied = refusal('operate');
	const name = `${group.error ?? group.status} in ${group.state ?? group.stateMachineName}`;
	return (
		<tr class={chosen || current ? 'current' : ''}>
			<td>
				<button type="button" class="link" aria-expanded={chosen} data-group={keyOf(group)} onClick={() => setQuery({ group: chosen ? null : keyOf(group) }, { push: true })}>
					<span aria-hidden="true" class="tone-bad tone-text">
						✕
					</span>{' '}
					{group.error ?? group.status}
				</button>
				<div class="muted">{group.state ? `in ${group.state}` : 'before its first state'}</div>
			</td>
			<td>
				{group.stateMachineName}
				<div class="muted">
					{group.version ? `version ${group.version}` : `definition ${group.revision}`}
					{!group.newest && ', not the newest'}
				</div>
			</td>
			<td class="right number">{group.count}</td>
			<td>
				<Moment ms={group.lastSeen} />
				<div class="muted">
					first <Moment ms={group.firstSeen} />
				</div>
			</td>
			<td class="wide-only">
				<Sparkline hours={group.hourly.map((count): [number, number] => [0, count])} />
			</td>
			<td class="right actions">
				<a class="button" href={href(executionPath(group.sampleExecutionArn))} aria-label={`Open one: ${name}`}>
					Open one
				</a>{' '}
				<button
					type="button"
					class="primary"
					disabled={!!denied}
					title={denied}
					aria-label={`Redrive ${group.count}: ${name}`}
					onClick={() => openBulkRedrive({ filter: filterOf(group) }, group.sampleExecutionArn)}
				>
					Redrive {group.count} …
				</button>{' '}
				<button type="button" disabled={!!denied} title={denied} aria-label={`Discard ${group.count}: ${name}`} onClick={() => openDiscard({ filter: filterOf(group) }, reload)}>
					Discard …
				</button>
			</td>
		</tr>
	);
}

function Members({ group, stamp, reload }: { group: LetterGroup; stamp: number; reload: () => void }) {
	const letters = useSignal<Letter[] | null>(null);
	const error = useSignal<ApiError | null>(null);
	const selected = useSignal<Set<string>>(new Set());
	const next = useRef<string | null>(null);
	const busy = useRef(false);
	const load = async (begin: boolean) => {
		if (busy.current || (!begin && !next.current)) return;
		busy.current = true;
		try {
			const { machine, ...rest } = filterOf(group);
			const page = await get<LettersPage>(apiPath('/dead-letters', { machine, ...rest, limit: 200, cursor: begin ? null : next.current }));
			letters.value = [...(begin ? [] : (letters.peek() ?? [])), ...page.deadLetters];
			next.current = page.next ?? null;
			error.value = null;
		} catch (problem) {
			error.value = problemOf(problem);
		}
		busy.current = false;
	};
	useEffect(() => void load(true), [keyOf(group), stamp]);
	useWhenBack(() => error.peek() && void load(true));
	const rows = letters.value;
	const chosen = selected.value;
	const denied = refusal('operate');
	const toggle = (arn: string) => {
		const changed = new Set(selected.peek());
		if (!changed.delete(arn)) changed.add(arn);
		selected.value = changed;
	};
	return (
		<section class="pane members" aria-label="Executions of the group">
			<div class="pane-bar">
				<h2>
					{group.error ?? group.status} in {group.state ?? group.stateMachineName}
				</h2>
				<span class="grow" />
				{chosen.size > 0 && (
					<>
						<button type="button" class="primary" disabled={!!denied} title={denied} onClick={() => openBulkRedrive({ executions: [...chosen] }, [...chosen][0])}>
							Redrive {chosen.size} chosen …
						</button>
						<button type="button" disabled={!!denied} title={denied} onClick={() => openDiscard({ executions: [...chosen] }, reload)}>
							Discard {chosen.size} chosen …
						</button>
					</>
				)}
			</div>
			{error.value && <ErrorNote error={error.value} retry={() => void load(true)} />}
			{!rows ? (
				<Skeleton lines={5} />
			) : (
				<VirtualList
					label="Dead letters"
					count={rows.length}
					rowHeight={ROW_HEIGHT}
					onNearEnd={() => void load(false)}
					empty={<p class="empty">None of this group stands in the queue any more.</p>}
					head={
						<div role="row" aria-rowindex={1} class="list-head letters-grid">
							{['Choose', 'Execution', 'Status', 'Failed', 'Redriven', 'Job'].map((name, index) => (
								<span role="columnheader" key={name}>
									<span class={index === 0 ? 'off-screen' : ''}>{name}</span>
								</span>
							))}
						</div>
					}
					row={(index) => {
						const letter = rows[index];
						return (
							letter && (
								<div role="row" aria-rowindex={index + 2} class="list-row letters-grid" key={letter.executionArn}>
									<span role="cell">
										<input type="checkbox" aria-label={`Choose ${letter.name}`} checked={chosen.has(letter.executionArn)} onChange={() => toggle(letter.executionArn)} />
									</span>
									<span role="cell" class="clip">
										<a href={href(executionPath(letter.executionArn))}>{letter.name}</a>
									</span>
									<span role="cell">
										<StatusPill status={letter.status} />
									</span>
									<span role="cell" class="muted clip">
										<Moment ms={letter.failedAt} />
									</span>
									<span role="cell" class="number">
										{letter.redriveCount ? `${letter.redriveCount} ×` : ''}
									</span>
									<span role="cell">{letter.job && <a href={href('/dlq', { job: letter.job })}>job {letter.job}</a>}</span>
								</div>
							)
						);
					}}
				/>
			)}
		</section>
	);
}

function fitsQuery(group: LetterGroup, machine: string, error: string, state: string): boolean {
	return (!machine || group.stateMachineName === machine) && (!error || group.error === error) && (!state || group.state === state);
}

export function LettersScreen() {
	const [machine, error, state, chosenKey, job] = ['machine', 'error', 'state', 'group', 'job'].map(queryValue) as [string, string, string, string, string];
	const groups = useResource<Groups>(apiPath('/dead-letters/groups', { hours: 24 }));
	const jobs = useResource<{ jobs: Job[] }>(apiPath('/redrive-jobs'));
	const stamp = useSignal(0);
	const current = useSignal(-1);
	const reload = () => {
		groups.reload();
		jobs.reload();
		stamp.value++;
	};
	useLive(['dead-letters'], groups.reloadSoon, reload);
	const shown = (groups.data.value?.groups ?? []).filter((group) => fitsQuery(group, machine, error, state));
	const chosen = shown.find((group) => keyOf(group) === chosenKey);
	const step = (by: number) => {
		current.value = Math.max(0, Math.min(shown.length - 1, current.value + by));
		const group = shown[current.value];
		if (group) document.querySelector<HTMLElement>(`[data-group="${CSS.escape(keyOf(group))}"]`)?.focus();
	};
	useKeys('Dead letters', [
		{ key: 'j', does: 'next group', run: () => step(1) },
		{ key: 'k', does: 'group before', run: () => step(-1) },
		{
			key: 'r',
			does: 'redrive the group',
			run: () => {
				const group = shown[current.value] ?? chosen;
				if (group && !refusal('operate')) openBulkRedrive({ filter: filterOf(group) }, group.sampleExecutionArn);
			},
		},
		{ key: 'Escape', does: 'close the group, the job, the filter', run: () => (chosenKey || job ? setQuery({ group: null, job: null }, { push: true }) : go(href('/dlq'))) },
	]);
	const filtered = [machine, state, error].filter(Boolean);
	return (
		<div class="screen">
			<div class="row">
				<Heading title="Dead letters" />
				{filtered.length > 0 && (
					<button type="button" aria-pressed="true" title="Show all groups" onClick={() => setQuery({ machine: null, error: null, state: null, group: null }, { push: true })}>
						{filtered.join(' · ')} ✕
					</button>
				)}
				<span class="grow" />
				{groups.data.value && <span class="muted number">{groups.data.value.total} in the queue</span>}
			</div>
			{job && <JobPane id={job} onProgress={reload} key={job} />}
			<Loaded of={groups} lines={8}>
				{(data) =>
					shown.length === 0 ? (
						<div class="pane empty">
							{filtered.length ? (
								<>
									<p>No dead letter fits this filter.</p>
									<button type="button" onClick={() => go(href('/dlq'))}>
										Show all groups
									</button>
								</>
							) : (
								<>
									<p>Nothing has failed for good, or all of it was redriven or discarded.</p>
									<p>
										An execution comes here when it ends failed or timed out. <a href={href('/executions', { q: 'status:failed,timed_out' })}>Failed executions</a>
									</p>
								</>
							)}
						</div>
					) : (
						<div class="pane table-scroll" role="region" aria-label="Groups" tabIndex={0}>
							<table class="stacks">
								<thead>
									<tr>
										<th scope="col">Error</th>
										<th scope="col">Machine</th>
										<th scope="col" class="right">
											Count
										</th>
										<th scope="col">Last</th>
										<th scope="col" class="wide-only">
											24 hours
										</th>
										<th scope="col">
											<span class="off-screen">Actions</span>
										</th>
									</tr>
								</thead>
								<tbody>
									{shown.map((group, index) => (
										<GroupRow key={keyOf(group)} group={group} chosen={group === chosen} current={index === current.value} reload={reload} />
									))}
								</tbody>
							</table>
							{data.more && <p class="muted pad-text">The largest 1,000 groups are shown.</p>}
							{data.unindexed > 0 && <p class="muted pad-text">{data.unindexed} executions of an earlier version are still being read.</p>}
						</div>
					)
				}
			</Loaded>
			{chosen && <Members group={chosen} stamp={stamp.value} reload={reload} key={keyOf(chosen)} />}
			{jobs.error.value && <ErrorNote error={jobs.error.value} retry={jobs.reload} />}
			<JobsList jobs={jobs.data.value?.jobs ?? []} chosen={job} />
		</div>
	);
}
