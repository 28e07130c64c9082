// Whether the window is as narrow as a phone's; the style sheets say the same (max-width: 700px).
import { signal } from '@preact/signals';

const query = window.matchMedia('(max-width: 700px)');
export const narrow = signal(query.matches);
query.addEventListener('change', () => (narrow.value = query.matches));
