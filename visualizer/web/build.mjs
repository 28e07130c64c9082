// Bundles the console: build.mjs OUT writes OUT/index.html and OUT/assets/NAME-HASH.{js,css,svg}, and prints what a
// browser loads first. Run by build.py, which embeds the files in the program.
import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2];
if (!out) throw new Error('usage: build.mjs OUT');
rmSync(out, { recursive: true, force: true });
mkdirSync(join(out, 'assets'), { recursive: true });

const result = await build({
  absWorkingDir: here,
  entryPoints: { console: 'src/main.tsx', theme: 'src/theme-first.ts', events: 'src/live/worker.ts' },
  bundle: true,
  minify: true,
  splitting: true,
  format: 'esm',
  target: ['es2022'],
  outdir: join(out, 'assets'),
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  charset: 'utf8',
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
});

const names = {};
for (const [path, output] of Object.entries(result.metafile.outputs)) {
  if (!output.entryPoint) continue;
  const name = basename(output.entryPoint).replace(/\.tsx?$/, '');
  names[name] = '/assets/' + basename(path);
  if (output.cssBundle) names[name + '.css'] = '/assets/' + basename(output.cssBundle);
}
const icon = readFileSync(join(here, 'src/icon.svg'));
const iconName = `icon-${createHash('sha256').update(icon).digest('hex').slice(0, 8)}${extname('icon.svg')}`;
writeFileSync(join(out, 'assets', iconName), icon);

const page = readFileSync(join(here, 'src/index.html'), 'utf8')
  .replace('{{icon}}', '/assets/' + iconName)
  .replace('{{style}}', names['main.css'])
  .replace('{{theme}}', names['theme-first'])
  .replace('{{worker}}', names['worker'])
  .replace('{{script}}', names['main']);
if (/\{\{|undefined/.test(page)) throw new Error('index.html: a placeholder was not filled');
writeFileSync(join(out, 'index.html'), page);
