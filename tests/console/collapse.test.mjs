// Containers that are folded by hand, in the graph and in the outline: one choice, kept in the URL.
import { assert, equal, executionUrl, until } from './harness.mjs';
import { ground as makeGround, items, orderInput } from './ground.mjs';
import { items as itemsMachine, order } from './machines.mjs';

const INSIDE = 11; // states inside of Prepare, those of Pack too

export async function prepare(options) {
  const ground = await makeGround(options);
  const { server } = ground;
  ground.failed = await server.run(await server.deploy('orders', order()), 'o-1', orderInput(ground));
  const odd = itemsMachine();
  odd.States['Each, \\ of them'] = { ...odd.States.Each, ItemProcessor: { ...odd.States.Each.ItemProcessor, States: { ...odd.States.Each.ItemProcessor.States, Note: { Type: 'Fail', Error: 'Bad' } } } };
  odd.StartAt = 'Each, \\ of them';
  delete odd.States.Each;
  ground.mapped = await server.run(await server.deploy('odd', odd), 'i-1', { items: items(6, (index) => (index < 2 ? { bad: index } : {})) });
  await server.ends(ground.failed);
  await server.ends(ground.mapped);
  return ground;
}

const query = (page) => new URL(page.url()).searchParams.get('collapse');
const node = (page, state) => page.locator(`[data-node][data-state="${state}"]`);
const row = (page, state) => page.getByRole('treeitem').filter({ has: page.locator('.clip', { hasText: new RegExp(`^${state}$`) }) });

export const tests = {
  async 'a container folds to one box with its counts, in the graph and in the outline, and the URL says so'(ground) {
    const page = await ground.open(executionUrl(ground.server, ground.failed, '?state=Prepare'), { width: 1500, height: 2600 });
    await page.getByRole('button', { name: /^Fit/ }).click();
    await until('all nodes', async () => (await page.locator('[data-node]').count()) === 30);
    await page.locator('.graph').getByRole('button', { name: 'Fold Prepare' }).click();
    await until('the inside to go', async () => (await page.locator('[data-node]').count()) === 30 - INSIDE);
    equal(query(page), 'Prepare', 'the URL');
    assert((await node(page, 'Prepare').textContent()).includes(`${INSIDE} states`), await node(page, 'Prepare').textContent());
    assert(/Parallel state, succeeded, folded, 11 states inside/.test(await node(page, 'Prepare').locator('.g-box').first().getAttribute('aria-label')), 'its label');
    equal(await row(page, 'Prepare').getAttribute('aria-expanded'), 'false', 'the outline');
    equal(await row(page, 'Pick').count(), 0, 'what was inside, in the outline');
    // What is inside is found all the same, and shown at the box that it is in.
    await page.goto(`${page.url()}`.replace('state=Prepare', 'state=Pick'));
    await page.getByRole('heading', { level: 2, name: 'Pick' }).waitFor();
    await page.locator('[data-state=Prepare].g-selected').waitFor();
    await page.goto(page.url().replace('state=Pick', 'state=Prepare'));
    await row(page, 'Prepare').getByRole('button', { name: 'Unfold Prepare' }).click();
    await until('the inside to come back', async () => (await row(page, 'Pick').count()) === 1);
    equal(query(page), null, 'the URL');
    await page.goBack();
    await until('Back to fold it again', async () => (await row(page, 'Pick').count()) === 0);
  },

  async 'what is folded stays where it is in the window'(ground) {
    const page = await ground.open(executionUrl(ground.server, ground.failed, '?state=Pack'));
    const control = page.locator('.graph').getByRole('button', { name: 'Fold Pack' });
    await control.waitFor();
    const middle = async () => {
      const box = await node(page, 'Pack').locator('.g-box').first().boundingBox();
      return [box.x + box.width / 2, box.y];
    };
    const before = await middle();
    await control.click();
    await page.locator('.graph').getByRole('button', { name: 'Unfold Pack' }).waitFor();
    const after = await middle();
    assert(Math.abs(before[0] - after[0]) < 2 && Math.abs(before[1] - after[1]) < 2, `${before} became ${after}`);
  },

  async 'keys fold: c in the graph, arrows in the outline'(ground) {
    const page = await ground.open(executionUrl(ground.server, ground.failed, '?state=Pick'));
    await node(page, 'Pick').waitFor();
    await page.keyboard.press('c');
    await until('Pack to be folded', () => query(page) === 'Pack');
    await page.locator('[data-state=Pack].g-selected').waitFor();
    await page.getByRole('tree', { name: 'States' }).focus();
    await page.keyboard.press('ArrowRight');
    await until('it to be unfolded', () => query(page) === null);
    await row(page, 'Pick').waitFor();
    await page.keyboard.press('c');
    await until('it to be folded again', () => query(page) === 'Pack');
  },

  async 'a fold counts what failed inside and names with commas and backslashes are kept apart'(ground) {
    const page = await ground.open(executionUrl(ground.server, ground.mapped));
    await page.locator('.graph').getByRole('button', { name: /^Fold Each, / }).click();
    const box = page.locator('[data-node]').filter({ hasText: 'Each, ' });
    await until('its counts', async () => /4 states · 2 failed/.test(await box.textContent()));
    equal(query(page), 'Each\\, \\\\ of them', 'the URL');
    await page.reload();
    await until('the same after a reload', async () => /4 states · 2 failed/.test(await box.textContent()));
  },

  async 'the graph of a machine folds too'(ground) {
    const page = await ground.open('/machines/orders?state=Prepare');
    await page.locator('.graph').getByRole('button', { name: 'Fold Prepare' }).click();
    await until('the URL', () => query(page) === 'Prepare');
    await page.locator('.graph').getByRole('button', { name: 'Unfold Prepare' }).waitFor();
    equal(await node(page, 'Pick').count(), 0, 'what was inside');
  },
};
