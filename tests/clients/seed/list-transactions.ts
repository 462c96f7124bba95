// Transaction History, Basic Listing: list-transactions.ts
import { SDK } from "@bloque/sdk";

import { assert, buy, config, deposit, newSession, step } from "../house.js";

const { session } = await newSession();
const { urn, lastFour, id: cardId } = await session.accounts.card.create({ name: "Card" });
await deposit(urn, "100000000");
const { id } = await buy(urn, { id: `ctx-${cardId}`, amount: "50.00" });
await step(id, "capture");
await step(id, "refund", "25.00");

const bloque = new SDK(config);
const movements = await bloque.accounts.card.movements({
  urn,
  asset: "DUSD/6",
});

movements.forEach((transaction) => {
  console.log(`${transaction.direction.toUpperCase()}: ${transaction.amount}`);
  console.log(`Date: ${transaction.created_at}`);

  if (transaction.details?.metadata?.merchant_name) {
    console.log(`Merchant: ${transaction.details.metadata.merchant_name}`);
  }
});

assert.deepEqual(
  movements.map(({ direction, amount, type, status, rail_name }) => [direction, amount, type, status, rail_name]),
  [
    ["in", "25000000", "deposit", "confirmed", "card"],
    ["out", "50000000", "withdraw", "confirmed", "card"],
    ["in", "100000000", "deposit", "confirmed", "external"],
  ],
);
assert.deepEqual(movements.data, [...movements], "as an array and as .data");
const [refund, capture] = movements.data;
const details = capture!.details!.metadata!;
for (const [name, value] of Object.entries({
  merchant_name: "AMAZON.COM", merchant_mcc: "5411", merchant_id: "m-1", merchant_city: "Seattle",
  merchant_country: "USA", local_amount: "50.00", local_currency: "USD", selected_asset: "DUSD/6",
  original_transaction_id: `ctx-${cardId}`, transaction_type: "PURCHASE", operation_type: "capture",
  card_id: cardId, card_last_four: lastFour,
})) {
  assert.equal(details[name], value, name);
}
assert.ok(Object.values(details).every((value) => typeof value === "string"));
assert.equal(refund!.details!.metadata!.transaction_type, "REFUND");
assert.equal(capture!.from_account_id, urn);
assert.equal(refund!.to_account_id, urn);

// What is held.
const held = await buy(urn, { amount: "5.00" });
assert.equal(held.status, "approved");
const [hold] = await bloque.accounts.card.movements({ urn, asset: "DUSD/6", pocket: "pending" });
assert.deepEqual([hold!.status, hold!.amount], ["pending", "5000000"]);
assert.equal(hold!.details!.metadata!.local_to_usd_rate, "1");
assert.equal(hold!.details!.metadata!.usd_amount, "5.00");
// One line for each purchase.
const folded = await bloque.accounts.card.movements({ urn, collapsedView: true });
assert.deepEqual(
  folded.map(({ amount, status }) => [amount, status]),
  [["5000000", "pending"], ["25000000", "settled"], ["100000000", "confirmed"]],
);
