// The page itself: what a browser loads, what the policy allows, what the build does without npm. Point 1.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert, equal } from './harness.mjs';
import { ground } from './ground.mjs';

const WEB = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'visualizer', 'web');
const BUDGET = 60 * 1024;

export const prepare = ground;

const fetched = (page) =>
  page.evaluate(() => performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation')).map(({ name, encodedBodySize }) => ({ name, size: encodedBodySize })));

export const tests = {
  async 'the first page loads within sixty kilobytes'({ open, browser }) {
    const page = await open('/');
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    const files = (await fetched(page)).filter(({ name }) => !new URL(name).pathname.startsWith('/v1/'));
    const size = files.reduce((sum, file) => sum + file.size, 0);
    assert(size > 10_000, `only ${size} bytes were counted`);
    assert(size <= BUDGET, `${size} bytes: ${JSON.stringify(files)}`);
    equal(browser.complaints, [], 'complaints');
    return `${(size / 1024).toFixed(1)} KiB`;
  },

  async 'nothing is asked of anybody else and no screen loads more than the first'({ open, browser, server }) {
    const arn = await server.run(await server.deploy('one', { StartAt: 'A', States: { A: { Type: 'Pass', End: true } } }), 'one-1');
    const files = new Map();
    for (const path of ['/', '/executions', `/executions/${encodeURIComponent(arn)}`, '/dlq', '/machines', '/machines/one?tab=definition', '/login']) {
      const page = await open(path);
      await page.getByRole('heading', { level: 1 }).waitFor({ state: 'attached' });
      await page.waitForTimeout(150);
      for (const { name } of await fetched(page)) {
        assert(name.startsWith(server.url), `${path} asked for ${name}`);
        if (new URL(name).pathname.startsWith('/assets/')) files.set(new URL(name).pathname, path);
      }
    }
    const kinds = [...files.keys()].map((path) => path.replace(/-[A-Z0-9]{8}\.|-[0-9a-f]{8}\./, '.')).sort();
    equal(kinds, [...new Set(kinds)], 'files that came twice');
    assert(!kinds.some((name) => /codemirror|editor/i.test(name)), `an editor: ${kinds}`);
    equal(browser.foreign, [], 'asked of others');
  },

  async 'the policy allows no inline script and no foreign source'({ open, server }) {
    const policy = (await fetch(server.url)).headers.get('content-security-policy');
    assert(/default-src 'none'/.test(policy) && /script-src 'self'/.test(policy), policy);
    assert(!/unsafe|\*|https?:/.test(policy), policy);
    const page = await open('/');
    const ran = await page.evaluate(async () => {
      const script = document.createElement('script');
      script.textContent = 'window.ran = true';
      document.head.append(script);
      await new Promise((resolve) => setTimeout(resolve, 50));
      return window.ran === true;
    });
    assert(!ran, 'an inline script ran');
  },

  async 'files are kept for ever and the page is asked for again by its tag'({ server }) {
    const page = await fetch(server.url);
    const tag = page.headers.get('etag');
    equal(page.headers.get('cache-control'), 'no-cache', 'the page');
    equal((await fetch(server.url, { headers: { 'If-None-Match': tag } })).status, 304, 'the same page');
    const script = /src="(\/assets\/console-[^"]+)"/.exec(await page.text())[1];
    const asset = await fetch(server.url + script);
    assert(/immutable/.test(asset.headers.get('cache-control')), 'the script may be kept');
    equal((await fetch(`${server.url}/assets/nothing.js`)).status, 404, 'no such file');
  },

  async 'a client that takes no gzip gets the same bytes plain'({ server }) {
    const ask = (coding) => execFileSync('curl', ['-s', '-D', '-', '-H', `Accept-Encoding: ${coding}`, server.url], { encoding: 'latin1' });
    const [packed, plain] = [ask('gzip'), ask('identity')];
    assert(/Content-Encoding: gzip/i.test(packed), 'gzip was asked for');
    assert(!/Content-Encoding/i.test(plain) && plain.includes('<!doctype html>'), 'plain was asked for');
    assert(!/Content-Encoding/i.test(ask('gzip;q=0')), 'gzip was refused');
    assert(/vary: accept-encoding/i.test(plain), 'Vary');
    assert(/ETag: "[0-9a-f]+-gzip"/i.test(packed) && /ETag: "[0-9a-f]+"\r/i.test(plain), 'each coding has its tag');
  },

  async 'every path of the console answers the page and no other path does'({ server }) {
    for (const path of ['/', '/executions', '/executions/arn%3Aaws%3Ax', '/dlq', '/machines', '/machines/a%2Fb', '/login'])
      assert((await (await fetch(server.url + path)).text()).includes('<div id="app">'), path);
    equal((await fetch(`${server.url}/nowhere`)).status, 404, 'a path of nobody');
  },

  async 'the sources are clean by the type checker'() {
    const checked = spawnSync(process.execPath, [join(WEB, 'node_modules/typescript/bin/tsc'), '--noEmit', '-p', WEB], { encoding: 'utf8' });
    equal(checked.status, 0, checked.stdout + checked.stderr);
    const any = execFileSync('sh', ['-c', `grep -rnE ': any\\b|as any\\b|<any>' ${WEB}/src || true`], { encoding: 'utf8' });
    equal(any, '', 'uses of any');
  },

  async 'a build without npm makes a page that says so'() {
    const folder = mkdtempSync(join(tmpdir(), 'ratchet-no-npm-'));
    try {
      const python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
      const made = spawnSync(python, [join(WEB, 'build.py'), join(folder, 'out.c'), join(folder, 'out.d'), join(folder, 'bundle')], { env: { PATH: folder }, encoding: 'utf8' });
      equal(made.status, 0, made.stderr);
      assert(/left out of this build/.test(made.stderr), made.stderr);
      assert(readFileSync(join(folder, 'bundle/index.html'), 'utf8').includes('without its console'), 'the page');
      assert(readFileSync(join(folder, 'out.c'), 'utf8').includes('"index.html"'), 'the source');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
