// The inspector's tabs that show a visit's data.
import { JsonTree, PayloadView } from '../json';
import { formatDuration } from '../time';
import type { Attempt, GraphNode, Inspection, Json } from '../types';
import { Cause, causeSentence } from './cause';

function AttemptRow({ attempt, number }: { attempt: Attempt; number: number }) {
	const took = attempt.ended_ms === undefined ? '' : formatDuration(attempt.ended_ms - (attempt.started_ms ?? attempt.scheduled_ms));
	return (
		<tr>
			<td class="number">{number}</td>
			<td>{attempt.outcome}</td>
			<td class="number">{took}</td>
			<td>
				{attempt.error && <code>{attempt.error}</code>}
				{attempt.cause && <div class="muted clip-2" title={attempt.cause.slice(0, 2000)}>{causeSentence(attempt.cause).slice(0, 300)}</div>}
			</td>
			<td class="number">{attempt.retry_ms === undefined ? '' : formatDuration(attempt.retry_ms - (attempt.ended_ms ?? attempt.retry_ms))}</td>
		</tr>
	);
}

export function ErrorTab({ visit }: { visit: Inspection }) {
	const attempts = visit.attempts ?? [];
	if (visit.error === undefined && !attempts.some((attempt) => attempt.error)) return <p class="muted">No error was recorded here.</p>;
	return (
		<>
			{visit.error !== undefined && (
				<p>
					<code class="error-name">{visit.error}</code>
				</p>
			)}
			{visit.cause && <Cause text={visit.cause} />}
			{attempts.length > 0 && (
				<>
					<h3>Attempts</h3>
					<div class="table-scroll" role="region" aria-label="Attempts" tabIndex={0}>
						<table class="small">
							<thead>
								<tr>
									<th scope="col">#</th>
									<th scope="col">Outcome</th>
									<th scope="col">Took</th>
									<th scope="col">Error</th>
									<th scope="col">Pause</th>
								</tr>
							</thead>
							<tbody>
								{attempts.map((attempt, index) => (
									<AttemptRow key={attempt.event} attempt={attempt} number={index + 1} />
								))}
							</tbody>
						</table>
					</div>
				</>
			)}
		</>
	);
}

export function InputTab({ arn, visit }: { arn: string; visit: Inspection }) {
	const variables = visit.variables && Object.keys(visit.variables).length ? visit.variables : null;
	return (
		<>
			<PayloadView arn={arn} payload={visit.input} label="input" />
			{variables && (
				<>
					<h3>Variables</h3>
					<JsonTree value={variables} label="variables" />
				</>
			)}
		</>
	);
}

export function OutputTab({ arn, visit }: { arn: string; visit: Inspection }) {
	if (!visit.output && !visit.result) return <p class="muted">{visit.outcome === 'running' ? 'It still runs.' : 'It ended without an output.'}</p>;
	return (
		<>
			{visit.output && <PayloadView arn={arn} payload={visit.output} label="output" />}
			{visit.result && (
				<>
					<h3>The task's result</h3>
					<PayloadView arn={arn} payload={visit.result} label="result" />
				</>
			)}
			{visit.assigned && Object.keys(visit.assigned).length > 0 && (
				<>
					<h3>Assigned</h3>
					<JsonTree value={visit.assigned} label="assigned" />
				</>
			)}
		</>
	);
}

function Expression({ value }: { value: Json }) {
	return <code class="expression">{typeof value === 'string' ? value : JSON.stringify(value)}</code>;
}

export function FlowTab({ arn, visit }: { arn: string; visit: Inspection }) {
	const stages = visit.flow ?? [];
	return (
		<ol class="flow">
			<li>
				<h3>Input</h3>
				<PayloadView arn={arn} payload={visit.input} label="input" />
			</li>
			{stages.map((stage, index) => (
				<li key={index}>
					<h3>{stage.stage}</h3>
					{stage.expression !== undefined && <Expression value={stage.expression} />}
					{stage.error !== undefined ? <p class="tone-bad tone-text">✕ {causeSentence(stage.error)}</p> : <PayloadView arn={arn} payload={stage.value} label={stage.stage} />}
				</li>
			))}
			{visit.output && (
				<li>
					<h3>Output</h3>
					<PayloadView arn={arn} payload={visit.output} label="output" />
				</li>
			)}
		</ol>
	);
}

export function DefinitionTab({ visit, node }: { visit: Inspection; node: GraphNode | undefined }) {
	return (
		<>
			{node?.comment && <p>{node.comment}</p>}
			{node?.retry && <p class="muted">Retry: {node.retry.text}</p>}
			{visit.definition === undefined ? <p class="muted">There is none.</p> : <JsonTree value={visit.definition} label="definition" />}
		</>
	);
}
