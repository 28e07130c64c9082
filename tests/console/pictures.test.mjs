// A picture of every screen in both themes, written to the build folder for people to look at. A test only in that every
// screen must come, and without a complaint.
import { rmSync, writeFileSync } from 'node:fs';
import { equal, until } from './harness.mjs';
import { ground as makeGround, items, NO_BLOCK, orderInput } from './ground.mjs';
import { failing, items as itemsMachine, order } from './machines.mjs';

export async function prepare(options) {
  const ground = await makeGround(options);
  const { server } = ground;
  const orders = await server.deploy('orders', order());
  const shipping = await server.deploy('shipping', failing);
  const mapped = await server.deploy('items', itemsMachine(4));
  await server.call('PublishStateMachineVersion', { stateMachineArn: orders, description: 'the first' });
  const changed = order();
  changed.States.Later.Seconds = 5;
  await server.call('UpdateStateMachine', { stateMachineArn: orders, definition: JSON.stringify(changed) });
  const ends = [];
  for (let i = 0; i < 8; i++) ends.push(await server.run(orders, `o-88${i}`, orderInput({ block: i % 3 ? NO_BLOCK : ground.block })));
  for (let i = 0; i < 5; i++) ends.push(await server.run(shipping, `s-${i}`, { block: ground.block }));
  ground.failed = ends[6];
  ground.mapped = await server.run(mapped, 'i-1', { items: items(300, (index) => (index % 40 === 7 ? { bad: index } : {})) });
  const waiting = await server.deploy('waiting', { StartAt: 'Hold', States: { Hold: { Type: 'Wait', Seconds: 600, End: true } } });
  await server.run(waiting, 'w-1');
  for (const arn of [...ends, ground.mapped]) await server.ends(arn);
  rmSync(ground.block);
  const page = await ground.open('/dlq?machine=shipping');
  await page.getByRole('button', { name: /^Redrive 5/ }).click();
  await page.getByRole('button', { name: 'Redrive 5 executions' }).click();
  await page.getByText('completed').waitFor({ timeout: 20_000 });
  ground.job = new URL(page.url()).searchParams.get('job');
  writeFileSync(ground.block, '');
  const execution = `/executions/${encodeURIComponent(ground.failed)}`;
  ground.screens = {
    overview: '/',
    executions: '/executions',
    'executions-failed': '/executions?q=status:failed',
    execution,
    'execution-input': `${execution}?state=Pack&tab=flow`,
    'execution-folded': `${execution}?collapse=Prepare`,
    'execution-moment': `${execution}?ev=30&state=Pick`,
    'execution-items': `/executions/${encodeURIComponent(ground.mapped)}?state=Each&view=items`,
    'execution-table': `/executions/${encodeURIComponent(ground.mapped)}?state=Look&view=table&item=Each%5B47%5D`,
    machines: '/machines',
    machine: '/machines/orders',
    'machine-versions': '/machines/orders?tab=versions',
    'machine-durations': '/machines/orders?tab=durations',
    letters: '/dlq',
    job: `/dlq?job=${ground.job}`,
  };
  return ground;
}

async function picture(ground, options, name, path, theme, viewport) {
  const page = await ground.open(`${path}${path.includes('?') ? '&' : '?'}theme=${theme}`, viewport);
  await page.getByRole('heading', { level: 1 }).waitFor();
  await until('loading to end', async () => (await page.locator('.skeleton').count()) === 0);
  await until('the stream', async () => (await page.locator('.live').textContent()).includes('live')).catch(() => {});
  await page.waitForTimeout(250);
  await page.screenshot({ path: `${options.out}/${name}-${theme}.png` });
}

export const tests = {
  async 'every screen has its picture in both themes'(ground, options) {
    for (const [name, path] of Object.entries(ground.screens)) for (const theme of ['light', 'dark']) await picture(ground, options, name, path, theme);
    await picture(ground, options, 'narrow-execution', ground.screens.execution, 'light', { width: 400, height: 900 });
    await picture(ground, options, 'narrow-executions', '/executions', 'light', { width: 400, height: 900 });
    await picture(ground, options, 'narrow-letters', '/dlq', 'dark', { width: 400, height: 900 });
    const page = await ground.open('/dlq?theme=light');
    await page.getByRole('button', { name: /^Redrive/ }).first().click();
    await page.getByTestId('preview-count').waitFor();
    await page.screenshot({ path: `${options.out}/redrive-light.png` });
    equal(ground.browser.complaints, [], 'complaints');
  },
};
