import { readFile } from 'node:fs/promises';
const greeting = await Promise.resolve('hello from a module');
export const handler = async (event) => ({ greeting, event, own: (await readFile(new URL(import.meta.url), 'utf8')).includes('greeting') });
