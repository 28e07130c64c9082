// Runs the console's tests against the real binary in a real browser.
//
//     run.mjs --ratchet BINARY --out FOLDER [--files NAME,…] [--only TEXT]
//
// Pictures of every screen go to FOLDER. Each test is a sentence; --only runs those that contain TEXT,
// --files those of these files. The last line is 'N passed, N failed, N skipped'.
import { ensureFolder, findBrowser } from './harness.mjs';

const FILES = ['page', 'list', 'views', 'graph', 'collapse', 'live', 'moment', 'redrive', 'again', 'keys', 'access', 'login', 'link', 'hostile', 'media', 'pictures'];

const options = { out: '', ratchet: '', only: '', files: FILES.join() };
for (let i = 2; i < process.argv.length; i++) {
  const word = process.argv[i];
  if (word.startsWith('--') && word.slice(2) in options) options[word.slice(2)] = process.argv[++i];
  else throw new Error(`run.mjs: unknown option ${word}`);
}

const counts = { passed: 0, failed: 0, skipped: 0 };
function summary() {
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
}

if (!findBrowser()) {
  console.log('skipped: no Chromium; scripts/packages test installs it');
  counts.skipped = 1;
  summary();
  process.exit(0);
}
ensureFolder(options.out);
for (const file of options.files.split(',')) {
  const { tests, prepare } = await import(`./${file}.test.mjs`);
  const wanted = Object.entries(tests).filter(([name]) => name.includes(options.only));
  if (!wanted.length) continue;
  let ground;
  try {
    ground = await prepare(options);
  } catch (error) {
    console.log(`FAILED ${file}: could not prepare: ${error.stack ?? error}`);
    counts.failed += wanted.length;
    continue;
  }
  if (ground.skip) {
    console.log(`skipped: ${file}: ${ground.skip}`);
    counts.skipped += wanted.length;
    continue;
  }
  for (const [name, test] of wanted) {
    const began = Date.now();
    try {
      const note = await test(ground, options);
      counts.passed++;
      console.log(`ok      ${name} (${Date.now() - began} ms)${note ? `: ${note}` : ''}`);
    } catch (error) {
      counts.failed++;
      console.log(`FAILED  ${name} (${Date.now() - began} ms)\n        ${String(error.stack ?? error).replaceAll('\n', '\n        ')}`);
      await ground.shown?.screenshot({ path: `${options.out}/failed-${name.replace(/\W+/g, '-').slice(0, 60)}.png` }).catch(() => {});
    }
  }
  await ground.end();
}
summary();
process.exit(counts.failed ? 1 : 0);
