// Without a mouse. Point 7.
import { rmSync } from 'node:fs';
import { assert, equal, executionUrl, until } from './harness.mjs';
import { ground as makeGround, orderInput } from './ground.mjs';
import { order } from './machines.mjs';

export async function prepare(options) {
  const ground = await makeGround(options);
  const { server } = ground;
  ground.orders = await server.deploy('orders', order());
  ground.failed = await server.run(ground.orders, 'keys-1', orderInput(ground, { customer: 'Ida' }));
  equal(await server.ends(ground.failed), 'FAILED', 'the order');
  await until('the list to have it', async () => (await server.get('/v1/executions?q=status:failed')).executions.length === 1);
  return ground;
}

const focused = (page) => page.evaluate(() => document.activeElement?.closest('[data-node]')?.getAttribute('data-state') ?? document.activeElement?.textContent?.trim() ?? '');

async function tabTo(page, what, most = 60) {
  for (let press = 0; press < most; press++) {
    if ((await focused(page)).startsWith(what)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`Tab does not reach ${what}`);
}

export const tests = {
  async 'the failure is found, its input read and the execution run again without a mouse'(ground) {
    const { server } = ground;
    rmSync(ground.block, { force: true });
    const page = await ground.open('/');
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    await page.keyboard.press('Control+k');
    await page.keyboard.type('failed exec');
    await page.getByRole('option', { name: /Failed executions/ }).waitFor();
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'keys-1' }).waitFor();
    await page.keyboard.press('j');
    await until('the row to have the focus', async () => (await focused(page)) === 'keys-1');
    await page.keyboard.press('Enter');
    await page.locator('[data-node][data-outcome=failed]').waitFor();
    await page.keyboard.press('!');
    await tabTo(page, 'Error');
    await page.keyboard.press('ArrowRight');
    await until('the input tab', async () => (await focused(page)) === 'Input');
    await page.getByRole('tabpanel').getByText('"Ida"').waitFor();
    await page.keyboard.press('r');
    await page.getByRole('dialog').waitFor();
    await tabTo(page, 'Redrive 1 execution');
    await page.keyboard.press('Enter');
    await page.locator('.execution-head').getByText('Succeeded').waitFor();
    equal(await server.ends(ground.failed), 'SUCCEEDED', 'the execution');
  },

  async 'arrows follow the edges, the viewport comes along and the focus with it'(ground) {
    const page = await ground.open(executionUrl(ground.server, ground.failed, '?state=Validate'));
    const first = page.locator('[data-node][data-state=Validate]');
    await first.waitFor();
    await first.locator('.g-box').focus();
    const way = ['Complete?', 'Review', 'Approved?', 'Reserve', 'Prepare'];
    for (const wanted of way) {
      await page.keyboard.press('ArrowDown');
      const at = await until('the focus to move', async () => {
        const state = await page.evaluate(() => document.activeElement?.closest('[data-node]')?.getAttribute('data-state'));
        return state && state !== 'Validate' && new URL(page.url()).searchParams.get('state') === state ? state : null;
      });
      if (wanted === way[0]) equal(at, wanted, 'the first step');
      const [box, frame] = await page.evaluate(() => [document.activeElement.getBoundingClientRect().toJSON(), document.querySelector('.graph-svg').getBoundingClientRect().toJSON()]);
      assert(box.top >= frame.top - 1 && box.left >= frame.left - 1 && box.top + 20 <= frame.bottom, `${at} has the focus outside of the window`);
    }
  },

  async 'the question mark shows the keys of the screen and inputs keep theirs'(ground) {
    const page = await ground.open('/executions');
    await page.getByRole('heading', { name: 'Executions' }).waitFor();
    await page.keyboard.press('?');
    await page.getByRole('dialog').getByText('next row').waitFor();
    await page.keyboard.press('Escape');
    await until('the dialog to close', async () => (await page.getByRole('dialog').count()) === 0);
    await page.keyboard.press('/');
    await until('the filter to have the focus', async () => page.evaluate(() => document.activeElement?.hasAttribute('data-filter')));
    await page.keyboard.type('j?k');
    equal(await page.getByRole('combobox', { name: 'Filter executions' }).inputValue(), 'j?k', 'what was typed');
    equal(await page.getByRole('dialog').count(), 0, 'dialogs');
  },

  async 'a dialog keeps the focus and gives it back'(ground) {
    const page = await ground.open('/machines/orders');
    const start = page.getByRole('button', { name: 'Start …' });
    await start.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    for (let press = 0; press < 12; press++) {
      await page.keyboard.press('Tab');
      assert(await page.evaluate(() => document.activeElement === document.body || !!document.activeElement?.closest('dialog')), 'the focus left the dialog');
    }
    await page.keyboard.press('Escape');
    await until('the focus to be back', async () => start.evaluate((element) => element === document.activeElement));
  },
};
