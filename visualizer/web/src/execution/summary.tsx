// In the inspector's place while no state is chosen: what the execution was given, and what came of it.
import type { Signal } from '@preact/signals';
import { PayloadView } from '../json';
import { setQuery } from '../router';
import type { Execution, HistoryEvent, Json, Payload } from '../types';
import { EventsTab } from './events';
import type { ViewState } from './view-state';

const VIEWS = { output: 'Output', input: 'Input', events: 'Events' } as const;
type Shown = keyof typeof VIEWS;

function payload(value: Json | undefined, bytes: number | undefined, event: number, field: string): Payload | undefined {
	if (value !== undefined) return { json: value };
	return bytes === undefined ? undefined : { bytes, event, field };
}

interface SummaryProps {
	arn: string;
	execution: Execution;
	view: ViewState;
	heard: Signal<HistoryEvent | null>;
}

export function Summary({ arn, execution, view, heard }: SummaryProps) {
	const ended = execution.status === 'SUCCEEDED';
	const wanted = view.tab ?? '';
	const shown: Shown = wanted in VIEWS ? (wanted as Shown) : ended ? 'output' : 'input';
	const input = payload(execution.input, execution.input_bytes, 1, 'input');
	const output = payload(execution.output, execution.output_bytes, execution.events, 'output');
	return (
		<section class="pane inspector" aria-label="Inspector">
			<div class="inspector-head">
				<h2>The execution</h2>
				<p class="muted">A state that is chosen in the graph or in the outline shows its own here.</p>
				<div class="chips" role="group" aria-label="What is shown of the execution">
					{(Object.keys(VIEWS) as Shown[]).map((one) => (
						<button type="button" key={one} aria-pressed={one === shown} onClick={() => setQuery({ tab: one })}>
							{VIEWS[one]}
						</button>
					))}
				</div>
			</div>
			<div class="tab-panel" tabIndex={0} role="region" aria-label={VIEWS[shown]}>
				{shown === 'events' && <EventsTab arn={arn} last={execution.events} heard={heard} state="" ev={view.ev} />}
				{shown === 'input' && <PayloadView arn={arn} payload={input} label="input" />}
				{shown === 'output' && output && <PayloadView arn={arn} payload={output} label="output" />}
				{shown === 'output' && !output && <p class="muted">{execution.status === 'RUNNING' ? 'It still runs.' : 'It ended without an output.'}</p>}
			</div>
		</section>
	);
}
