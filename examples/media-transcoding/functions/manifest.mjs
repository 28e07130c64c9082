// manifest: writes OUTPUT/master.m3u8, which names the playlists, and OUTPUT/manifest.json, which names everything, and
// drops the scratch folder (unless the input has keep: true).
// {input: {source, output, keep?}, execution, media, playlists, thumbnails} → {execution, manifest, master, renditions, thumbnails}.
import { rename, rm, writeFile } from 'node:fs/promises';
import { relative } from 'node:path';

// Under another name first, so that what bears the name is whole.
async function write(path, text) {
  const part = `${path}.${process.pid}.part`;
  await writeFile(part, text);
  await rename(part, path);
}

export async function handler({ input: { source, output, keep }, execution, media, playlists, thumbnails }) {
  const inside = (path) => relative(output, path);
  const renditions = playlists.map((one) => ({ ...one, playlist: inside(one.playlist) }));
  const master = renditions.map((one) => `#EXT-X-STREAM-INF:BANDWIDTH=${one.bandwidth},RESOLUTION=${one.width}x${one.height}\n${one.playlist}\n`);
  const manifest = { source, execution, media, master: 'master.m3u8', renditions, thumbnails: thumbnails.map(inside) };
  await write(`${output}/master.m3u8`, `#EXTM3U\n#EXT-X-VERSION:3\n${master.join('')}`);
  await write(`${output}/manifest.json`, `${JSON.stringify(manifest, null, 2)}\n`);
  if (!keep)
    await rm(`${output}/scratch`, { recursive: true, force: true });
  return {
    execution,
    manifest: `${output}/manifest.json`,
    master: `${output}/master.m3u8`,
    renditions: renditions.map((one) => one.playlist),
    thumbnails: thumbnails.map(inside),
  };
}
