// Views of the list: queries with a name. Some are always there; the others people save, rename and delete.
import { useSignal } from '@preact/signals';
import { announce } from '../announce';
import { apiPath, send } from '../api';
import { CliLine } from '../cli';
import { ActionForm, closeDialog, Dialog, openDialog, useAction } from '../dialog';
import { useResource } from '../resource';
import { setQuery } from '../router';
import { refusal, session } from '../session';
import type { SavedView } from '../types';

const FIXED: { name: string; query: string }[] = [
	{ name: 'All', query: '' },
	{ name: 'Running', query: 'status:running' },
	{ name: 'Failed', query: 'status:failed,timed_out' },
	{ name: 'Failed, last hour', query: 'status:failed,timed_out started<1h' },
	{ name: 'Long running', query: 'status:running duration>1h' },
	{ name: 'Redriven', query: 'redrives>0' },
];
const NAME_MOST = 100;

const viewApi = (name: string, shared: boolean) => apiPath(`/views/${encodeURIComponent(name)}`, { shared: shared ? 1 : null });

interface ViewDialogProps {
	view: SavedView | null; // null: a new one
	query: string;
	changed: () => void;
}

// A new view, or another name, query or reach for one; a view that gets another name or reach is another view.
function ViewDialog({ view, query, changed }: ViewDialogProps) {
	const name = useSignal(view?.name ?? '');
	const text = useSignal(query);
	const shared = useSignal(view?.shared ?? false);
	const { busy, error, act } = useAction();
	const save = () =>
		act(async () => {
			const saved = await send<SavedView>('PUT', viewApi(name.peek(), false), { query: text.peek(), shared: shared.peek() });
			if (view && (view.name !== saved.name || view.shared !== saved.shared)) await send('DELETE', viewApi(view.name, view.shared));
			closeDialog();
			announce(`Saved the view ${saved.name}`);
			changed();
			setQuery({ q: saved.query }, { push: true });
		});
	return (
		<Dialog title={view ? `View ${view.name}` : 'Save a view'}>
			<ActionForm action={view ? 'Save changes' : 'Save view'} busy={busy.value} error={error.value} onSubmit={save}>
				<label>
					Name
					<input required value={name.value} maxLength={NAME_MOST} onInput={(event) => (name.value = event.currentTarget.value)} />
				</label>
				<label>
					Query
					<input class="mono" value={text.value} spellcheck={false} onInput={(event) => (text.value = event.currentTarget.value)} />
				</label>
				{session.value?.auth ? (
					<label class="inline" title={refusal('operate')}>
						<input type="checkbox" checked={shared.value} disabled={!!refusal('operate')} onChange={(event) => (shared.value = event.currentTarget.checked)} /> for everybody
					</label>
				) : (
					<p class="muted">Everybody who uses this server sees it.</p>
				)}
				<CliLine words={['search', text.value]} />
			</ActionForm>
		</Dialog>
	);
}

function DeleteDialog({ view, changed }: { view: SavedView; changed: () => void }) {
	const { busy, error, act } = useAction();
	const remove = () =>
		act(async () => {
			await send('DELETE', viewApi(view.name, view.shared));
			closeDialog();
			announce(`Deleted the view ${view.name}`);
			changed();
		});
	return (
		<Dialog title={`Delete the view ${view.name}`}>
			<ActionForm action="Delete 1 view" danger busy={busy.value} error={error.value} onSubmit={remove}>
				<p>
					Its query is <code>{view.query}</code>. No execution is touched.
				</p>
			</ActionForm>
		</Dialog>
	);
}

// What may be done with the view that is shown.
function Tools({ view, q, reload }: { view: SavedView | undefined; q: string; reload: () => void }) {
	if (!view)
		return (
			<button type="button" class="quiet" onClick={() => openDialog(<ViewDialog view={null} query={q} changed={reload} />)}>
				Save view …
			</button>
		);
	const denied = view.shared ? refusal('operate') : undefined;
	return (
		<>
			<button type="button" class="quiet" disabled={!!denied} title={denied} onClick={() => openDialog(<ViewDialog view={view} query={view.query} changed={reload} />)}>
				Change …
			</button>
			<button type="button" class="quiet" disabled={!!denied} title={denied} onClick={() => openDialog(<DeleteDialog view={view} changed={reload} />)}>
				Delete …
			</button>
		</>
	);
}

export function Views({ q }: { q: string }) {
	const saved = useResource<{ views: SavedView[] }>(apiPath('/views'));
	const views = saved.data.value?.views ?? [];
	const chip = (key: string, name: string, query: string) => (
		<button type="button" key={key} aria-pressed={q === query} title={query || undefined} onClick={() => setQuery({ q: query }, { push: true })}>
			{name}
		</button>
	);
	const isFixed = FIXED.some(({ query }) => query === q);
	return (
		<div class="chips" role="group" aria-label="Views">
			{FIXED.map(({ name, query }) => chip(name, name, query))}
			{views.map(({ name, query, shared }) => chip(`${shared} ${name}`, name, query))}
			{!isFixed && saved.data.value && <Tools view={views.find(({ query }) => query === q)} q={q} reload={saved.reload} />}
		</div>
	);
}
