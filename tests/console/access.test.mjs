// For everybody: axe, zoom, narrow windows, targets, roles of the server. Point 8.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { assert, equal, executionUrl, until } from './harness.mjs';
import { ground as makeGround, orderInput } from './ground.mjs';
import { order } from './machines.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export async function prepare(options) {
  const ground = await makeGround(options);
  const { server } = ground;
  ground.failed = await server.run(await server.deploy('orders', order()), 'a-1', orderInput(ground));
  await server.ends(ground.failed);
  await until('the list to have it', async () => (await server.get('/v1/executions?q=status:failed')).executions.length === 1);
  const execution = `/executions/${encodeURIComponent(ground.failed)}`;
  ground.screens = ['/', '/executions', '/machines', '/machines/orders', '/machines/orders?tab=definition', '/machines/orders?tab=durations', '/dlq', execution, `${execution}?tab=input&state=Ship`, `${execution}?tab=events`, `${execution}?state=Pick&view=table`];
  return ground;
}

async function settled(page) {
  await page.getByRole('heading', { level: 1 }).waitFor();
  await until('loading to end', async () => (await page.locator('.skeleton').count()) === 0);
}

async function violations(page) {
  const found = await page.evaluate(async (source) => {
    // The policy lets no script in but the page's own; the test's is evaluated by the browser's debugger.
    if (!window.axe) (0, eval)(source);
    const { violations: all } = await window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] });
    return all.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map(({ target, any }) => `${target.join(' ')} ${any[0]?.message ?? ''}`).join(' | ')}`);
  }, AXE);
  return found;
}

async function axeScreens(ground, theme) {
  for (const path of ground.screens) {
    const page = await ground.open(`${path}${path.includes('?') ? '&' : '?'}theme=${theme}`);
    await settled(page);
    equal(await violations(page), [], `${path} (${theme})`);
  }
}

export const tests = {
  async 'axe finds nothing on any screen in the light theme'(ground) {
    await axeScreens(ground, 'light');
  },
  async 'axe finds nothing on any screen in the dark theme'(ground) {
    await axeScreens(ground, 'dark');
  },
  async 'axe finds nothing in the dialogs'(ground) {
    for (const theme of ['light', 'dark']) {
      const page = await ground.open(`/dlq?theme=${theme}`);
      await page.getByRole('button', { name: /^Redrive 1/ }).click();
      await page.getByTestId('preview-count').waitFor();
      equal(await violations(page), [], `redrive (${theme})`);
      await page.keyboard.press('Escape');
      await page.keyboard.press('Control+k');
      await page.getByRole('dialog').waitFor();
      equal(await violations(page), [], `jump (${theme})`);
    }
  },

  async 'at four hundred pixels and at twice the zoom nothing is cut off sideways'(ground) {
    for (const [viewport, what] of [[{ width: 400, height: 800 }, '400 px'], [{ width: 750, height: 490 }, '200 % of 1500 × 980']])
      for (const path of ground.screens) {
        const page = await ground.open(path, viewport);
        await settled(page);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert(wide <= 0, `${path} at ${what} is ${wide} px too wide`);
        const cut = await page.evaluate(() =>
          [...document.querySelectorAll('button, a, input, select')].filter((element) => {
            const box = element.getBoundingClientRect();
            if (!box.width || element.closest('.list, .table-scroll, svg, .off-screen, .skip, pre')) return false;
            return box.left >= 0 && box.right > innerWidth + 1;
          }).map((element) => element.outerHTML.slice(0, 120)),
        );
        equal(cut, [], `${path} at ${what}: out of reach`);
      }
  },

  async 'at four hundred pixels a failure is read and its execution redriven'(ground) {
    const page = await ground.open('/', { width: 400, height: 800 });
    await page.getByRole('region', { name: 'Newest failures' }).getByRole('link', { name: 'a-1' }).click();
    await page.locator('.banner').getByText('Carrier.Busy').waitFor();
    const panel = page.getByRole('tabpanel');
    await panel.scrollIntoViewIfNeeded();
    await page.getByRole('tab', { name: 'Input', exact: true }).click();
    await panel.getByText('"items"').waitFor();
    const order = await page.evaluate(() => ['Graph', 'Moment', 'Inspector', 'Timeline', 'Outline'].map((name) => document.querySelector(`[aria-label=${name}]`).getBoundingClientRect().top));
    equal(order, [...order].sort((a, b) => a - b), 'what stands first');
    await page.getByRole('button', { name: 'Redrive …' }).click();
    const button = page.getByRole('button', { name: 'Redrive 1 execution' });
    const box = await button.boundingBox();
    assert(box.x >= 0 && box.x + box.width <= 400 && box.y + box.height <= 800, `out of reach: ${JSON.stringify(box)}`);
  },

  async 'what can be pressed is at least twenty-four pixels'(ground) {
    for (const path of ground.screens) {
      const page = await ground.open(path);
      await settled(page);
      const small = await page.evaluate(() =>
        [...document.querySelectorAll('button, select, input:not([type=checkbox]), [role=tab]')].filter((element) => {
          const box = element.getBoundingClientRect();
          return box.width > 0 && !element.closest('.off-screen') && (box.height < 23.5 || box.width < 23.5) && !element.classList.contains('link');
        }).map((element) => `${element.outerHTML.slice(0, 100)} ${element.getBoundingClientRect().width}×${element.getBoundingClientRect().height}`),
      );
      equal(small, [], path);
    }
  },

  async 'a status is an icon and a word beside its colour'(ground) {
    const page = await ground.open('/executions');
    const pill = page.locator('.executions-grid .pill').first();
    await pill.waitFor();
    equal((await pill.textContent()).trim(), '✕Failed', 'the status');
    await ground.open(executionUrl(ground.server, ground.failed));
    const node = ground.shown.locator('[data-state=Ship]').first();
    await node.waitFor();
    assert((await node.textContent()).includes('✕') && (await node.textContent()).includes('failed'), await node.textContent());
  },

  async 'less motion is kept where it is wanted'(ground) {
    const page = await ground.open('/');
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await settled(page);
    const long = await page.evaluate(() => [...document.querySelectorAll('*')].filter((element) => parseFloat(getComputedStyle(element).transitionDuration) > 0.01).length);
    equal(long, 0, 'elements that still move');
  },
};
