// The media example on the page: chunks, time left, the encoder's own words; and a chunk that failed, found and run
// again from the keyboard.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert, equal, executionUrl, Server, until } from './harness.mjs';
import { ground as makeGround } from './ground.mjs';

const EXAMPLE = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'examples', 'media-transcoding');

export async function prepare(options) {
  if (spawnSync('ffmpeg', ['-version']).status !== 0 || spawnSync('python3', ['--version']).status !== 0) return { skip: 'ffmpeg or python3 is missing' };
  const server = new Server(options.ratchet);
  const folder = join(server.folder, 'media');
  cpSync(EXAMPLE, folder, { recursive: true, filter: (path) => !path.endsWith('/out') });
  // The encoder refuses a chunk as long as a file is there.
  renameSync(join(folder, 'functions/transcode.py'), join(folder, 'functions/transcode_really.py'));
  writeFileSync(
    join(folder, 'functions/transcode.py'),
    `import os
import transcode_really

class DiskFull(Exception):
    pass

def handler(event, context):
    if str(event["chunk"]).endswith("1") and os.path.exists(os.path.join(event["output"], "refuse")):
        raise DiskFull("the encoder is out of disk")
    return transcode_really.handler(event, context)
`,
  );
  server.options.configurationFile = join(folder, 'ratchet.yaml');
  const ground = await makeGround(options, server);
  ground.folder = folder;
  ground.machine = await server.deploy('media-transcoding', JSON.parse(readFileSync(join(EXAMPLE, 'workflow.asl.json'), 'utf8')));
  ground.video = join(folder, 'source.mp4');
  execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', '-f', 'lavfi', '-i', 'testsrc2=size=1280x720:rate=25:duration=16', '-f', 'lavfi', '-i', 'sine=duration=16', '-c:v', 'libx264', '-preset', 'ultrafast', '-g', '50', '-c:a', 'aac', '-shortest', ground.video]);
  ground.short = join(folder, 'short.mp4');
  execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', '-i', ground.video, '-t', '6', '-c', 'copy', ground.short]);
  ground.start = async (name, source, refuse = false) => {
    mkdirSync(join(folder, name));
    if (refuse) writeFileSync(join(folder, name, 'refuse'), '');
    return server.run(ground.machine, name, { source, output: join(folder, name), chunk_s: 2 });
  };
  return ground;
}

export const tests = {
  async 'while it runs the page shows chunks, the time left and the log of ffmpeg'(ground, options) {
    const { server } = ground;
    const arn = await ground.start('good', ground.video);
    const page = await ground.open(executionUrl(server, arn, '?state=Transcode&tab=log'));
    const running = page.getByRole('region', { name: 'Running now' });
    await running.getByRole('progressbar', { name: 'TranscodeChunks' }).waitFor({ timeout: 30_000 });
    await running.getByText(/[1-9]\d* of \d+ .*left/).first().waitFor({ timeout: 30_000 });
    await running.getByText(/\d+ %/).first().waitFor({ timeout: 30_000 });
    await running.getByText(/^Transcode #\d+$/).first().waitFor();
    const lines = page.locator('.log-line');
    await until('the words of ffmpeg', async () => (await lines.filter({ hasText: /libx264|Stream #0/ }).count()) > 0, 30_000);
    equal(await lines.filter({ hasText: /^\{"progress"/ }).count(), 0, 'lines that only tell the progress');
    // The picture that README.md shows (scripts/console-pictures).
    await page.goto(executionUrl(server, arn, '?state=Transcode&view=items&tab=log&theme=light'));
    await until('items that are done', async () => (await running.getByText(/([5-9]|1\d) of \d+ /).count()) > 0, 60_000);
    await page.locator('.items-picture canvas[data-draw-ms]').waitFor();
    await until('progress and words', async () => (await running.getByText(/[2-9]\d %/).count()) > 0 && (await lines.count()) > 10, 20_000);
    await page.screenshot({ path: `${options.out}/media-items-light.png` });
    // The clip to be encoded is told as the item of its Map, and its own page is one click away.
    await page.getByRole('button', { name: 'Items as table' }).click();
    await page.getByRole('button', { name: 'By index' }).click();
    await page.getByRole('button', { name: '#0', exact: true }).click();
    await page.getByRole('button', { name: /Item Produce\[0\]\/TranscodeChunks\[0\]/ }).waitFor();
    await page.screenshot({ path: `${options.out}/media-item-light.png` });
    equal(await server.ends(arn, 90_000), 'SUCCEEDED', 'the transcoding');
    await page.locator('.execution-head').getByText('Succeeded').waitFor();
  },

  async 'a chunk that failed is found and run again from the page without a mouse'(ground, options) {
    const { server } = ground;
    const arn = await ground.start('bad', ground.short, true);
    const status = await server.ends(arn, 90_000);
    if (status !== 'FAILED') throw new Error(`it ended ${status}`);
    await until('the list to have it', async () => (await server.get('/v1/executions?q=name:bad')).executions.length === 1);
    const page = await ground.open('/');
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    await page.keyboard.press('Control+k');
    await page.keyboard.type('bad');
    await page.getByRole('option', { name: /execution bad/ }).waitFor();
    await page.keyboard.press('Enter');
    await page.locator('.banner').waitFor();
    await page.keyboard.press('!'); // to the chunk, not to what is around it
    await page.getByRole('heading', { level: 2, name: 'Transcode', exact: true }).waitFor();
    await page.screenshot({ path: `${options.out}/media-failed-light.png` });
    await page.getByRole('region', { name: 'Inspector' }).getByText(/out of disk/).first().waitFor();
    rmSync(join(ground.folder, 'bad', 'refuse'));
    await page.keyboard.press('r');
    await page.getByRole('dialog').waitFor();
    for (let press = 0; press < 10 && !(await page.evaluate(() => document.activeElement?.textContent === 'Redrive 1 execution')); press++) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await until('it to run again', async () => (await server.call('DescribeExecution', { executionArn: arn })).redriveCount === 1);
    equal(await server.ends(arn, 90_000), 'SUCCEEDED', 'the redriven transcoding');
    assert(existsSync(join(ground.folder, 'bad', 'master.m3u8')), 'the result is there');
    await page.locator('.execution-head').getByText('Succeeded').waitFor();
  },
};
