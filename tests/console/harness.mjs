// What the console's tests stand on: a real server on a store of its own, a real browser without a network beside it,
// and the two together. Whatever is started here is ended here.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const BROWSER_FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

export function findBrowser() {
  return [process.env.RATCHET_BROWSER, '/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) => path && existsSync(path));
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export function assert(condition, message) {
  if (!condition) throw new Error(message);
}
export function equal(actual, expected, what) {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: expected ${b?.slice(0, 600)}, found ${a?.slice(0, 600)}`);
}

// Asks again until it is true; says what it waited for when it never was.
export async function until(what, ask, ms = 10_000, every = 30) {
  const end = Date.now() + ms;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited ${ms} ms for: ${what}`);
    await sleep(every);
  }
}

// A time that must not be above `most` ms, or a list of such. Others may have the processor at that moment: then it is
// measured again, three times at most, and the note says so. On a machine that is not busy the first one counts.
export async function within(most, measure) {
  const tried = [];
  for (let attempt = 0; attempt < 3; attempt++) {
    const busy = loadavg()[0] > cpus().length / 2;
    const found = await measure();
    tried.push(found);
    if (Math.max(...[found].flat()) <= most) break;
    if (!busy) break;
  }
  const last = tried.at(-1);
  const words = (found) => [found].flat().map((ms) => Math.round(ms * 10) / 10).join(', ');
  const note = `${words(last)} ms${tried.length > 1 ? `, on a busy machine; before it ${tried.slice(0, -1).map(words).join(' and ')}` : ''}`;
  assert([last].flat().every((ms) => ms <= most), `${note}; ${most} are allowed`);
  return note;
}

export class Server {
  constructor(ratchet, options = {}) {
    this.ratchet = ratchet;
    this.folder = mkdtempSync(join(tmpdir(), 'ratchet-console-'));
    this.options = options;
    this.port = 0;
    if (options.configuration) writeFileSync(join(this.folder, 'ratchet.yaml'), options.configuration);
  }

  async start() {
    const words = ['serve', '--store', `sqlite:${this.folder}/store.db`, '--listen', `127.0.0.1:${this.port}`];
    const configuration = this.options.configurationFile ?? (this.options.configuration && join(this.folder, 'ratchet.yaml'));
    if (configuration) words.push('--config', configuration);
    this.process = spawn(this.ratchet, words, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...this.options.env } });
    this.ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.errors = '';
    this.process.stderr.on('data', (chunk) => (this.errors = (this.errors + chunk).slice(-20_000)));
    let out = '';
    this.process.stdout.on('data', (chunk) => (out += chunk));
    await until('the server to tell its address', () => {
      assert(this.process.exitCode === null, `the server ended: ${this.errors}`);
      return out.includes('\n');
    });
    this.url = out.trim();
    this.port = Number(new URL(this.url).port);
    return this;
  }

  async kill(signal = 'SIGKILL') {
    if (this.process && this.process.exitCode === null) this.process.kill(signal);
    await this.ended;
  }

  async stop() {
    await this.kill('SIGTERM');
    rmSync(this.folder, { recursive: true, force: true });
  }

  // A call of the Step Functions API.
  async call(operation, body) {
    const response = await fetch(this.url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-amz-json-1.0', 'X-Amz-Target': `AWSStepFunctions.${operation}` },
      body: JSON.stringify(body),
    });
    const answer = await response.json();
    assert(response.ok, `${operation}: ${JSON.stringify(answer)}`);
    return answer;
  }

  async get(path) {
    const response = await fetch(this.url + path);
    assert(response.ok, `GET ${path}: ${response.status} ${await response.clone().text()}`);
    return response.json();
  }

  async deploy(name, definition) {
    return (await this.call('CreateStateMachine', { name, definition: JSON.stringify(definition), roleArn: 'arn:aws:iam::000000000000:role/ratchet' })).stateMachineArn;
  }

  async run(machineArn, name, input = {}) {
    return (await this.call('StartExecution', { stateMachineArn: machineArn, name, input: JSON.stringify(input) })).executionArn;
  }

  async ends(arn, ms = 20_000) {
    return until(`${arn} to end`, async () => {
      const answer = await this.call('DescribeExecution', { executionArn: arn });
      return answer.status === 'RUNNING' ? null : answer.status;
    }, ms);
  }

  async history(arn) {
    const events = [];
    for (let nextToken; ; ) {
      const page = await this.call('GetExecutionHistory', { executionArn: arn, maxResults: 1000, ...(nextToken ? { nextToken } : {}) });
      events.push(...page.events);
      nextToken = page.nextToken;
      if (!nextToken) return events;
    }
  }
}

export class Browser {
  async start() {
    this.profile = mkdtempSync(join(tmpdir(), 'ratchet-browser-'));
    this.context = await chromium.launchPersistentContext(this.profile, {
      executablePath: findBrowser(), args: BROWSER_FLAGS, viewport: { width: 1500, height: 980 }, chromiumSandbox: false, locale: 'en-GB', timezoneId: 'UTC',
    });
    this.foreign = []; // what was asked of anybody else
    this.complaints = []; // errors of scripts, refusals of the policy
    await this.context.route((url) => !['127.0.0.1', 'localhost'].includes(url.hostname), (route) => {
      this.foreign.push(route.request().url());
      return route.abort();
    });
    this.context.on('weberror', (error) => this.complaints.push(String(error.error())));
    this.context.on('console', (message) => {
      if (message.type() === 'error' && !/Failed to load resource|ERR_CONNECTION|ERR_INCOMPLETE/.test(message.text())) this.complaints.push(message.text());
    });
    return this;
  }

  async page(url, options = {}) {
    const page = await this.context.newPage();
    if (options.viewport) await page.setViewportSize(options.viewport);
    page.setDefaultTimeout(10_000);
    await page.goto(url);
    return page;
  }

  async stop() {
    await this.context.close();
    rmSync(this.profile, { recursive: true, force: true });
  }
}

export const executionUrl = (server, arn, query = '') => `${server.url}/executions/${encodeURIComponent(arn)}${query}`;

export function ensureFolder(path) {
  mkdirSync(path, { recursive: true });
  return path;
}
