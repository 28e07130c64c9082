// One machine: its definition as graph and text, its versions and what changed between them, how long its states take,
// and its newest executions.
import { useSignal } from '@preact/signals';
import { useMemo } from 'preact/hooks';
import { signal } from '@preact/signals';
import { machineApi, apiPath } from '../api';
import { openStart } from '../actions';
import { CopyButton, CopyCli } from '../cli';
import { diffLines, type DiffLine } from '../diff';
import { collapsedQuery, toggleAround } from '../graph/collapse';
import { GraphModel } from '../graph/model';
import { GraphView, type GraphHandle } from '../graph/view';
import { indentJson } from '../indent';
import { JsonTree } from '../json';
import { useKeys } from '../keys';
import { useLive } from '../live/client';
import { Loaded, useResource } from '../resource';
import { executionPath, href, queryValue, setQuery } from '../router';
import { refusal } from '../session';
import { Heading } from '../shell';
import { StatusPill } from '../status';
import { Duration, formatDuration, Moment } from '../time';
import type { Durations, ExecutionsPage, Graph, Machine, StateAt } from '../types';

const TABS = { graph: 'Graph', definition: 'Definition', versions: 'Versions', durations: 'Durations', runs: 'Executions', settings: 'Settings' } as const;
type Tab = keyof typeof TABS;
const DIFF_CLASS: Record<DiffLine['kind'], string> = { same: '', added: 'diff-added', removed: 'diff-removed', skipped: 'diff-skipped' };
const DIFF_SIGN: Record<DiffLine['kind'], string> = { same: '  ', added: '+ ', removed: '− ', skipped: '' };
const NO_EXECUTION = signal<StateAt | null>(null);

function GraphTab({ name }: { name: string }) {
	const graph = useResource<Graph>(machineApi(name, '/graph', { collapse: collapsedQuery() }), name);
	const selected = queryValue('state');
	const model = useMemo(() => graph.data.value && new GraphModel(graph.data.value), [graph.data.value]);
	const handle = useMemo<{ current: GraphHandle | null }>(() => ({ current: null }), []);
	useKeys('Graph', [
		{ key: 'f', does: 'fit the graph', run: () => handle.current?.viewport.fit() },
		{ key: 'c', does: 'fold or unfold what is around the state', run: () => toggleAround(model, selected) },
	]);
	return (
		<section class="pane machine-graph" aria-label="Graph">
			<Loaded of={graph} lines={10}>
				{(data) => (
					<>
						<div class="pane-bar">
							<button type="button" onClick={() => handle.current?.viewport.fit()}>
								Fit <kbd>f</kbd>
							</button>
							<span class="grow" />
							<span class="muted">{data.states} states</span>
						</div>
						{model && (
							<GraphView
								model={model}
								at={NO_EXECUTION}
								selected={selected}
								focus={selected}
								onSelect={(state) => setQuery({ state })}
								handle={handle}
								label={`Graph of ${name}, ${data.states} states. Arrow keys follow the edges.`}
							/>
						)}
					</>
				)}
			</Loaded>
		</section>
	);
}


function DefinitionTab({ machine }: { machine: Machine }) {
	return (
		<section class="pane" aria-label="Definition">
			<div class="pane-bar">
				<span class="muted">
					revision {machine.revision_id ?? 'first'} · <Moment ms={machine.updated_ms} />
				</span>
				<span class="grow" />
				<CopyButton text={machine.definition} label="Copy" title="Copy the definition" />
			</div>
			<pre class="source" tabIndex={0}>
				{/\n/.test(machine.definition) ? machine.definition : indentJson(machine.definition)}
			</pre>
		</section>
	);
}

// A choice of two definitions: versions by number, '' for the current one.
function Versions({ machine }: { machine: Machine }) {
	const versions = machine.versions ?? [];
	const from = queryValue('from') || String(versions[0]?.version ?? '');
	const to = queryValue('to');
	const before = useResource<Machine>(from ? machineApi(machine.name, '', { version: from }) : null);
	const after = useResource<Machine>(to ? machineApi(machine.name, '', { version: to }) : null);
	const lines = useMemo(() => {
		const right = to ? after.data.value?.definition : machine.definition;
		return before.data.value && right !== undefined ? diffLines(indentJson(before.data.value.definition), indentJson(right)) : null;
	}, [before.data.value, after.data.value, machine.definition, to]);
	if (!versions.length)
		return (
			<div class="pane empty">
				<p>No version was published yet. A version is a definition that does not change any more:</p>
				<p>
					<code>aws stepfunctions publish-state-machine-version --state-machine-arn {machine.arn}</code>
				</p>
			</div>
		);
	const choice = (label: string, name: 'from' | 'to', value: string, current: boolean) => (
		<label class="inline">
			{label}{' '}
			<select value={value} onChange={(event) => setQuery({ [name]: event.currentTarget.value }, { push: true })}>
				{current && (
					<option value="" selected={value === ''}>
						current definition
					</option>
				)}
				{versions.map(({ version }) => (
					<option value={String(version)} key={version} selected={value === String(version)}>
						version {version}
					</option>
				))}
			</select>
		</label>
	);
	const changed = lines?.some(({ kind }) => kind === 'added' || kind === 'removed');
	return (
		<>
			<section class="pane table-scroll" role="region" aria-label="Versions" tabIndex={0}>
				<table>
					<thead>
						<tr>
							<th scope="col">Version</th>
							<th scope="col">Published</th>
							<th scope="col">Description</th>
							<th scope="col">Aliases</th>
						</tr>
					</thead>
					<tbody>
						{versions.map((version) => (
							<tr key={version.version}>
								<td class="number">{version.version}</td>
								<td>
									<Moment ms={version.created_ms} />
								</td>
								<td>{version.description}</td>
								<td>
									{(machine.aliases ?? [])
										.flatMap((alias) => alias.routes.filter((one) => one.version_arn === version.arn).map((one) => `${alias.name} (${one.weight} %)`))
										.join(', ')}
								</td>
							</tr>
						))}
					</tbody>
				</table>
			</section>
			<section class="pane" aria-label="What changed">
				<div class="pane-bar">
					<h2>What changed</h2>
					{choice('from', 'from', from, false)}
					{choice('to', 'to', to, true)}
				</div>
				<Loaded of={before} lines={6}>
					{() =>
						lines === null ? null : changed ? (
							<pre class="diff" tabIndex={0}>
								{lines.map((line, index) => (
									<span class={`diff-line ${DIFF_CLASS[line.kind]}`} key={index}>
										{DIFF_SIGN[line.kind]}
										{line.text}
									</span>
								))}
							</pre>
						) : (
							<p class="empty">The two are the same.</p>
						)
					}
				</Loaded>
			</section>
		</>
	);
}

const WINDOWS = ['1h', '24h', '7d', '90d'];

function DurationsTab({ name }: { name: string }) {
	const range = queryValue('window') || '24h';
	const durations = useResource<Durations>(machineApi(name, '/durations', { window: range }));
	const figure = (ms: number | undefined) => (ms === undefined ? '–' : formatDuration(ms));
	return (
		<section class="pane" aria-label="Durations">
			<div class="pane-bar">
				<div class="chips" role="group" aria-label="Of the last">
					{WINDOWS.map((one) => (
						<button type="button" key={one} aria-pressed={one === range} onClick={() => setQuery({ window: one })}>
							{one}
						</button>
					))}
				</div>
			</div>
			<Loaded of={durations} lines={8}>
				{({ executions, states }) =>
					!executions.count && !states.length ? (
						<p class="empty">No execution ended in this time.</p>
					) : (
						<div class="table-scroll" role="region" aria-label="Durations by state" tabIndex={0}>
							<table>
								<thead>
									<tr>
										{['State', 'Visits', 'Failed', 'Retries', 'p50', 'p95', 'p99'].map((head, index) => (
											<th scope="col" class={index ? 'right' : ''} key={head}>
												{head}
											</th>
										))}
									</tr>
								</thead>
								<tbody>
									<tr>
										<td>
											<b>whole executions</b>
										</td>
										<td class="right number">{executions.count}</td>
										<td class="right number">{executions.failed}</td>
										<td />
										<td class="right number">{figure(executions.p50_ms)}</td>
										<td class="right number">{figure(executions.p95_ms)}</td>
										<td class="right number">{figure(executions.p99_ms)}</td>
									</tr>
									{states.map((one) => (
										<tr key={one.state}>
											<td>{one.state}</td>
											<td class="right number">{one.count}</td>
											<td class="right number">{one.failed || ''}</td>
											<td class="right number">{one.retries || ''}</td>
											<td class="right number">{figure(one.p50_ms)}</td>
											<td class="right number">{figure(one.p95_ms)}</td>
											<td class="right number">{figure(one.p99_ms)}</td>
										</tr>
									))}
								</tbody>
							</table>
						</div>
					)
				}
			</Loaded>
		</section>
	);
}

function RunsTab({ name }: { name: string }) {
	const q = `machine:"${name}"`;
	const runs = useResource<ExecutionsPage>(apiPath('/executions', { q, limit: 30 }));
	useLive(['executions'], ({ data }) => data.machine === name && runs.reloadSoon(), runs.reload);
	return (
		<section class="pane" aria-label="Executions">
			<Loaded of={runs} lines={8}>
				{({ executions, next }) =>
					!executions.length ? (
						<p class="empty">It was not started yet.</p>
					) : (
						<div class="table-scroll" role="region" aria-label="Newest executions" tabIndex={0}>
							<table>
								<tbody>
									{executions.map((row) => (
										<tr key={row.arn}>
											<td class="nowrap">
												<a href={href(executionPath(row.arn))}>{row.name}</a>
											</td>
											<td>
												<StatusPill status={row.status} />
											</td>
											<td>
												<Moment ms={row.start_ms} />
											</td>
											<td class="wide-only">
												<Duration from={row.start_ms} {...(row.stop_ms ? { to: row.stop_ms } : {})} />
											</td>
											<td class="muted wide-only">{[row.state, row.error].filter(Boolean).join(' · ')}</td>
										</tr>
									))}
								</tbody>
							</table>
							{next && (
								<p class="pad-text">
									<a href={href('/executions', { q })}>All of them</a>
								</p>
							)}
						</div>
					)
				}
			</Loaded>
		</section>
	);
}

function SettingsTab({ machine }: { machine: Machine }) {
	return (
		<section class="pane pad" aria-label="Settings">
			<h3>ARN</h3>
			<code>{machine.arn}</code>
			{machine.description && (
				<>
					<h3>Description</h3>
					<p>{machine.description}</p>
				</>
			)}
			<h3>Tags</h3>
			{machine.tags && Object.keys(machine.tags).length ? <JsonTree value={machine.tags} label="tags" /> : <p class="muted">None.</p>}
			<h3>In the configuration</h3>
			{machine.policy === undefined || machine.policy === null ? <p class="muted">Nothing; the defaults hold.</p> : <JsonTree value={machine.policy} label="policy" />}
		</section>
	);
}

export function MachineScreen({ subject: name }: { subject: string }) {
	const machine = useResource<Machine>(machineApi(name));
	const started = useSignal(0);
	const wanted = queryValue('tab');
	const tab: Tab = wanted in TABS ? (wanted as Tab) : 'graph';
	const denied = refusal('operate');
	return (
		<div class="screen fill">
			<div class="row">
				<Heading title={name} />
				<span class="muted">{machine.data.value?.type.toLowerCase()}</span>
				<span class="grow" />
				<CopyCli words={['ls', name]} />
				<button type="button" class="primary" disabled={!!denied} title={denied} onClick={() => (started.value++, openStart(name))}>
					Start …
				</button>
			</div>
			<div class="chips" role="group" aria-label="What is shown">
				{(Object.keys(TABS) as Tab[]).map((one) => (
					<button type="button" key={one} aria-pressed={one === tab} onClick={() => setQuery({ tab: one === 'graph' ? null : one }, { push: true })}>
						{TABS[one]}
					</button>
				))}
			</div>
			<Loaded of={machine} lines={12}>
				{(data) => (
					<>
						{tab === 'graph' && <GraphTab name={name} />}
						{tab === 'definition' && <DefinitionTab machine={data} />}
						{tab === 'versions' && <Versions machine={data} />}
						{tab === 'durations' && <DurationsTab name={name} />}
						{tab === 'runs' && <RunsTab name={name} />}
						{tab === 'settings' && <SettingsTab machine={data} />}
					</>
				)}
			</Loaded>
		</div>
	);
}
