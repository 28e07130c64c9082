// charge and refund. The bank is a file: as long as out/bank-is-down is there, it does not answer.
import { appendFile, mkdir, open } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const out = join(dirname(dirname(fileURLToPath(import.meta.url))), 'out');

class BankDown extends Error { name = 'BankDown'; }
class CardDeclined extends Error { name = 'CardDeclined'; }

// As in shop.py: a name can be taken once. A real bank takes an idempotency key for the same purpose.
async function doOnce(order, action, note) {
  await mkdir(`${out}/orders/${order}`, { recursive: true });
  try {
    await (await open(`${out}/orders/${order}/${action}`, 'wx')).close();
  } catch (error) {
    if (error.code === 'EEXIST') return;
    throw error;
  }
  await appendFile(`${out}/ledger.txt`, `${order}: ${note}\n`);
}

export async function charge({ order, total, card }) {
  console.log(`charging ${total} for order ${order}`);
  if (existsSync(`${out}/bank-is-down`)) throw new BankDown('the bank answers 503');
  if (card === 'expired') throw new CardDeclined('the card has expired');
  await doOnce(order, 'charged', `charged ${total}`);
  return { payment: `payment-${order}` };
}

export async function refund({ order, total }) {
  await doOnce(order, 'refunded', `refunded ${total}`);
  return { refunded: total };
}
