// Doing it again: from a state on, and as a test.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert, equal, executionUrl, until } from './harness.mjs';
import { ground as makeGround, NO_BLOCK, orderInput } from './ground.mjs';
import { order } from './machines.mjs';

export async function prepare(options) {
  const ground = await makeGround(options);
  const { server } = ground;
  ground.orders = await server.deploy('orders', order());
  ground.failed = await server.run(ground.orders, 'failed', orderInput(ground));
  ground.good = await server.run(ground.orders, 'good', orderInput(ground, { block: NO_BLOCK }));
  equal(await server.ends(ground.failed), 'FAILED', 'the one');
  equal(await server.ends(ground.good), 'SUCCEEDED', 'the other');
  return ground;
}

const inspector = (page) => page.getByRole('region', { name: 'Inspector' });

export const tests = {
  async 'a new execution begins at the state with another input and says where it comes from'(ground) {
    const { server } = ground;
    const page = await ground.open(executionUrl(server, ground.failed));
    await inspector(page).getByRole('button', { name: 'Re-run from here …' }).click();
    const dialog = page.getByRole('dialog');
    const given = dialog.getByLabel('Input of the state, JSON');
    assert(JSON.parse(await given.inputValue()).prepared, 'what the state was given');
    await given.fill('{"block": ');
    await dialog.getByRole('button', { name: 'Start 1 execution' }).click();
    await dialog.getByRole('alert').getByText('InvalidInput').waitFor();
    await given.fill(JSON.stringify({ block: NO_BLOCK }));
    await dialog.getByRole('button', { name: 'Start 1 execution' }).click();
    await page.getByRole('link', { name: 're-run of failed from Ship' }).waitFor();
    await page.locator('.execution-head').getByText('Succeeded').waitFor();
    equal(await page.locator('[data-state=Validate]').first().getAttribute('data-outcome').catch(() => 'pending'), 'pending', 'what stands before the state');
    equal((await server.call('DescribeExecution', { executionArn: ground.failed })).status, 'FAILED', 'the first one');
    await page.getByRole('link', { name: 're-run of failed from Ship' }).click();
    await page.getByRole('heading', { level: 2, name: 'Ship' }).waitFor();
  },

  async 'only the states of the machine itself can be begun at'(ground) {
    const page = await ground.open(executionUrl(ground.server, ground.failed, '?state=Pick'));
    await inspector(page).getByText('Inside').waitFor();
    equal(await inspector(page).getByRole('button', { name: 'Re-run from here …' }).count(), 0, 'a button in an item');
  },

  async 'an execution is saved as a test and the test passes'(ground, options) {
    const { server } = ground;
    const page = await ground.open(executionUrl(server, ground.good));
    await page.getByRole('button', { name: 'Save as test …' }).click();
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save good.test.json' }).click()]);
    const [file, definition] = [join(server.folder, 'good.test.json'), join(server.folder, 'orders.asl.json')];
    await download.saveAs(file);
    equal(JSON.parse(readFileSync(file, 'utf8')).Ratchet.Status, 'SUCCEEDED', 'what is expected');
    writeFileSync(definition, JSON.stringify(order()));
    execFileSync(options.ratchet, ['run', definition, '--test', file], { encoding: 'utf8', stdio: 'pipe', timeout: 30_000 });
  },

  async 'what was stopped cannot be saved as a test and what succeeded is not offered to be redriven'(ground) {
    const { server } = ground;
    const waits = await server.deploy('waits', { StartAt: 'A', States: { A: { Type: 'Wait', Seconds: 60, End: true } } });
    const arn = await server.run(waits, 'w-1');
    const page = await ground.open(executionUrl(server, arn));
    await page.getByRole('heading', { level: 2, name: 'A', exact: true }).waitFor(); // where it waits
    await server.call('StopExecution', { executionArn: arn });
    await page.locator('.execution-head').getByText('Aborted').waitFor();
    await page.getByRole('button', { name: 'Redrive …' }).waitFor();
    equal(await page.getByRole('button', { name: 'Save as test …' }).count(), 0, 'a test of what was stopped');
    await page.goto(executionUrl(server, ground.good));
    await until('it', async () => (await page.getByRole('button', { name: 'Save as test …' }).count()) === 1);
    equal(await page.getByRole('button', { name: 'Redrive …' }).count(), 0, 'a redrive of what succeeded');
  },
};
