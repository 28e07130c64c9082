// What happens is shown as it happens; what breaks leaves the page as it was. Point 4.
import { rmSync, writeFileSync } from 'node:fs';
import { assert, equal, executionUrl, sleep, until, within } from './harness.mjs';
import { ground as makeGround, orderInput } from './ground.mjs';
import { failing, order } from './machines.mjs';

export async function prepare(options) {
  const ground = await makeGround(options);
  ground.orders = await ground.server.deploy('orders', order());
  ground.shipping = await ground.server.deploy('shipping', failing);
  ground.waiting = await ground.server.deploy('waiting', { StartAt: 'A', States: { A: { Type: 'Wait', Seconds: 2, Next: 'B' }, B: { Type: 'Wait', Seconds: 2, Next: 'C' }, C: { Type: 'Pass', End: true } } });
  ground.logging = await ground.server.deploy('logging', { StartAt: 'Encode', States: { Encode: { Type: 'Task', Resource: 'arn:ratchet:exec:::slow', End: true } } });
  return ground;
}

const isLive = (page) => until('the live chip', async () => (await page.locator('.live').textContent()).includes('live'));
const outcome = (page, state) => page.locator(`[data-node][data-state="${state}"]`).getAttribute('data-outcome', { timeout: 3000 });

// When each of the marks appears in the page, by the page's own clock.
const watch = (page, marks) =>
  page.evaluate((wanted) => {
    window.seen = {};
    const look = () => {
      for (const [name, selector] of Object.entries(wanted)) if (!(name in window.seen) && document.querySelector(selector)) window.seen[name] = Date.now();
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
    look();
  }, marks);

// How long after they happened a start, a retry, a failure and a redrive are seen, in ms.
async function lifeOfAnOrder(ground) {
  const { server } = ground;
  writeFileSync(ground.block, '');
  const page = await ground.open('/executions');
  await isLive(page);
  await watch(page, { start: '.waiting-rows' });
  const arn = await server.run(ground.orders, `watched-${Date.now()}`, orderInput(ground));
  await page.locator('.waiting-rows').waitFor();
  const start = await page.evaluate(() => window.seen.start);
  const shown = await ground.open(executionUrl(server, arn));
  await isLive(shown);
  await watch(shown, { retry: '[data-state=Ship] > .g-box[aria-label*="2 retries"]', failed: '[data-state=Ship][data-outcome=failed]' });
  await server.ends(arn);
  const seen = await until('retry and failure to be seen', () => shown.evaluate(() => window.seen.retry && window.seen.failed && window.seen));
  const events = await server.history(arn);
  const at = (event) => Math.round(event.timestamp * 1000);
  rmSync(ground.block);
  await watch(shown, { succeeded: '[data-state=Ship][data-outcome=succeeded]' });
  await shown.keyboard.press('r');
  await shown.getByRole('button', { name: 'Redrive 1 execution' }).click();
  await until('the redrive', async () => (await server.get(`/v1/executions/${encodeURIComponent(arn)}`)).redrive_count === 1);
  equal(await server.ends(arn), 'SUCCEEDED', 'the redriven execution');
  const succeeded = await until('the success to be seen', () => shown.evaluate(() => window.seen.succeeded));
  const end = at((await server.history(arn)).at(-1));
  // What was set before is there still: the page was not loaded anew.
  equal(await shown.evaluate(() => 'seen' in window), true, 'the page');
  return [start - at(events[0]), seen.retry - at(events.filter(({ type }) => type === 'TaskScheduled')[2]), seen.failed - at(events.at(-1)), succeeded - end];
}

// What the stream brings to the browser from now on, whichever tab holds it.
const overhear = (page) =>
  page.evaluate(() => {
    window.overheard = [];
    window.ear = new BroadcastChannel('ratchet-live');
    window.ear.onmessage = ({ data }) => window.overheard.push(data);
  });
const newRows = (page) => page.evaluate(() => parseInt(document.querySelector('.waiting-rows')?.textContent ?? '0', 10));

export const tests = {
  async 'start, retry, failure and redrive appear within a second without a reload'(ground) {
    return within(1000, () => lifeOfAnOrder(ground));
  },

  async 'a server that is killed and comes back leaves the content and no event is lost or doubled'(ground) {
    const { server } = ground;
    const arn = await server.run(ground.waiting, `survivor-${Date.now()}`);
    const page = await ground.open(executionUrl(server, arn, '?tab=events'));
    await isLive(page);
    const rows = page.getByRole('table', { name: 'Events' });
    await rows.getByRole('button', { name: 'WaitStateEntered' }).first().waitFor();
    await server.kill();
    await page.getByText(/reconnecting, data from \d\d:\d\d:\d\d/).waitFor();
    assert(await rows.getByRole('button', { name: 'WaitStateEntered' }).first().isVisible(), 'the content went away');
    assert(await page.locator('[data-node]').count(), 'the graph went away');
    await server.start();
    await isLive(page);
    equal(await server.ends(arn), 'SUCCEEDED', 'the execution');
    const events = await server.history(arn);
    await until('the last event', async () => Number(await rows.getAttribute('aria-rowcount')) === events.length);
    const shown = await rows.locator('.events-grid').evaluateAll((all) => all.map((row) => row.children[0].textContent.trim()));
    equal(shown, events.map(({ id }) => String(id)), 'event ids');
    await until('the end in the graph', async () => (await outcome(page, 'C')) === 'succeeded');
    assert(!(await page.getByRole('alert').count()), 'an error stays');
  },

  async 'ten tabs share one stream and go on when the leader is closed'(ground) {
    const { server, browser } = ground;
    await ground.shown?.close();
    ground.shown = null;
    const streams = new Map();
    const open = () => [...streams.values()].filter((page) => !page.isClosed()).length;
    const isStream = (request) => new URL(request.url()).pathname === '/v1/events';
    const begun = (request) => isStream(request) && streams.set(request, request.frame().page());
    const ended = (request) => streams.delete(request);
    browser.context.on('request', begun);
    browser.context.on('requestfailed', ended);
    browser.context.on('requestfinished', ended);
    const pages = [];
    for (let tab = 0; tab < 10; tab++) pages.push(await browser.page(`${server.url}/executions?tab=${tab}`));
    for (const page of pages) await isLive(page);
    equal(open(), 1, 'streams of ten tabs');
    const hear = async (some, name) => {
      const before = await Promise.all(some.map(newRows));
      await server.run(ground.waiting, name);
      await Promise.all(some.map((page, index) => until(`tab ${index} to hear of ${name}`, async () => (await newRows(page)) === before[index] + 1)));
    };
    await hear(pages, `ten-${Date.now()}`);
    await overhear(pages[1]);
    await pages[0].close();
    await hear(pages.slice(1), `nine-${Date.now()}`);
    const told = await pages[1].evaluate(() => window.overheard.map(({ kind }) => kind));
    assert(told.includes('leader') || (await pages[1].evaluate(async () => (await navigator.locks.query()).held.some(({ name }) => name === 'ratchet-live'))), 'the tab that was closed did not lead');
    equal(open(), 1, 'streams of nine tabs');
    for (const page of pages.slice(1)) await page.close();
    browser.context.off('request', begun);
    browser.context.off('requestfailed', ended);
    browser.context.off('requestfinished', ended);
  },

  async 'a server that accepts but says nothing is noticed and no event is lost or doubled when it goes on'(ground) {
    const { server, browser } = ground;
    await ground.shown?.close();
    const page = (ground.shown = await browser.context.newPage());
    page.setDefaultTimeout(10_000);
    await page.clock.install(); // forty seconds of silence pass when the test says so
    const arn = await server.run(ground.waiting, `stopped-${Date.now()}`);
    await page.goto(executionUrl(server, arn, '?state=A&tab=events'));
    await isLive(page);
    await overhear(page);
    const rows = page.getByRole('table', { name: 'Events' });
    await rows.getByRole('button', { name: 'WaitStateEntered' }).first().waitFor();
    const heardUpTo = Number(await rows.getAttribute('aria-rowcount'));
    server.process.kill('SIGSTOP');
    try {
      // What is asked for meanwhile is an error in its pane, in time.
      await page.locator('.slider input').evaluate((input) => {
        input.value = '1';
        input.dispatchEvent(new Event('input', { bubbles: true }));
      });
      await sleep(300);
      assert((await page.locator('.live').textContent()).includes('live'), 'it was given up too early');
      await page.clock.fastForward(21_000);
      await page.getByRole('alert').getByText('Timeout').first().waitFor();
      await page.clock.fastForward(21_000);
      await page.getByText(/reconnecting, data from \d\d:\d\d:\d\d/).waitFor();
      assert(await page.locator('[data-node]').count(), 'the graph went away');
    } finally {
      server.process.kill('SIGCONT');
    }
    await page.clock.fastForward(6_000); // the pause before it tries again
    await isLive(page);
    await until('the errors to be gone', async () => (await page.getByRole('alert').count()) === 0);
    await page.getByRole('button', { name: 'Live', exact: true }).click();
    equal(await server.ends(arn), 'SUCCEEDED', 'the execution');
    await until('the end in the graph', async () => (await outcome(page, 'C')) === 'succeeded');
    const count = (await server.history(arn)).length;
    const heard = await until('the last event', async () => {
      const ids = await page.evaluate(() => window.overheard.filter(({ kind, name }) => kind === 'event' && name === 'execution').map(({ data }) => JSON.parse(data).event.id));
      return ids.at(-1) === count ? ids : null;
    });
    equal(heard, Array.from({ length: heard.length }, (_, index) => count - heard.length + 1 + index), 'event ids of the stream');
    assert(heard[0] <= heardUpTo + 1, `the first heard is ${heard[0]}, shown was ${heardUpTo}`);
  },

  async 'a browser without locks shares the stream by a worker'(ground) {
    await ground.shown?.close();
    const page = (ground.shown = await ground.browser.context.newPage());
    await page.addInitScript(() => Object.defineProperty(Navigator.prototype, 'locks', { get: () => undefined, configurable: true }));
    await page.addInitScript(() => delete Navigator.prototype.locks);
    await page.goto(`${ground.server.url}/executions`);
    assert(await page.evaluate(() => !('locks' in navigator)), 'locks are still there');
    await isLive(page);
    await ground.server.run(ground.waiting, `worker-${Date.now()}`);
    await page.getByRole('button', { name: /new – show/ }).waitFor({ timeout: 3000 });
  },

  async 'the log of a task is shown while it runs with its progress'(ground) {
    const { server } = ground;
    const arn = await server.run(ground.logging, 'log-1');
    const page = await ground.open(executionUrl(server, arn, '?state=Encode'));
    const log = page.getByRole('list', { name: 'Log' });
    await log.getByText('line 3', { exact: true }).waitFor();
    equal((await server.call('DescribeExecution', { executionArn: arn })).status, 'RUNNING', 'the execution meanwhile');
    await page.getByRole('region', { name: 'Running now' }).getByText(/\d+ %/).waitFor();
    await until('all lines once', async () => (await log.locator('.log-line').allTextContents()).filter((line) => line.startsWith('line')).length >= 9);
    await server.ends(arn);
    const lines = (await log.locator('.log-line').allTextContents()).filter((line) => line.startsWith('line'));
    equal(lines, [...new Set(lines)], 'lines that came twice');
  },

  async 'an error stands in its pane with its code and Retry mends it'(ground) {
    const { server, browser } = ground;
    let broken = true;
    await browser.context.route('**/v1/machines?**', (route) => (broken ? route.fulfill({ status: 503, contentType: 'application/json', body: '{"error":{"code":"Busy","message":"try again"}}' }) : route.continue()));
    const page = await ground.open('/machines');
    await page.getByRole('alert').getByText('Busy').waitFor();
    assert(await page.getByRole('heading', { name: 'Machines' }).isVisible(), 'the page is blank');
    broken = false;
    await page.getByRole('button', { name: 'Retry' }).click();
    await page.getByRole('link', { name: 'orders' }).waitFor();
    await browser.context.unroute('**/v1/machines?**');
    void server;
  },

  async 'a skeleton comes only when loading takes longer than a moment'(ground) {
    await ground.browser.context.route('**/v1/overview', async (route) => {
      await sleep(600);
      await route.continue();
    });
    const page = await ground.open('/');
    // By the page's own clock: from when it is there to when it is seen.
    const hidden = await page.evaluate(async () => {
      const began = performance.now();
      for (;;) {
        const element = document.querySelector('.skeleton');
        if (element && getComputedStyle(element).opacity === '1') return performance.now() - began;
        if (performance.now() - began > 3000) return -1;
        await new Promise(requestAnimationFrame);
      }
    });
    assert(hidden !== -1, 'it never came');
    const delay = await page.evaluate(() => getComputedStyle(document.querySelector('.skeleton')).animationDelay);
    equal(delay, '0.15s', 'how long it waits');
    await ground.browser.context.unroute('**/v1/overview');
  },
};
