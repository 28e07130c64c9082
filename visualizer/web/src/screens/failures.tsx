// The executions that failed last: where one begins to look for what went wrong.
import { apiPath } from '../api';
import { useLive } from '../live/client';
import { Loaded, useResource } from '../resource';
import { executionPath, href } from '../router';
import { StatusPill } from '../status';
import { Moment } from '../time';
import type { ExecutionsPage } from '../types';

const SHOWN = 5;
export const FAILED_QUERY = 'status:failed,timed_out';

export function NewestFailures() {
	const failures = useResource<ExecutionsPage>(apiPath('/executions', { q: FAILED_QUERY, limit: SHOWN }));
	useLive(['overview'], failures.reloadSoon, failures.reload);
	if (failures.data.value?.executions.length === 0 && !failures.error.value) return null;
	return (
		<section class="pane" aria-label="Newest failures">
			<div class="pane-bar">
				<h2>Newest failures</h2>
				<span class="grow" />
				<a href={href('/executions', { q: FAILED_QUERY })}>All</a>
			</div>
			<Loaded of={failures} lines={SHOWN}>
				{({ executions }) => (
					<ul class="failures">
						{executions.map((row) => (
							<li key={row.arn}>
								<a class="clip" href={href(executionPath(row.arn))}>
									{row.name}
								</a>
								<StatusPill status={row.status} />
								<span class="clip muted failures-machine">{row.machine}</span>
								<span class="clip failures-error">
									<code>{row.error}</code>
									{row.state && <span class="muted"> in {row.state}</span>}
								</span>
								<span class="muted right">
									<Moment ms={row.stop_ms ?? row.start_ms} />
								</span>
							</li>
						))}
					</ul>
				)}
			</Loaded>
		</section>
	);
}
