// Transaction History, Pagination Example: paginate-transactions.ts
import { SDK } from "@bloque/sdk";
import type { Movement } from "@bloque/sdk";

import { assert, config, deposit, newSession } from "../house.js";

const { session } = await newSession();
const { urn: card } = await session.accounts.card.create({ name: "Card" });
for (let n = 1; n <= 23; n += 1) await deposit(card, String(n));
const bloque = new SDK(config);

async function getAllTransactions(cardUrn: string, asset: string, pageSize = 100): Promise<Movement[]> {
  const allMovements: Movement[] = [];
  let hasMore = true;
  let lastDate: string | undefined;

  while (hasMore) {
    const movements = await bloque.accounts.card.movements({
      urn: cardUrn,
      asset,
      limit: pageSize,
      before: lastDate,
    });

    allMovements.push(...movements.data);
    console.log(`Fetched ${movements.data.length} transactions`);
    await deposit(cardUrn, "1000"); // what arrives meanwhile moves nothing

    if (movements.data.length < pageSize) {
      hasMore = false;
    } else {
      lastDate = movements.data[movements.data.length - 1]!.created_at;
    }
  }

  return allMovements;
}

const expected = Array.from({ length: 23 }, (_, n) => String(23 - n));
const amounts = (all: Movement[]): string[] => all.map(({ amount }) => amount).filter((amount) => amount !== "1000");
assert.deepEqual(amounts(await getAllTransactions(card, "DUSD/6", 5)), expected);
assert.deepEqual(amounts(await getAllTransactions(card, "DUSD/6")), expected);

const byToken: Movement[] = [];
for (let next: string | undefined; ; ) {
  const page = await bloque.accounts.card.movements({ urn: card, limit: 4, next });
  byToken.push(...page.data);
  assert.equal(page.hasMore, page.next !== undefined);
  if (page.next === undefined) break;
  next = page.next;
}
assert.deepEqual(amounts(byToken), expected);
