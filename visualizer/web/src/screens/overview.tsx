// What is going on: four figures, each a link to what it counts, and a row a machine.
import { apiPath } from '../api';
import { announce } from '../announce';
import { CliLine } from '../cli';
import { openStart } from '../actions';
import { Sparkline } from '../figures';
import { useLive } from '../live/client';
import { executionPath, href, machinePath } from '../router';
import { Loaded, useResource } from '../resource';
import { refusal } from '../session';
import { Heading } from '../shell';
import type { Tone } from '../status';
import { formatDuration, Duration } from '../time';
import type { MachineFigures, Overview } from '../types';
import { useEffect, useRef } from 'preact/hooks';
import { NewestFailures } from './failures';

function Figure(props: { label: string; value: string | number; to: string; tone?: Tone; long?: boolean; note?: string }) {
	return (
		<a class={`pane figure ${props.tone ? `tone-${props.tone}` : ''}`} href={props.to}>
			<span class="muted">{props.label}</span>
			<div class={`figure-value clip ${props.long ? 'long' : ''}`}>{props.value}</div>
			<span class="muted">{props.note ?? '\u00a0'}</span>
		</a>
	);
}

function MachineFiguresRow({ machine }: { machine: MachineFigures }) {
	const failing = machine.failed_last_hour > 0;
	return (
		<tr>
			<td>
				<a href={href(machinePath(machine.name))}>{machine.name}</a>{' '}
				{machine.type === 'EXPRESS' && <span class="muted">express</span>}
			</td>
			<td class="right number">
				<a href={href('/executions', { q: `machine:"${machine.name}" status:running` })}>{machine.running}</a>
			</td>
			<td class={`right number ${failing ? 'tone-bad' : ''}`}>
				<a href={href('/executions', { q: `machine:"${machine.name}" status:failed,timed_out started<1h` })}>
					{failing && <span aria-hidden="true">✕ </span>}
					{machine.failed_last_hour}
				</a>
			</td>
			<td class="right number wide-only">
				{machine.failed_24h} of {machine.ended_24h}
			</td>
			<td class="right number wide-only">{machine.p50_ms === undefined ? '–' : formatDuration(machine.p50_ms)}</td>
			<td class="right number wide-only">{machine.p95_ms === undefined ? '–' : formatDuration(machine.p95_ms)}</td>
			<td>{machine.sparkline && <Sparkline hours={machine.sparkline} />}</td>
			<td class="right wide-only">
				<button
					type="button"
					disabled={!!refusal('operate')}
					title={refusal('operate')}
					aria-label={`Start ${machine.name}`}
					onClick={() => openStart(machine.name)}
				>
					Start …
				</button>
			</td>
		</tr>
	);
}

function NoMachines() {
	return (
		<div class="pane empty">
			<p>There is no state machine yet. Deploy a definition from the command line:</p>
			<CliLine words={['deploy', 'hello', 'hello.asl.json']} />
			<p>with hello.asl.json</p>
			<pre>{`{"StartAt": "Hello", "States": {"Hello": {"Type": "Pass", "Result": "Hello", "End": true}}}`}</pre>
		</div>
	);
}

function failingMost(machines: MachineFigures[]): string {
	const worst = machines.reduce<MachineFigures | null>((most, one) => (one.failed_last_hour > (most?.failed_last_hour ?? 0) ? one : most), null);
	return worst ? `${worst.failed_last_hour} of ${worst.name}` : 'none';
}

function Figures({ overview }: { overview: Overview }) {
	const oldest = overview.oldest_running;
	return (
		<div class="figures">
			<Figure label="Running" value={overview.running} to={href('/executions', { q: 'status:running' })} tone="run" note={`${overview.started_last_hour} started in the last hour`} />
			<Figure
				label="Failed in the last hour"
				value={overview.failed_last_hour}
				to={href('/executions', { q: 'status:failed,timed_out started<1h' })}
				tone={overview.failed_last_hour ? 'bad' : 'ok'}
				note={failingMost(overview.machines)}
			/>
			<Figure label="Dead letters" value={overview.dead_letters} to={href('/dlq')} tone={overview.dead_letters ? 'bad' : 'ok'} note={overview.dead_letters ? 'to be redriven or discarded' : 'nothing waits to be redriven'} />
			{oldest ? (
				<a class="pane figure" href={href(executionPath(oldest.arn))}>
					<span class="muted">Oldest that runs</span>
					<div class="figure-value long clip">{oldest.name}</div>
					<span class="muted">
						{oldest.machine}, for <Duration from={oldest.start_ms} />
					</span>
				</a>
			) : (
				<Figure label="Oldest that runs" value="none" to={href('/executions')} long note="nothing runs now" />
			)}
		</div>
	);
}

function SearchNote({ search }: { search: Overview['search'] }) {
	if (!search.enabled) return <p class="muted">Search is switched off in the configuration: there are no figures and no lists.</p>;
	if (search.ready) return null;
	return (
		<p class="muted" role="status">
			Lists are being rebuilt ({search.done}
			{search.total ? ` of ${search.total}` : ''} executions read): figures are not complete yet.
		</p>
	);
}

export function OverviewScreen() {
	const overview = useResource<Overview>(apiPath('/overview'));
	useLive(['overview'], overview.reloadSoon, overview.reload);
	const failed = useRef<number | null>(null);
	const latest = overview.data.value?.failed_last_hour;
	useEffect(() => {
		if (latest === undefined) return;
		if (failed.current !== null && latest > failed.current) announce(`${latest} executions failed in the last hour`);
		failed.current = latest;
	}, [latest]);
	return (
		<div class="screen">
			<Heading title="Overview" />
			<Loaded of={overview} lines={12}>
				{(data) => (
					<>
						<Figures overview={data} />
						<SearchNote search={data.search} />
						{data.search.enabled && <NewestFailures />}
						{data.machines.length === 0 ? (
							<NoMachines />
						) : (
							<div class="pane table-scroll" tabIndex={0} role="region" aria-label="Machines">
								<table>
									<thead>
										<tr>
											<th scope="col">Machine</th>
											<th scope="col" class="right">
												Running
											</th>
											<th scope="col" class="right">
												Failed, 1 h
											</th>
											<th scope="col" class="right wide-only">
												Failed, 24 h
											</th>
											<th scope="col" class="right wide-only">
												p50
											</th>
											<th scope="col" class="right wide-only">
												p95
											</th>
											<th scope="col" class="nowrap">
												Last 24 h
											</th>
											<th scope="col" class="wide-only">
												<span class="off-screen">Actions</span>
											</th>
										</tr>
									</thead>
									<tbody>
										{data.machines.map((machine) => (
											<MachineFiguresRow machine={machine} key={machine.arn} />
										))}
									</tbody>
								</table>
							</div>
						)}
					</>
				)}
			</Loaded>
		</div>
	);
}
