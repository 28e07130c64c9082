// All state machines.
import { apiPath } from '../api';
import { openStart } from '../actions';
import { useLive } from '../live/client';
import { Loaded, useResource } from '../resource';
import { href, machinePath } from '../router';
import { refusal } from '../session';
import { Heading } from '../shell';
import { Moment } from '../time';
import type { MachinesPage } from '../types';
import { useSignal } from '@preact/signals';
import { useKeys } from '../keys';

export function MachinesScreen() {
	const machines = useResource<MachinesPage>(apiPath('/machines', { limit: 500 }));
	const wanted = useSignal('');
	useLive(['overview'], machines.reloadSoon, machines.reload);
	useKeys('Machines', [{ key: '/', does: 'filter', run: () => document.querySelector<HTMLInputElement>('[data-filter]')?.focus() }]);
	return (
		<div class="screen">
			<div class="row">
				<Heading title="Machines" />
				<input
					class="name-filter"
					type="search"
					aria-label="Filter machines by name"
					placeholder="Name"
					data-filter
					value={wanted.value}
					onInput={(event) => (wanted.value = event.currentTarget.value)}
				/>
			</div>
			<Loaded of={machines} lines={10}>
				{({ machines: all }) => {
					const shown = all.filter(({ name }) => name.toLowerCase().includes(wanted.value.toLowerCase()));
					if (!shown.length)
						return (
							<div class="pane empty">
								{all.length ? (
									<>
										<p>No machine has that in its name.</p>
										<button type="button" onClick={() => (wanted.value = '')}>
											Clear the filter
										</button>
									</>
								) : (
									<p>
										There is no state machine yet: <code>ratchet deploy NAME FILE</code>
									</p>
								)}
							</div>
						);
					return (
						<div class="pane table-scroll" tabIndex={0} role="region" aria-label="Machines">
							<table>
								<thead>
									<tr>
										<th scope="col">Machine</th>
										<th scope="col" class="wide-only">
											Type
										</th>
										<th scope="col" class="wide-only">
											Created
										</th>
										<th scope="col">Updated</th>
										<th scope="col">
											<span class="off-screen">Actions</span>
										</th>
									</tr>
								</thead>
								<tbody>
									{shown.map((machine) => (
										<tr key={machine.arn}>
											<td>
												<a href={href(machinePath(machine.name))}>{machine.name}</a>
												{machine.status !== 'ACTIVE' && <span class="muted"> {machine.status.toLowerCase()}</span>}
											</td>
											<td class="wide-only">{machine.type.toLowerCase()}</td>
											<td class="wide-only">
												<Moment ms={machine.created_ms} />
											</td>
											<td>
												<Moment ms={machine.updated_ms} />
											</td>
											<td class="right">
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
									))}
								</tbody>
							</table>
						</div>
					);
				}}
			</Loaded>
		</div>
	);
}
