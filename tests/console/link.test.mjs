// A link is the view: what it names is shown, and Back works. Point 9.
import { assert, equal, executionUrl, until } from './harness.mjs';
import { ground as makeGround, items } from './ground.mjs';
import { items as itemsMachine } from './machines.mjs';

export async function prepare(options) {
  const ground = await makeGround(options);
  const { server } = ground;
  ground.mapped = await server.run(await server.deploy('items', itemsMachine()), 'i-1', { items: items(4, (index) => ({ secret: `only-${index}` })) });
  await server.ends(ground.mapped);
  await until('the list to have it', async () => (await server.get('/v1/executions')).executions.length === 1);
  return ground;
}

const query = (page, name) => new URL(page.url()).searchParams.get(name);

export const tests = {
  async 'a deep link reproduces item, event, theme and tab'(ground) {
    const { server, mapped } = ground;
    const events = (await server.get(`/v1/executions/${encodeURIComponent(mapped)}/events?limit=1000`)).events;
    const ev = events.find((event) => event.path === 'Each[2]' && event.state === 'Keep').id;
    const page = await ground.open(executionUrl(server, mapped, `?state=Look&item=Each%5B2%5D&ev=${ev}&tab=output&view=table&theme=dark&time=utc`));
    await page.getByRole('tabpanel').getByText('only-2').waitFor();
    equal(await page.getByTestId('moment').textContent(), String(ev), 'the event');
    equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark', 'the theme');
    equal(await page.getByRole('tab', { selected: true }).textContent(), 'Output', 'the tab');
    await page.getByRole('button', { name: /Item Each\[2\]/ }).waitFor();
    await page.getByRole('button', { name: 'Items as table', pressed: true }).waitFor();
    assert(/\d\d\d\d-\d\d-\d\d \d\d:\d\d:\d\dZ/.test(await page.locator('.execution-head time').textContent()), 'times in UTC');
    const title = await page.locator('.execution-head time').getAttribute('title');
    assert(/ago|now/.test(title) && /local/.test(title) && /UTC/.test(title), `hover tells: ${title}`);
  },

  async 'Back undoes what was chosen step by step'(ground) {
    const page = await ground.open('/executions');
    await page.getByRole('link', { name: 'i-1' }).click();
    await page.locator('.outline-row', { hasText: 'Look' }).click();
    await until('the state in the URL', () => query(page, 'state') === 'Look');
    await page.locator('.outline-row', { hasText: 'Keep' }).click();
    await until('another', () => query(page, 'state') === 'Keep');
    await page.goBack();
    await until('the one before', () => query(page, 'state') === 'Look');
    await page.getByRole('heading', { level: 2, name: 'Look' }).waitFor();
    await page.goBack();
    await page.goBack();
    await page.getByRole('heading', { name: 'Executions' }).waitFor();
    await page.goForward();
    await page.getByRole('heading', { name: /i-1/ }).waitFor();
  },

  async 'the theme and the way of times go along with links and stay'(ground) {
    const page = await ground.open('/');
    await page.getByRole('combobox', { name: 'Theme' }).selectOption('dark');
    equal(query(page, 'theme'), 'dark', 'the URL');
    await page.getByRole('link', { name: 'Machines' }).click();
    equal(query(page, 'theme'), 'dark', 'the next screen');
    await page.goto(`${ground.server.url}/executions`);
    equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark', 'without the URL');
    await page.goto(`${ground.server.url}/executions?theme=light`);
    equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light', 'the URL has the last word');
  },

  async 'an execution that is not there and a page that is not there say so'(ground) {
    const page = await ground.open('/executions/arn%3Aaws%3Astates%3Aus-east-1%3A000000000000%3Aexecution%3Aitems%3Anobody');
    await page.getByRole('alert').waitFor();
    await page.getByRole('link', { name: 'Executions' }).click();
    await page.getByRole('link', { name: 'i-1' }).waitFor();
    assert(!(await page.getByRole('alert').count()), 'the error stayed');
  },

  async 'Ctrl K jumps to an execution, a machine and a state'(ground) {
    const page = await ground.open('/');
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    const jump = async (text, option) => {
      await page.keyboard.press('Control+k');
      await page.getByRole('dialog').getByRole('combobox').fill(text);
      await page.getByRole('option', { name: option }).first().waitFor();
      await page.getByRole('option', { name: option }).first().click();
    };
    await jump('i-', /execution i-1/);
    await page.getByRole('heading', { name: /i-1/ }).waitFor();
    await page.locator('[data-node]').first().waitFor();
    await jump('Keep', /state Keep/);
    await until('the state', () => query(page, 'state') === 'Keep');
    await jump('item', /machine items/);
    await page.getByRole('heading', { name: 'items' }).waitFor();
  },
};
