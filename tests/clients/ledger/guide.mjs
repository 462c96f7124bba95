// Virtual cards on a ledger, step by step, with the Blnk client for TypeScript as it comes from npm.
import assert from "node:assert/strict";
import { BlnkInit } from "@blnkfinance/blnk-typescript";

const blnk = BlnkInit(process.env.KEY, { baseUrl: process.env.API });
const get = async (asked) => {
  const answer = await asked;
  if (!answer.data || answer.error) throw new Error(`${answer.status} ${answer.error?.code}: ${answer.message}`);
  return answer.data;
};

// 1. A ledger for all USD cards.
const ledger = await get(blnk.Ledgers.create({ name: "USD Ledger" }));

// 2. A balance is Jerry's card; what is stored of the card is masked. It is funded from the world.
const card = await get(blnk.LedgerBalances.create({
  ledger_id: ledger.ledger_id,
  currency: "USD",
  meta_data: {
    customer_name: "Jerry", customer_internal_id: "1234", card_state: "ACTIVE",
    card_number: "411111XXXXXX1111", card_expiry: "12/26", card_cvv: "XXX",
  },
}));
await get(blnk.Transactions.create({
  amount: 1000, precision: 100, currency: "USD", reference: `fund-${card.balance_id}`,
  description: "Card funding", source: "@World", destination: card.balance_id, allow_overdraft: true,
}));

/** What can be spent: without what is inflight. */
const available = async () => {
  const balance = await get(blnk.LedgerBalances.get(card.balance_id));
  return balance.balance - balance.inflight_debit_balance;
};
assert.equal(await available(), 100_000);

// 3. A purchase is authorized: the money is inflight, and not spendable twice.
const authorize = (reference, amount, merchant) => get(blnk.Transactions.create({
  amount, precision: 100, currency: "USD", reference: `${reference}-${card.balance_id}`, description: `Purchase at ${merchant}`,
  source: card.balance_id, destination: "@Merchants", inflight: true, meta_data: { merchant_name: merchant, status: "PENDING" },
}));
const purchase = await authorize("p-1", 250, "Store ABC");
assert.equal(purchase.status, "INFLIGHT");
assert.equal(await available(), 75_000);

// 4. Verified, it is approved: committed.
await get(blnk.Metadata.update(purchase.transaction_id, { meta_data: { status: "VERIFIED" } }));
await get(blnk.Transactions.updateStatus(purchase.transaction_id, { status: "commit" }));
const paid = await get(blnk.LedgerBalances.get(card.balance_id));
assert.deepEqual([paid.balance, paid.inflight_debit_balance], [75_000, 0]);

// 5. Another cannot be verified and is declined: voided.
const other = await authorize("p-2", 100, "Store XYZ");
await get(blnk.Metadata.update(other.transaction_id, { meta_data: { status: "DECLINED" } }));
await get(blnk.Transactions.updateStatus(other.transaction_id, { status: "void" }));
assert.equal(await available(), 75_000);

// The card's state is kept in its metadata.
const state = await get(blnk.Metadata.update(card.balance_id, { meta_data: { card_state: "BLOCKED" } }));
assert.equal(state.meta_data.card_state, "BLOCKED");
assert.equal(state.meta_data.customer_name, "Jerry");
const merchants = await get(blnk.LedgerBalances.getByIndicator("@Merchants", "USD"));
assert.equal(merchants.balance, 25_000);
console.log(`${card.balance_id}: ${(await available()) / 100} USD available, ${state.meta_data.card_state}`);
