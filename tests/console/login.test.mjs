// A server that asks who is there: the form, the roles, the token that every change carries.
import { assert, equal, Server, until } from './harness.mjs';
import { ground as makeGround } from './ground.mjs';

const ROOT = { id: 'ROOTKEY', secret: 'a-secret-of-the-tests-that-is-long-enough' };

export async function prepare(options) {
  const configuration = `root_key: { id: ${ROOT.id}, secret: { env: CONSOLE_TEST_SECRET } }\n`;
  const server = new Server(options.ratchet, { configuration, env: { CONSOLE_TEST_SECRET: ROOT.secret, RATCHET_AUTH: 'sigv4' } });
  return makeGround(options, server);
}

async function logIn(page, key) {
  await page.getByLabel('Access key id').fill(key.id);
  await page.getByLabel('Secret access key').fill(key.secret);
  await page.getByRole('button', { name: 'Log in' }).click();
}

// A call as the page would make it: with its cookie and its token.
const call = (page, path, body, headers = {}) =>
  page.evaluate(async ([to, content, more]) => {
    const { csrf } = await (await fetch('/v1/session')).json();
    const response = await fetch(to, { method: 'POST', body: JSON.stringify(content), headers: { 'Content-Type': 'application/json', 'X-Ratchet-Csrf': csrf, ...more } });
    return response.json();
  }, [path, body, headers]);

export const tests = {
  async 'a page asks for the key, refuses a wrong one and comes back to where one was'(ground) {
    const page = await ground.open('/executions?q=status%3Afailed');
    await page.getByRole('heading', { name: 'Log in' }).waitFor();
    await logIn(page, { ...ROOT, secret: 'wrong' });
    await page.getByRole('alert').waitFor();
    equal(await page.getByLabel('Access key id').inputValue(), ROOT.id, 'what was typed');
    await logIn(page, ROOT);
    await page.getByRole('heading', { name: 'Executions' }).waitFor();
    equal(new URL(page.url()).searchParams.get('q'), 'status:failed', 'where one was');
    assert(!(await page.evaluate(() => document.cookie)), 'the page can read the cookie');
    await until('live', async () => (await page.locator('.live').textContent()).includes('live'));
  },

  async 'who may only read sees why nothing can be changed'(ground) {
    const page = await ground.open('/');
    await page.getByRole('heading', { level: 1 }).waitFor();
    if (await page.getByRole('heading', { name: 'Log in' }).count()) await logIn(page, ROOT);
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    await call(page, '/', { name: 'quick', definition: '{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}', roleArn: 'arn:aws:iam::000000000000:role/r' }, { 'Content-Type': 'application/x-amz-json-1.0', 'X-Amz-Target': 'AWSStepFunctions.CreateStateMachine' });
    const key = await call(page, '/v1/keys', { name: 'reader', role: 'read' });
    await page.goto(`${ground.server.url}/machines`);
    const start = page.getByRole('button', { name: 'Start quick' });
    await start.click();
    await page.getByRole('button', { name: 'Start 1 execution' }).click();
    await page.getByRole('heading', { name: /quick/ }).waitFor();
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByRole('heading', { name: 'Log in' }).waitFor();
    await logIn(page, { id: key.id, secret: key.secret });
    await page.getByRole('link', { name: 'Machines' }).click();
    await start.waitFor();
    assert(await start.isDisabled(), 'a reader may start');
    assert(/Needs the role "operate"; yours is "read"/.test(await start.getAttribute('title')), await start.getAttribute('title'));
  },
};
