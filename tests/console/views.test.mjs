// What the first screens are for: what failed last, views with a name, an execution's result.
import { assert, equal, executionUrl, until } from './harness.mjs';
import { ground as makeGround, NO_BLOCK } from './ground.mjs';
import { failing } from './machines.mjs';

export async function prepare(options) {
  const ground = await makeGround(options);
  const { server } = ground;
  const quick = await server.deploy('quick', { StartAt: 'A', States: { A: { Type: 'Pass', Result: { answer: 42 }, End: true } } });
  const shipping = await server.deploy('shipping', failing);
  ground.good = await server.run(quick, 'good', { question: 'which' });
  for (let i = 0; i < 7; i++) await server.ends(await server.run(shipping, `bad-${i}`, { block: ground.block }));
  await server.ends(await server.run(shipping, 'fine', { block: NO_BLOCK }));
  await until('the list to be complete', async () => (await server.get('/v1/executions')).executions.length === 9);
  return ground;
}

const query = (page, name) => new URL(page.url()).searchParams.get(name);

export const tests = {
  async 'the overview leads to the newest failures and names who fails most'(ground) {
    const page = await ground.open('/');
    const failures = page.getByRole('region', { name: 'Newest failures' });
    await until('five of them', async () => (await failures.getByRole('listitem').count()) === 5);
    await failures.getByText('Carrier.Busy').first().waitFor();
    await page.getByRole('link', { name: /Failed in the last hour 7 7 of shipping/ }).waitFor();
    await failures.getByRole('link', { name: 'bad-6' }).click();
    await page.locator('.banner').getByText('Carrier.Busy').waitFor();
  },

  async 'an execution shows what it was given and what came of it before a state is chosen'(ground) {
    const page = await ground.open(executionUrl(ground.server, ground.good));
    const inspector = page.getByRole('region', { name: 'Inspector' });
    await inspector.getByText('"answer"').waitFor();
    await inspector.getByRole('button', { name: 'Input' }).click();
    await inspector.getByText('"which"').waitFor();
    await inspector.getByRole('button', { name: 'Events' }).click();
    await inspector.getByRole('button', { name: 'ExecutionSucceeded' }).waitFor();
    equal(await page.getByRole('button', { name: 'Redrive …' }).count(), 0, 'a redrive of what succeeded');
  },

  async 'a view is saved, renamed and deleted, and its command is told'(ground) {
    const { server } = ground;
    const page = await ground.open('/executions?q=machine%3Ashipping%20status%3Afailed');
    const views = page.getByRole('group', { name: 'Views' });
    await views.getByRole('button', { name: 'Save view …' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('Ships / that "fail"');
    equal((await dialog.locator('.cli-line code').textContent()).trim(), `ratchet search 'machine:shipping status:failed' --endpoint ${server.url}`, 'the command');
    await dialog.getByRole('button', { name: 'Save view' }).click();
    await views.getByRole('button', { name: 'Ships / that "fail"', pressed: true }).waitFor();
    equal((await server.get('/v1/views')).views.map(({ name, query: q }) => [name, q]), [['Ships / that "fail"', 'machine:shipping status:failed']], 'what is kept');
    await views.getByRole('button', { name: 'Change …' }).click();
    await dialog.getByLabel('Name').fill('Ships');
    await dialog.getByLabel('Query').fill('duration>soon');
    await dialog.getByRole('button', { name: 'Save changes' }).click();
    await dialog.getByRole('alert').getByText('InvalidQuery').waitFor();
    await dialog.getByLabel('Query').fill('state:Ship');
    await dialog.getByRole('button', { name: 'Save changes' }).click();
    await views.getByRole('button', { name: 'Ships', pressed: true, exact: true }).waitFor();
    equal(query(page, 'q'), 'state:Ship', 'the URL');
    equal((await server.get('/v1/views')).views.map(({ name }) => name), ['Ships'], 'views');
    await views.getByRole('button', { name: 'All', exact: true }).click();
    await views.getByRole('button', { name: 'Ships', exact: true }).click();
    await until('the rows of the view', async () => (await page.locator('.executions-grid a').count()) === 7);
    await views.getByRole('button', { name: 'Delete …' }).click();
    await dialog.getByRole('button', { name: 'Delete 1 view' }).click();
    await until('it to be gone', async () => (await views.getByRole('button', { name: 'Ships', exact: true }).count()) === 0);
    equal((await server.get('/v1/views')).views, [], 'views');
    assert(query(page, 'q') === 'state:Ship', 'the rows stay');
  },

  async 'a definition is laid out in lines and its numbers stay as they were written'(ground) {
    const { server } = ground;
    await server.call('CreateStateMachine', { name: 'numbers', roleArn: 'arn:aws:iam::000000000000:role/r', definition: '{"StartAt":"A","States":{"A":{"Type":"Pass","Result":{"big":18446744073709551616,"exact":1.50,"text":"a,b:{\\"c\\"}","none":{},"list":[1,2]},"End":true}}}' });
    const page = await ground.open('/machines/numbers?tab=definition');
    const text = (await page.locator('.source').textContent()).trim();
    assert(text.includes('\n        "big": 18446744073709551616,\n        "exact": 1.50,\n        "text": "a,b:{\\"c\\"}",\n        "none": {},\n        "list": [\n          1,\n          2\n        ]\n      },'), text);
  },

  async 'another dialog may open before the browser tells that the last one closed'(ground) {
    const page = await ground.open('/machines/quick');
    await page.getByRole('button', { name: 'Start …' }).waitFor();
    for (let round = 0; round < 5; round++) {
      await page.keyboard.press('Control+k');
      await page.getByRole('dialog', { name: 'Jump to' }).waitFor();
      // In one task, so that nothing comes between the two.
      await page.evaluate(() => {
        document.querySelector('dialog').close();
        document.dispatchEvent(new KeyboardEvent('keydown', { key: 'k', ctrlKey: true, bubbles: true }));
      });
      await page.waitForTimeout(100);
      assert(await page.getByRole('dialog', { name: 'Jump to' }).isVisible(), 'the second dialog is not there');
      await page.keyboard.press('Escape');
      await until('it to close', async () => (await page.getByRole('dialog').count()) === 0);
    }
  },
};
