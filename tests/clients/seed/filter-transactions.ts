// Transaction History, With Filters: filter-transactions.ts
import { SDK } from "@bloque/sdk";

import { assert, buy, config, deposit, newSession, step } from "../house.js";

const { session } = await newSession();
const { urn } = await session.accounts.card.create({ name: "Card" });
await deposit(urn, "100000000");
await deposit(urn, "7", "KSM/12");
const reference = `0xbff43fa587-${urn}`;
const { id } = await buy(urn, { id: reference, amount: "20.00" });
await step(id, "capture");
const soon = new Date(Date.now() + 60_000).toISOString();

const bloque = new SDK(config);
const recentIncoming = await bloque.accounts.card.movements({
  urn,
  asset: "DUSD/6",
  limit: 50,
  direction: "in",
  after: "2025-01-01T00:00:00Z",
});
assert.deepEqual(recentIncoming.map(({ amount }) => amount), ["100000000"]);
assert.equal(recentIncoming.pageSize, 50);
assert.equal(recentIncoming.hasMore, false);

const dateRange = await bloque.accounts.card.movements({
  urn,
  asset: "KSM/12",
  after: "2025-01-01T00:00:00Z",
  before: soon,
  limit: 100,
});
assert.deepEqual(dateRange.map(({ amount }) => amount), ["7"]);
const lastYear = await bloque.accounts.card.movements({ urn, asset: "KSM/12", before: "2025-12-31T23:59:59Z" });
assert.deepEqual([...lastYear], []);

const byReference = await bloque.accounts.card.movements({
  urn,
  asset: "DUSD/6",
  reference,
  pocket: "pending",
});
assert.deepEqual(byReference.map(({ amount, status }) => [amount, status]), [["20000000", "settled"]]);
