// What others wrote is text, whatever it looks like, and never too much. Point 10.
import { assert, equal, executionUrl, Server, until, within } from './harness.mjs';
import { ground as makeGround } from './ground.mjs';
import { hostile, LONG_NAME } from './machines.mjs';

export async function prepare(options) {
  const limits = 'limits: { payload_bytes: 8388608, request_bytes: 16777216 }\n';
  const ground = await makeGround(options, new Server(options.ratchet, { configuration: limits }));
  const { server } = ground;
  ground.hostile = await server.run(await server.deploy('hostile', hostile), 'h-1', { '<b>name</b>': '<script>window.stolen = 1</script>' });
  equal(await server.ends(ground.hostile), 'FAILED', 'the hostile one');
  return ground;
}

export const tests = {
  async 'names and texts with markup, emoji and eighty characters run nothing and are shown whole'(ground) {
    const { server, browser } = ground;
    let dialogs = 0;
    const page = await ground.open(executionUrl(server, ground.hostile));
    page.on('dialog', (dialog) => (dialogs++, dialog.dismiss()));
    await page.getByRole('button', { name: /^Fit/ }).click();
    for (const name of Object.keys(hostile.States)) {
      const node = page.locator('[data-node]').filter({ has: page.getByLabel(name, { exact: false }) });
      await node.first().waitFor();
      equal(await node.first().getAttribute('data-state'), name, 'the whole name');
    }
    equal(LONG_NAME.length, 80, 'the long name');
    for (const tab of ['Error', 'Input', 'Definition', 'Events']) {
      await page.getByRole('tab', { name: tab, exact: true }).click();
      await page.waitForTimeout(100);
    }
    await page.goto(`${server.url}/executions`);
    await page.getByRole('link', { name: 'h-1' }).waitFor();
    await page.goto(`${server.url}/dlq`);
    await page.getByText('<b>Bold</b>').first().waitFor();
    equal(dialogs, 0, 'alerts');
    equal(await page.evaluate(() => [window.stolen, document.title.includes('stolen'), document.querySelectorAll('img, b.Bold, script:not([src])').length]), [null, false, 0].map((x) => (x === null ? null : x)), 'traces');
    equal(browser.complaints, [], 'complaints');
  },

  async 'five megabytes are loaded when asked for and freeze nothing for two hundred milliseconds'(ground) {
    const { server } = ground;
    const machine = await server.deploy('large', { StartAt: 'Make', States: { Make: { Type: 'Pass', Next: 'End' }, End: { Type: 'Pass', End: true } } });
    const row = (index) => ({ id: index, name: `row ${index}`, text: '<i>x</i>'.repeat(20) });
    const arn = await server.run(machine, 'l-1', { rows: Array.from({ length: 25_000 }, (_, index) => row(index)), long: 'y'.repeat(200_000) });
    await server.ends(arn, 30_000);
    const note = await within(200, async () => {
      const page = await ground.open(executionUrl(server, arn, '?state=End&tab=input'));
      await page.evaluate(() => {
        window.slow = [];
        new PerformanceObserver((list) => window.slow.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: 'longtask', buffered: true });
      });
      await page.getByRole('button', { name: /^Load input \(\d\.\d MiB\)/ }).click();
      await page.getByRole('button', { name: /"rows"/ }).click();
      await page.getByText('… 24900 more').waitFor();
      await page.getByText(/… \d+ more characters/).waitFor();
      await page.getByRole('tab', { name: 'Output', exact: true }).click(); // the page can be used meanwhile
      await page.getByRole('button', { name: /^Load output/ }).waitFor();
      await page.waitForTimeout(200);
      return Math.max(0, ...(await page.evaluate(() => window.slow)));
    });
    const page = ground.shown;
    await page.getByRole('tab', { name: 'Input', exact: true }).click();
    await page.getByRole('button', { name: /^Load input/ }).click();
    await page.getByText(/… \d+ more characters/).waitFor();
    equal(await page.locator('.json i').count(), 0, 'markup');
    assert((await page.evaluate(() => document.querySelectorAll('*').length)) < 4000, 'elements');
    return `longest ${note}`;
  },

  async 'an input of five megabytes is not asked for before it is wanted'(ground) {
    const { server } = ground;
    const arn = `arn:aws:states:us-east-1:000000000000:execution:large:l-1`;
    const page = await ground.browser.context.newPage();
    let bytes = 0;
    page.on('response', async (response) => (bytes += response.url().includes('/v1/') ? (await response.body().catch(() => Buffer.alloc(0))).length : 0));
    await page.goto(executionUrl(server, arn, '?state=End&tab=input'));
    await page.getByRole('button', { name: /^Load input/ }).waitFor();
    await until('the page to rest', async () => bytes > 0);
    assert(bytes < 200_000, `${bytes} bytes were fetched`);
    await page.close();
  },
};
