// The form of a server that asks who is there. The secret goes to the server and is forgotten; the session is a cookie
// that the page never sees.
import { useSignal } from '@preact/signals';
import { type ApiError, problemOf } from '../api';
import { ErrorNote } from '../resource';
import { login } from '../session';
import { Heading } from '../shell';

export function LoginScreen() {
	const key = useSignal('');
	const secret = useSignal('');
	const error = useSignal<ApiError | null>(null);
	const busy = useSignal(false);
	const submit = async (event: Event) => {
		event.preventDefault();
		busy.value = true;
		error.value = null;
		try {
			await login(key.value.trim(), secret.value);
		} catch (problem) {
			error.value = problemOf(problem);
		}
		busy.value = false;
	};
	return (
		<div class="screen narrow">
			<Heading title="Log in" />
			<form class="action-form pane pad" onSubmit={submit}>
				<label>
					Access key id
					<input
						name="username"
						autoComplete="username"
						required
						value={key.value}
						onInput={(event) => (key.value = event.currentTarget.value)}
					/>
				</label>
				<label>
					Secret access key
					<input
						name="password"
						type="password"
						autoComplete="current-password"
						required
						value={secret.value}
						onInput={(event) => (secret.value = event.currentTarget.value)}
					/>
				</label>
				{error.value && <ErrorNote error={error.value} />}
				<div class="row end">
					<button type="submit" class="primary" disabled={busy.value}>
						Log in
					</button>
				</div>
			</form>
			<p class="muted">
				The keys are those that the command line and SDKs use; an administrator makes one with <code>ratchet keys create</code>.
			</p>
		</div>
	);
}
