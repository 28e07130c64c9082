// The usual ground of a file of tests: one server, one browser, some machines; `open` closes the page of the test before.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Browser, Server } from './harness.mjs';
import { ORDER_CONFIGURATION } from './machines.mjs';

export async function ground(options, server = new Server(options.ratchet, { configuration: ORDER_CONFIGURATION })) {
  await server.start();
  const browser = await new Browser().start();
  const made = {
    server,
    browser,
    shown: null,
    block: join(server.folder, 'block'), // while this file is there, shipments fail
    async open(path, viewport) {
      await made.shown?.close();
      made.shown = await browser.page(path.startsWith('http') ? path : server.url + path, { viewport });
      return made.shown;
    },
    async end() {
      await browser.stop();
      await server.stop();
    },
  };
  writeFileSync(made.block, '');
  return made;
}

export const items = (count, more = () => ({})) => Array.from({ length: count }, (_, index) => ({ sku: `A${index}`, ...more(index) }));

// An order that fails at Ship (block there) or succeeds.
export const orderInput = (made, more = {}) => ({ total: 10, kg: 3, items: items(4, (index) => (index % 2 ? { fragile: true } : { fragile: false })), block: made.block, ...more });
export const NO_BLOCK = '/nonexistent/block';
