// The time slider and a Map's items: what is shown is what had happened by then, of that item and no other. Points 5, 11.
import { assert, equal, executionUrl, sleep, until } from './harness.mjs';
import { ground as makeGround, items, orderInput } from './ground.mjs';
import { items as itemsMachine, order } from './machines.mjs';

export async function prepare(options) {
  const ground = await makeGround(options);
  const { server } = ground;
  ground.failed = await server.run(await server.deploy('orders', order()), 'o-1', orderInput(ground));
  ground.mapped = await server.run(await server.deploy('items', itemsMachine()), 'i-1', { items: items(6, (index) => ({ secret: `only-${index}`, ...(index === 3 ? { bad: 'item three' } : {}) })) });
  await server.ends(ground.failed);
  await server.ends(ground.mapped);
  return ground;
}

// What the first k events of a history say of each state, folded here by rules of its own: by names alone, so for
// machines whose states end before what is around them does.
function fold(events, k) {
  const states = {};
  const owner = new Map(); // event id → the state that it belongs to
  for (const event of events.slice(0, k)) {
    const name = event.stateEnteredEventDetails?.name ?? event.stateExitedEventDetails?.name ?? owner.get(event.previousEventId);
    if (name) owner.set(event.id, name);
    if (event.stateEnteredEventDetails) {
      const state = (states[name] ??= { entered: 0, running: 0, exited: 0, tries: 0, failed: 0 });
      state.entered++;
      state.running++;
    } else if (event.stateExitedEventDetails) {
      states[name].running--;
      states[name].exited++;
    } else if (event.type === 'TaskScheduled') states[name].tries++;
    else if (event.type === 'ExecutionFailed') {
      states[name].failed++;
      states[name].running--;
    }
  }
  return states;
}

const shownStates = (page) =>
  page.locator('[data-node]').evaluateAll((nodes) => Object.fromEntries(nodes.map((node) => [node.dataset.state, node.dataset.outcome])));

async function slideTo(page, event) {
  await page.locator('.slider input').evaluate((input, value) => {
    input.value = String(value);
    input.dispatchEvent(new Event('input', { bubbles: true }));
  }, event);
}

export const tests = {
  async 'the graph at event k is an independent fold of the events one to k'(ground) {
    const { server, failed } = ground;
    const events = await server.history(failed);
    const page = await ground.open(executionUrl(server, failed), { width: 1500, height: 2600 });
    await page.getByRole('button', { name: /^Fit/ }).click();
    await until('all nodes', async () => (await page.locator('[data-node]').count()) === 30);
    for (let k = 1; k <= events.length; k++) {
      const states = fold(events, k);
      const wanted = (name) => {
        const state = states[name];
        if (!state) return 'pending';
        return state.failed ? 'failed' : state.running > 0 ? 'running' : 'succeeded';
      };
      await slideTo(page, k);
      let differs = [];
      await until(`event ${k} to be shown as it was`, async () => {
        const shown = await shownStates(page);
        differs = Object.entries(shown).filter(([name, outcome]) => outcome !== wanted(name)).map(([name, outcome]) => `${name}: ${outcome}, not ${wanted(name)}`);
        return differs.length === 0;
      }, 3000).catch((error) => {
        throw new Error(`${error.message}: ${differs.join('; ')}`);
      });
      const { states: told } = await server.get(`/v1/executions/${encodeURIComponent(failed)}/state?event=${k}`);
      for (const [name, state] of Object.entries(states)) {
        equal(told[name]?.entered, state.entered, `${name} entered at event ${k}`);
        equal(told[name].retries, Math.max(0, state.tries - 1), `${name} retries at event ${k}`);
      }
    }
    return `${events.length} events`;
  },

  async 'timeline and inspector show the moment of the slider too'(ground) {
    const { server, failed } = ground;
    const events = await server.history(failed);
    const entered = events.find((event) => event.stateEnteredEventDetails?.name === 'Ship').id;
    const page = await ground.open(executionUrl(server, failed, `?state=Ship&ev=${entered}`));
    const inspector = page.getByRole('region', { name: 'Inspector' });
    await inspector.locator('.pill', { hasText: 'running' }).waitFor();
    equal(await inspector.getByText('Carrier.Busy').count(), 0, 'the error has not come yet');
    const row = page.locator('.timeline-grid', { hasText: 'Ship' });
    await row.getByText('running').waitFor();
    equal(await page.locator('.timeline-grid', { hasText: 'Delivered?' }).count(), 0, 'later states');
    await page.getByRole('button', { name: 'Live', exact: true }).click();
    await inspector.getByText('Carrier.Busy').first().waitFor();
  },

  async 'play runs to the end and the brackets step by one event'(ground) {
    const page = await ground.open(executionUrl(ground.server, ground.failed));
    const moment = page.getByTestId('moment');
    await until('the last event', async () => Number(await moment.textContent()) > 10);
    const last = Number(await moment.textContent());
    await page.keyboard.press('[');
    await until('one before', async () => Number(await moment.textContent()) === last - 1);
    await page.keyboard.press('[');
    await until('two before', async () => Number(await moment.textContent()) === last - 2);
    await page.keyboard.press(']');
    await until('forward again', async () => Number(await moment.textContent()) === last - 1);
    await page.getByRole('button', { name: 'Live', exact: true }).click();
    await page.getByRole('button', { name: 'Play' }).click();
    await until('the beginning', async () => Number(await moment.textContent()) < last / 2);
    await until('the end', async () => Number(await moment.textContent()) === last, 20_000);
  },

  async 'another item of a Map leaves nothing of the last one'(ground) {
    const page = await ground.open(executionUrl(ground.server, ground.mapped, '?state=Look&view=table&item=Each%5B1%5D&tab=input'));
    const panel = page.getByRole('tabpanel');
    await panel.getByText('only-1').waitFor();
    // Every change of the page is looked at: no frame may show both.
    await page.evaluate(() => {
      window.mixed = [];
      new MutationObserver(() => {
        const item = new URLSearchParams(location.search).get('item') ?? '';
        const wanted = /\[(\d+)\]/.exec(item)?.[1];
        for (const [, index] of (document.querySelector('[role=tabpanel]')?.textContent ?? '').matchAll(/only-(\d)/g))
          requestAnimationFrame(() => {
            const text = document.querySelector('[role=tabpanel]')?.textContent ?? '';
            if (index !== wanted && text.includes(`only-${index}`) && new URLSearchParams(location.search).get('item') === item) window.mixed.push(`${item} shows item ${index}`);
          });
      }).observe(document.body, { subtree: true, childList: true, characterData: true });
    });
    await page.getByRole('button', { name: 'By index' }).click();
    for (const index of [3, 0, 5, 2]) {
      await page.getByRole('button', { name: `#${index}`, exact: true }).click();
      await panel.getByText(`only-${index}`).waitFor();
      equal(await panel.getByText(/only-/).allTextContents().then((all) => [...new Set(all.join().match(/only-\d/g))]), [`only-${index}`], 'what the inspector shows');
    }
    equal(await page.evaluate(() => window.mixed), [], 'frames that mixed items');
    // The graph is that item's as well.
    await page.getByRole('button', { name: '#3', exact: true }).click();
    await until('the path of item 3', async () => (await shownStates(page)).Note === 'succeeded');
    equal((await shownStates(page)).Keep, 'pending', 'the other way');
  },

  async 'the events of the history are all there and lead to their moment'(ground) {
    const { server, failed } = ground;
    const count = (await server.history(failed)).length;
    const page = await ground.open(executionUrl(server, failed, '?state=Ship&tab=events'));
    const list = page.getByRole('table', { name: 'Events' });
    await list.getByRole('button', { name: 'ExecutionStarted' }).waitFor();
    equal(Number(await list.getAttribute('aria-rowcount')), count, 'rows');
    await list.getByRole('button', { name: 'PassStateEntered' }).first().click();
    await until('the moment', async () => (await page.getByTestId('moment').textContent()) === '2');
    await sleep(300);
    equal(new URL(page.url()).searchParams.get('ev'), '2', 'the URL');
  },
};
