// Dead letters and bulk redrive: exactly what was shown, and nothing called succeeded that is not. Point 6.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert, equal, until } from './harness.mjs';
import { ground as makeGround } from './ground.mjs';
import { failing } from './machines.mjs';

export async function prepare(options) {
  const ground = await makeGround(options);
  const { server } = ground;
  ground.shipping = await server.deploy('shipping', failing);
  ground.other = await server.deploy('other', failing);
  ground.stubborn = join(server.folder, 'stubborn'); // stays: what names it fails again
  writeFileSync(ground.stubborn, '');
  ground.arns = [];
  for (let i = 0; i < 6; i++) ground.arns.push(await server.run(ground.shipping, `s-${i}`, { block: i < 2 ? ground.stubborn : ground.block }));
  ground.untouched = await server.run(ground.other, 'o-1', { block: ground.block });
  for (const arn of [...ground.arns, ground.untouched]) equal(await server.ends(arn), 'FAILED', arn);
  return ground;
}

const redrives = async (server, arn) => (await server.call('DescribeExecution', { executionArn: arn })).redriveCount;

export const tests = {
  async 'groups say what failed where and how often'(ground) {
    const page = await ground.open('/dlq');
    const row = page.getByRole('row', { name: /Carrier.Busy.*shipping/ });
    await row.getByRole('cell', { name: '6', exact: true }).waitFor();
    await page.getByRole('row', { name: /Carrier.Busy.*other/ }).getByRole('cell', { name: '1', exact: true }).waitFor();
    await row.getByRole('button', { name: 'Carrier.Busy', exact: false }).first().click();
    await until('its executions', async () => (await page.locator('.letters-grid a').allTextContents()).length === 6);
  },

  async 'a redrive touches exactly the executions of its preview and failing again is never called success'(ground) {
    const { server } = ground;
    rmSync(ground.block, { force: true });
    const page = await ground.open('/dlq');
    await page.getByRole('button', { name: /^Redrive 6/ }).click();
    await until('the preview', async () => (await page.locator('.id-list li').count()) === 6);
    const previewed = await page.locator('.id-list li').evaluateAll((all) => all.map((one) => one.dataset.arn));
    equal([...previewed].sort(), [...ground.arns].sort(), 'the preview');
    equal(await page.getByTestId('preview-count').textContent(), '6 executions', 'its count');
    // Every outcome that the page ever shows of those that fail again.
    await page.evaluate((stubborn) => {
      window.told = [];
      new MutationObserver(() => {
        window.most = Math.max(window.most ?? 0, Number(document.querySelector('[data-count=succeeded]')?.textContent ?? 0));
        for (const arn of stubborn) {
          const row = document.querySelector(`tr[data-arn="${arn}"]`);
          if (row) window.told.push(row.dataset.outcome);
        }
      }).observe(document.body, { subtree: true, childList: true, attributes: true });
    }, ground.arns.slice(0, 2));
    await page.getByLabel(/first 1, then 10/).uncheck();
    await page.getByRole('button', { name: 'Redrive 6 executions' }).click();
    const job = page.getByRole('region', { name: /Redrive job/ });
    await job.getByText('completed').or(job.getByText('stopped')).first().waitFor({ timeout: 20_000 });
    const count = async (key) => Number(await job.locator(`[data-count=${key}]`).textContent());
    await until('all to have ended', async () => (await count('succeeded')) === 4 && (await count('failedAgain')) === 2);
    for (const arn of ground.arns) equal(await redrives(server, arn), 1, `redrives of ${arn}`);
    equal((await redrives(server, ground.untouched)) ?? 0, 0, 'redrives of what was not in the preview');
    await until('the outcomes', async () => (await page.locator('tr[data-outcome=FAILED_AGAIN]').count()) === 2);
    const told = await page.evaluate(() => window.told);
    equal(await page.evaluate(() => window.most), 4, 'the most that was ever called succeeded');
    assert(told.length && !told.includes('SUCCEEDED'), `told of a failure: ${[...new Set(told)]}`);
    equal((await server.call('DescribeExecution', { executionArn: ground.arns[0] })).status, 'FAILED', 'the stubborn one');
    assert(new URL(page.url()).searchParams.get('job'), 'the job has a link');
  },

  async 'those that were chosen and no others are redriven'(ground) {
    const { server } = ground;
    const page = await ground.open('/dlq');
    await page.getByRole('row', { name: /shipping/ }).getByRole('button', { name: 'Carrier.Busy', exact: false }).first().click();
    await until('the two that failed again', async () => (await page.locator('.letters-grid a').count()) >= 2);
    rmSync(ground.stubborn, { force: true });
    await page.getByLabel('Choose s-1').check();
    await page.getByRole('button', { name: 'Redrive 1 chosen …' }).click();
    await page.getByRole('button', { name: 'Redrive 1 execution', exact: true }).click();
    await until('it to succeed', async () => (await server.call('DescribeExecution', { executionArn: ground.arns[1] })).status === 'SUCCEEDED');
    equal(await redrives(server, ground.arns[0]), 1, 'the one that was not chosen');
    await page.locator('tr[data-outcome=SUCCEEDED]').waitFor();
  },

  async 'a discard names its count and takes only those out of the queue'(ground) {
    const { server } = ground;
    const page = await ground.open('/dlq?machine=other');
    await page.getByRole('button', { name: /^Discard 1/ }).click();
    await page.getByRole('button', { name: 'Discard 1 execution', exact: true }).click();
    await page.getByText('No dead letter fits this filter.').waitFor();
    equal((await server.call('DescribeExecution', { executionArn: ground.untouched })).status, 'FAILED', 'the execution stays');
    const left = await server.get('/v1/dead-letters/groups');
    equal(left.total, 1, 'left in the queue');
  },

  async 'an execution is started and stopped from the page'(ground) {
    const { server } = ground;
    await server.deploy('waits', { StartAt: 'A', States: { A: { Type: 'Wait', Seconds: 60, End: true } } });
    const page = await ground.open('/machines/waits');
    await page.getByRole('button', { name: 'Start …' }).click();
    await page.getByLabel(/^Name/).fill('by-hand');
    await page.getByLabel('Input, JSON').fill('{"a": "it\'s"}');
    assert((await page.locator('.cli-line code').textContent()).includes(`ratchet start waits --name by-hand --input '{"a": "it'\\''s"}' --endpoint ${server.url}`), await page.locator('.cli-line code').textContent());
    await page.getByRole('button', { name: 'Start 1 execution' }).click();
    await page.getByRole('heading', { name: /by-hand/ }).waitFor();
    await page.getByRole('button', { name: 'Stop …' }).click();
    await page.getByRole('button', { name: 'Stop 1 execution' }).click();
    await page.locator('.execution-head').getByText('Aborted').waitFor();
    await page.getByRole('button', { name: /^New run/ }).click();
    equal(JSON.parse(await page.getByLabel('Input, JSON').inputValue()), { a: "it's" }, 'the input of the new run');
  },
};
