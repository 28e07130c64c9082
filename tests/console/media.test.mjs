// The media example on the page: chunks, time left, the encoder's own words; and a chunk that failed, found and run
// again from the keyboard.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert, equal, executionUrl, Server, until } from './harness.mjs';
import { ground as makeGround } from './ground.mjs';

const EXAMPLE = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'examples', 'media-transcoding');

export async function prepare(options) {
  if (spawnSync('ffmpeg', ['-version']).status !== 0 || spawnSync('jq', ['--version']).status !== 0) return { skip: 'ffmpeg or jq is missing' };
  const server = new Server(options.ratchet);
  const folder = join(server.folder, 'media');
  mkdirSync(folder);
  cpSync(join(EXAMPLE, 'bin'), join(folder, 'bin'), { recursive: true });
  writeFileSync(join(folder, 'ratchet.yaml'), readFileSync(join(EXAMPLE, 'ratchet.yaml')));
  // The encoder refuses one chunk as long as a file is there.
  const encoder = join(folder, 'bin/transcode');
  cpSync(encoder, join(folder, 'bin/transcode-really'));
  writeFileSync(
    encoder,
    `#!/bin/bash\nset -u\ninput=$(cat)\nif [ -e '${folder}/refuse' ] && grep -q '"chunk":[^,]*1[^0-9]' <<<"$input" && [ "\${RATCHET_ATTEMPT:-}" != x ]; then echo 'encoder: out of disk' >&2; exit 9; fi\nexec '${folder}/bin/transcode-really' <<<"$input"\n`,
  );
  chmodSync(encoder, 0o755);
  server.options.configurationFile = join(folder, 'ratchet.yaml');
  const ground = await makeGround(options, server);
  ground.folder = folder;
  ground.machine = await server.deploy('media-transcoding', JSON.parse(readFileSync(join(EXAMPLE, 'workflow.asl.json'), 'utf8')));
  ground.video = join(folder, 'source.mp4');
  execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', '-f', 'lavfi', '-i', 'testsrc2=size=1280x720:rate=25:duration=16', '-f', 'lavfi', '-i', 'sine=duration=16', '-c:v', 'libx264', '-preset', 'ultrafast', '-g', '50', '-c:a', 'aac', '-shortest', ground.video]);
  ground.start = async (name) => {
    mkdirSync(join(folder, name));
    return server.run(ground.machine, name, { source: ground.video, output: join(folder, name) });
  };
  return ground;
}

export const tests = {
  async 'while it runs the page shows chunks, the time left and the log of ffmpeg'(ground, options) {
    const { server } = ground;
    const arn = await ground.start('good');
    const page = await ground.open(executionUrl(server, arn, '?state=Transcode&tab=log'));
    const running = page.getByRole('region', { name: 'Running now' });
    await running.getByRole('progressbar', { name: 'TranscodeChunks' }).waitFor({ timeout: 30_000 });
    await running.getByText(/[1-9]\d* of \d+ .*left/).first().waitFor({ timeout: 30_000 });
    await running.getByText(/\d+ %/).first().waitFor({ timeout: 30_000 });
    await until('lines of the log', async () => (await page.locator('.log-line').count()) > 0, 20_000);
    await page.screenshot({ path: `${options.out}/media-light.png` });
    equal(await server.ends(arn, 90_000), 'SUCCEEDED', 'the transcoding');
    await page.locator('.execution-head').getByText('Succeeded').waitFor();
  },

  async 'a chunk that failed is found and run again from the page without a mouse'(ground, options) {
    const { server } = ground;
    writeFileSync(join(ground.folder, 'refuse'), '');
    const arn = await ground.start('bad');
    const status = await server.ends(arn, 90_000);
    if (status !== 'FAILED') throw new Error(`it ended ${status}`);
    const page = await ground.open('/');
    await page.keyboard.press('Control+k');
    await page.keyboard.type('bad');
    await page.getByRole('option', { name: /execution bad/ }).waitFor();
    await page.keyboard.press('Enter');
    await page.locator('.banner').waitFor();
    await page.keyboard.press('!');
    await page.screenshot({ path: `${options.out}/media-failed-light.png` });
    await page.getByRole('region', { name: 'Inspector' }).getByText(/out of disk/).first().waitFor();
    rmSync(join(ground.folder, 'refuse'));
    await page.keyboard.press('r');
    await page.getByRole('dialog').waitFor();
    for (let press = 0; press < 10 && !(await page.evaluate(() => document.activeElement?.textContent === 'Redrive 1 execution')); press++) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    equal(await server.ends(arn, 90_000), 'SUCCEEDED', 'the redriven transcoding');
    assert(existsSync(join(ground.folder, 'bad', 'master.m3u8')), 'the result is there');
    await page.locator('.execution-head').getByText('Succeeded').waitFor();
  },
};
