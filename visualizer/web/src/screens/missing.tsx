import { href } from '../router';
import { Heading } from '../shell';

export function MissingScreen() {
	return (
		<div class="screen">
			<Heading title="Nothing here" />
			<p>
				The console has no such page. <a href={href('/')}>Overview</a>
			</p>
		</div>
	);
}
