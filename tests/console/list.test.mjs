// The list of executions: the query bar, pages, what is new, what is empty.
import { assert, equal, sleep, until } from './harness.mjs';
import { ground as makeGround, NO_BLOCK, orderInput } from './ground.mjs';
import { failing, order } from './machines.mjs';

export async function prepare(options) {
  const ground = await makeGround(options);
  const { server } = ground;
  ground.quick = await server.deploy('quick', { StartAt: 'A', States: { A: { Type: 'Pass', End: true } } });
  ground.orders = await server.deploy('orders', order());
  ground.shipping = await server.deploy('shipping', failing);
  for (let i = 0; i < 230; i++) await server.run(ground.quick, `q-${String(i).padStart(3, '0')}`, { customer: { id: i } });
  for (let i = 0; i < 3; i++) await server.ends(await server.run(ground.shipping, `s-${i}`, { block: ground.block }));
  await until('the list to be complete', async () => (await server.get('/v1/executions?q=status:failed')).executions.length === 3);
  return ground;
}

const names = (page) => page.locator('.executions-grid a').allTextContents();

export const tests = {
  async 'a query filters by status, state, error and a member of the input'({ open }) {
    const page = await open('/executions');
    const bar = page.getByRole('combobox', { name: 'Filter executions' });
    for (const [query, wanted] of [
      ['status:failed', ['s-2', 's-1', 's-0']],
      ['state:Ship error:Carrier.*', ['s-2', 's-1', 's-0']],
      ['input.customer.id=42', ['q-042']],
      ['machine:quick name:q-22*', ['q-229', 'q-228', 'q-227', 'q-226', 'q-225', 'q-224', 'q-223', 'q-222', 'q-221', 'q-220']],
    ]) {
      await bar.fill(query);
      await bar.press('Enter');
      let shown;
      await until(query, async () => JSON.stringify((shown = await names(page)).sort()) === JSON.stringify([...wanted].sort())).catch(() => equal(shown, wanted, query));
      equal(new URL(page.url()).searchParams.get('q'), query, 'the URL');
    }
  },

  async 'completion offers keys and values and takes the chosen one'({ open }) {
    const page = await open('/executions');
    const bar = page.getByRole('combobox', { name: 'Filter executions' });
    await bar.pressSequentially('stat');
    await page.getByRole('option', { name: /^status:/ }).first().waitFor();
    await bar.press('ArrowDown');
    await bar.press('Enter');
    await page.getByRole('option', { name: /^failed/ }).click();
    await until('the failed ones', async () => (await names(page)).length === 3);
  },

  async 'what is no query is told with its place and the rows stay usable'({ open }) {
    const page = await open('/executions?q=duration%3Esoon');
    await page.getByRole('alert').getByText(/soon/).waitFor();
    await page.getByRole('button', { name: 'All', exact: true }).click();
    await until('rows', async () => (await names(page)).length > 5);
  },

  async 'a filter that nothing fits says so and an empty store says something else'({ open }) {
    const page = await open('/executions?q=name%3Anobody');
    await page.getByText('No execution matches.').waitFor();
    await page.getByRole('button', { name: 'Clear the filter' }).click();
    await until('rows', async () => (await names(page)).length > 5);
  },

  async 'two hundred rows are a few dozen elements and the next page comes by scrolling'({ open }) {
    const page = await open('/executions?q=machine%3Aquick');
    const list = page.getByRole('table', { name: 'Executions' });
    await until('rows', async () => (await names(page)).length > 5);
    assert((await names(page)).length < 80, 'all rows are in the page');
    for (let step = 0; step < 12 && (await list.getAttribute('aria-rowcount')) !== '231'; step++) {
      await list.evaluate((element) => (element.scrollTop = element.scrollHeight));
      await sleep(120);
    }
    equal(await list.getAttribute('aria-rowcount'), '231', 'rows with the head');
    await list.evaluate((element) => (element.scrollTop = element.scrollHeight));
    await until('the oldest', async () => (await names(page)).includes('q-000'));
    assert((await page.evaluate(() => document.querySelectorAll('.list *').length)) < 1000, 'elements');
  },

  async 'what starts meanwhile waits behind a button'({ open, server, orders }) {
    const page = await open('/executions');
    await until('rows', async () => (await names(page)).length > 5);
    await until('live', async () => (await page.locator('.live').textContent()).includes('live'));
    const before = await names(page);
    await server.run(orders, `new-${Date.now()}`, orderInput({ block: NO_BLOCK }));
    const button = page.getByRole('button', { name: /new – show/ });
    await button.waitFor();
    equal((await names(page))[0], before[0], 'rows moved by themselves');
    await button.click();
    await until('the new row', async () => (await names(page))[0].startsWith('new-'));
  },

  async 'behind a filter only what fits it counts as new'({ open, server, orders, quick }) {
    const page = await open('/executions?q=machine%3Aquick');
    await until('rows', async () => (await names(page)).length > 5);
    await until('live', async () => (await page.locator('.live').textContent()).includes('live'));
    await server.run(orders, `other-${Date.now()}`, orderInput({ block: NO_BLOCK }));
    await server.run(quick, `mine-${Date.now()}`);
    await page.getByRole('button', { name: '1 new – show' }).click();
    await until('the new row', async () => (await names(page))[0].startsWith('mine-'));
  },
};
