// Every method of every service of the client, one line each with what was seen.
import assert from "node:assert/strict";
import { createReadStream, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { CreateTransactionResponse } from "@blnkfinance/blnk-typescript/dist/src/types/transactions.js";

import {
  type Answered, type Json, apiKey, connect, done, finish, fresh, has, is, isId, isNow, line, refused, see, until, watched,
} from "./house.js";

const blnk = watched(connect(apiKey));
const { Ledgers, LedgerBalances, Transactions, BalanceMonitor, Reconciliation } = blnk;
const { Search, Identity, System, Metadata, Hooks, ApiKeys } = blnk;
type Transaction = CreateTransactionResponse<Json>;

/** The four amounts and what they come to; all in the smallest unit. */
async function balanceIs(id: string, [credit, debit, inCredit, inDebit]: [number, number, number, number]): Promise<string> {
  const { data } = await LedgerBalances.get(id);
  return has(data ?? {}, {
    balance: credit - debit, credit_balance: credit, debit_balance: debit,
    inflight_balance: inCredit - inDebit, inflight_credit_balance: inCredit, inflight_debit_balance: inDebit,
  });
}

/** A check of money after a step, as a line of its own kind. */
async function then(name: string, id: string, amounts: [number, number, number, number]): Promise<void> {
  try {
    await balanceIs(id, amounts);
  } catch (error) {
    await see(`${name}, balance after`, 200, () => LedgerBalances.get(id), () => { throw error; });
  }
}

await see("System.health", 200, () => System.health(), (it) => has(it, { status: "UP" }));

// Ledgers.
const name = fresh("USD Ledger");
const ledger = await see("Ledgers.create", 201, () => Ledgers.create({ name, meta_data: { team: "cards" } }),
  (it) => `${isId(it.ledger_id, "ldg_")}, ${is(it.name, name) && "its name"}, ${isNow(it.created_at)}, ${has(it, { meta_data: { team: "cards" } })}`);
await see("Ledgers.get", 200, () => Ledgers.get(ledger.ledger_id), (it) => `the same: ${is(it, ledger) && it.ledger_id.slice(0, 8)}`);
await see("Ledgers.update", 200, () => Ledgers.update(ledger.ledger_id, { name: `${name} 2` }),
  (it) => `${is(it.name, `${name} 2`) && "another name"}, ${has(it, { ledger_id: ledger.ledger_id, meta_data: { team: "cards" } }) && "else the same"}`);

// Identities.
const person = {
  identity_type: "individual" as const, first_name: "Jerry", last_name: "Paz", other_names: "J", gender: "male" as const,
  dob: new Date("1990-05-17T00:00:00Z"), email_address: "jerry@example.com", phone_number: "+15550100", nationality: "US",
  category: "customer", street: "1 Main", country: "US", state: "WA", post_code: "98101", city: "Seattle", meta_data: { tier: "gold" },
};
const told = { ...person, dob: "1990-05-17T00:00:00Z" };
const identity = await see("Identity.create", 201, () => Identity.create(person),
  (it) => `${isId(it.identity_id, "idt_")}, ${has(it, told) && "every field"}, ${isNow(it.created_at)}`);
await see("Identity.get", 200, () => Identity.get(identity.identity_id), (it) => `the same: ${has(it, { identity_id: identity.identity_id, ...told }) && "every field"}`);
await see("Identity.list", 200, () => Identity.list(), (all) => {
  assert.ok(all.some((one) => one.identity_id === identity.identity_id));
  return "an array, it is in it";
});
await see("Identity.update", 200, () => Identity.update(identity.identity_id, { ...person, city: "Tacoma" }), () => "changed");
await see("Identity.get, after", 200, () => Identity.get(identity.identity_id), (it) => has(it, { city: "Tacoma", first_name: "Jerry" }));
await see("Identity.tokenizeField", done, () => Identity.tokenizeField(identity.identity_id, "FirstName"), (it) => is(typeof it.message, "string") && "a message");
await see("Identity.tokenize", done, () => Identity.tokenize(identity.identity_id, { fields: ["EmailAddress", "PhoneNumber"] }),
  (it) => is(typeof it.message, "string") && "a message");
await see("Identity.getTokenizedFields", 200, () => Identity.getTokenizedFields(identity.identity_id),
  (it) => String(is([...it.tokenized_fields].sort(), ["EmailAddress", "FirstName", "PhoneNumber"])));
await see("Identity.get, tokenized", 200, () => Identity.get(identity.identity_id), (it) => {
  assert.notEqual(it.first_name, "Jerry");
  assert.notEqual(it.email_address, person.email_address);
  return `tokens in their place, ${has(it, { last_name: "Paz" })}`;
});
await see("Identity.detokenizeField", 200, () => Identity.detokenizeField(identity.identity_id, "FirstName"), (it) => has(it, { field: "FirstName", value: "Jerry" }));
await see("Identity.detokenize", done, () => Identity.detokenize(identity.identity_id, { fields: ["EmailAddress"] }), (it) => has(it, { fields: { EmailAddress: person.email_address } }));
await see("Identity.detokenize, all", done, () => Identity.detokenize(identity.identity_id, { fields: [] }),
  (it) => has(it.fields, { FirstName: "Jerry", EmailAddress: person.email_address, PhoneNumber: person.phone_number }));

// Balances.
const card = await see("LedgerBalances.create", 201,
  () => LedgerBalances.create({ ledger_id: ledger.ledger_id, currency: "USD", identity_id: identity.identity_id, meta_data: { card_state: "ACTIVE" } }),
  (it) => `${isId(it.balance_id, "bln_")}, zero, ${has(it, {
    balance: 0, credit_balance: 0, debit_balance: 0, inflight_balance: 0, inflight_credit_balance: 0, inflight_debit_balance: 0,
    ledger_id: ledger.ledger_id, identity_id: identity.identity_id, currency: "USD", meta_data: { card_state: "ACTIVE" },
  }) && "every field"}, ${isNow(it.created_at)}`);
const shop = await see("LedgerBalances.create, plain", 201, () => LedgerBalances.create({ ledger_id: ledger.ledger_id, currency: "USD" }),
  (it) => has(it, { currency: "USD" }));
const before = new Date().toISOString();
await see("LedgerBalances.get", 200, () => LedgerBalances.get(card.balance_id), (it) => `${has(it, { balance_id: card.balance_id, balance: 0, currency: "USD" }) && "the same"}`);

// Transactions.
const about = { precision: 100, currency: "USD" };
/** What is common to every answer. */
function transaction(it: Transaction, expected: Json): string {
  isId(it.transaction_id, "txn_");
  isNow(it.created_at);
  assert.match(it.hash, /^[0-9a-f]{64}$/);
  return has(it, { currency: "USD", precision: 100, ...expected });
}
const reference = fresh("fund");
const funded = await see("Transactions.create", 201, () => Transactions.create({
  ...about, amount: 1000, reference, description: "Funding", source: "@World", destination: card.balance_id, allow_overdraft: true, meta_data: { channel: "wire" },
}), (it) => {
  is(Number(it.precise_amount), 100_000);
  return transaction(it, {
    amount: 1000, reference, description: "Funding", status: "APPLIED", parent_transaction: "", destination: card.balance_id,
    allow_overdraft: true, inflight: false, meta_data: { channel: "wire" },
  });
});
await then("Transactions.create", card.balance_id, [100_000, 0, 0, 0]);
await see("Transactions.get", 200, () => Transactions.get(funded.transaction_id), (it) => transaction(it, { transaction_id: funded.transaction_id, status: "APPLIED", amount: 1000 }));
await see("Transactions.getByReference", 200, () => Transactions.getByReference(reference), (it) => transaction(it, { transaction_id: funded.transaction_id, reference }));
await see("Transactions.getLineage", 200, () => Transactions.getLineage(funded.transaction_id), (it) => {
  is(it.shadow_transactions?.length ?? 0, 0);
  return has(it, { transaction_id: funded.transaction_id });
});
await see("LedgerBalances.getByIndicator", 200, () => LedgerBalances.getByIndicator("@World", "USD"),
  (it) => has(it, { indicator: "@World", currency: "USD", balance: -100_000, debit_balance: 100_000, credit_balance: 0, ledger_id: "general_ledger_id" }));
await see("Transactions.create, cents", 201, () => Transactions.create({
  ...about, amount: 0.29, reference: fresh("cents"), description: "", source: card.balance_id, destination: shop.balance_id, skip_queue: true,
}), (it) => `${is(Number(it.precise_amount), 29)} of 0.29, ${transaction(it, { amount: 0.29, status: "APPLIED", source: card.balance_id })}`);
await see("Transactions.create, precise_amount", 201, () => Transactions.create({
  ...about, precise_amount: "71", reference: fresh("precise"), description: "", source: card.balance_id, destination: shop.balance_id, effective_date: "2024-04-22T15:28:03+00:00",
}), (it) => {
  is(Date.parse(String(it.effective_date)), Date.parse("2024-04-22T15:28:03Z"));
  return `${is(Number(it.precise_amount), 71)} as given, its effective date`;
});
await then("Transactions.create, precise_amount", shop.balance_id, [100, 0, 0, 0]);
await see("Transactions.create, rejected", 201, () => Transactions.create({
  ...about, amount: 5000, reference: fresh("much"), description: "", source: card.balance_id, destination: shop.balance_id,
}), (it) => {
  assert.ok(Object.values(it.meta_data ?? {}).some((why) => /insufficient/i.test(String(why))), JSON.stringify(it.meta_data));
  return `${transaction(it, { status: "REJECTED" })}, the reason in meta_data`;
});
const overdraft = { ...about, amount: 10, reference: fresh("owe"), description: "", source: shop.balance_id, destination: card.balance_id, allow_overdraft: true, overdraft_limit: 20 };
await see("Transactions.create, overdraft_limit", 201, () => Transactions.create(overdraft), (it) => transaction(it, { status: "APPLIED", overdraft_limit: 20 }));
await then("Transactions.create, overdraft_limit", shop.balance_id, [100, 1000, 0, 0]);
await see("Transactions.create, split", 201, () => Transactions.create({
  ...about, amount: 100, reference: fresh("split"), description: "", source: card.balance_id,
  destinations: [{ identifier: shop.balance_id, distribution: "20%" }, { identifier: "@Fees", distribution: "12.50" }, { identifier: "@Rest", distribution: "left", narration: "what is left" }],
}), (it) => {
  is(it.destinations?.length, 3);
  return transaction(it, { status: "APPLIED", amount: 100, source: card.balance_id });
});
await see("LedgerBalances.getByIndicator, after a split", 200, () => LedgerBalances.getByIndicator("@Fees", "USD"), (it) => has(it, { balance: 1250 }));
await see("LedgerBalances.getByIndicator, the rest", 200, () => LedgerBalances.getByIndicator("@Rest", "USD"), (it) => has(it, { balance: 6750 }));
await then("Transactions.create, split", card.balance_id, [101_000, 10_100, 0, 0]);
await see("Transactions.create, several sources", 201, () => Transactions.create({
  ...about, precise_amount: "1000", reference: fresh("join"), description: "", destination: card.balance_id, atomic: true,
  sources: [{ identifier: "@Fees", precise_distribution: "600" }, { identifier: "@Rest", precise_distribution: 400 }],
}), (it) => transaction(it, { status: "APPLIED", destination: card.balance_id, amount: 10 }));
await then("Transactions.create, several sources", card.balance_id, [102_000, 10_100, 0, 0]);
const tomorrow = new Date(Date.now() + 86_400_000);
await see("Transactions.create, scheduled", 201, () => Transactions.create({
  ...about, amount: 1, reference: fresh("later"), description: "", source: card.balance_id, destination: shop.balance_id, scheduled_for: tomorrow,
}), (it) => {
  is(Date.parse(String(it.scheduled_for)), Math.floor(tomorrow.getTime() / 1000) * 1000);
  return transaction(it, { status: "SCHEDULED" });
}, "");

// Inflight.
const hold = { ...about, inflight: true, description: "Purchase", source: card.balance_id, destination: shop.balance_id, meta_data: { merchant_name: "Store ABC" } };
const held = await see("Transactions.create, inflight", 201, () => Transactions.create({ ...hold, amount: 250, reference: fresh("hold") }),
  (it) => transaction(it, { status: "INFLIGHT", inflight: true, meta_data: { merchant_name: "Store ABC" } }));
const child = "Txn.CreateTransactionResponse<Any>";
await see("Transactions.updateStatus, part", 200, () => Transactions.updateStatus(held.transaction_id, { status: "commit", amount: 100 }), (it) => {
  assert.notEqual(it.transaction_id, held.transaction_id);
  return `${transaction(it as Transaction, { parent_transaction: held.transaction_id, amount: 100 })}, ${it.status}`;
}, child);
await then("Transactions.updateStatus, part", shop.balance_id, [12_100, 1000, 15_000, 0]);
await see("Transactions.updateStatus", 200, () => Transactions.updateStatus(held.transaction_id, { status: "commit", precise_amount: "15000", skip_queue: true }), (it) => {
  is(Number(it.precise_amount), 15_000);
  return `${transaction(it as Transaction, { parent_transaction: held.transaction_id, amount: 150 })}, ${it.status}`;
}, child);
await then("Transactions.updateStatus", shop.balance_id, [27_100, 1000, 0, 0]);
await see("Transactions.get, committed", 200, () => Transactions.get(held.transaction_id), (it) => String(is(["COMMIT", "INFLIGHT", "APPLIED"].includes(it.status), true) && it.status));
const let_go = await see("Transactions.create, to void", 201, () => Transactions.create({ ...hold, amount: 40, reference: fresh("void") }), (it) => transaction(it, { status: "INFLIGHT" }));
await see("Transactions.updateStatus, void", 200, () => Transactions.updateStatus(let_go.transaction_id, { status: "void" }), (it) => {
  return transaction(it as Transaction, { status: "VOID", parent_transaction: let_go.transaction_id, amount: 40 });
}, child);
await then("Transactions.updateStatus, void", card.balance_id, [102_000, 35_100, 0, 0]);
const sale = await see("Transactions.create, to refund", 201, () => Transactions.create({ ...about, amount: 5, reference: fresh("sale"), description: "", source: card.balance_id, destination: shop.balance_id }),
  (it) => transaction(it, { status: "APPLIED" }));
await see("Transactions.refund", done, () => Transactions.refund(sale.transaction_id), (it) =>
  transaction(it as Transaction, { source: shop.balance_id, destination: card.balance_id, amount: 5, status: "APPLIED", parent_transaction: sale.transaction_id }), child);
await then("Transactions.refund", card.balance_id, [102_500, 35_600, 0, 0]);

// Many at once.
const one = (amount: number): Parameters<typeof Transactions.create>[0] => ({ ...about, amount, reference: fresh("bulk"), description: "", source: card.balance_id, destination: shop.balance_id });
const first = await see("Transactions.create, for a bulk", 201, () => Transactions.create({ ...one(1), inflight: true }), (it) => transaction(it, { status: "INFLIGHT" }));
const second = await see("Transactions.create, for a bulk", 201, () => Transactions.create({ ...one(2), inflight: true }), (it) => transaction(it, { status: "INFLIGHT" }));
await see("Transactions.bulkCommitInflight", 200, () => Transactions.bulkCommitInflight({
  transactions: [{ transaction_id: first.transaction_id }, { transaction_id: sale.transaction_id }], skip_queue: true,
}), (it) => {
  is(it.results[0], { transaction_id: first.transaction_id, status: "succeeded" });
  return `${has(it, { succeeded: 1, failed: 1 })}, ${has(it.results[1] ?? {}, { transaction_id: sale.transaction_id, status: "failed", code: "TXN_NOT_INFLIGHT" })}`;
});
await see("Transactions.bulkVoidInflight", 200, () => Transactions.bulkVoidInflight({ transaction_ids: [second.transaction_id] }), (it) => has(it, { succeeded: 1, failed: 0 }));
await see("Transactions.createBulk", done, () => Transactions.createBulk({ atomic: true, transactions: [one(1), one(2), one(3)] }),
  (it) => `${isId(it.batch_id, "bulk_")}, ${has(it, { status: "applied", transaction_count: 3 })}`);
await then("Transactions.createBulk", card.balance_id, [102_500, 36_300, 0, 0]);
const batch = await see("Transactions.createBulk, inflight", done, () => Transactions.createBulk({ atomic: true, inflight: true, transactions: [one(4), one(5)] }),
  (it) => has(it, { status: "inflight", transaction_count: 2 }));
await then("Transactions.createBulk, inflight", card.balance_id, [102_500, 36_300, 0, 900]);
await see("Transactions.updateStatus, a batch", 200, () => Transactions.updateStatus(batch.batch_id, { status: "commit" }), () => "committed whole", "");
await then("Transactions.updateStatus, a batch", card.balance_id, [102_500, 37_200, 0, 0]);
await see("Transactions.createBulk, run_async", done, () => Transactions.createBulk({ run_async: true, transactions: [one(1)] }),
  (it) => `${isId(it.batch_id, "bulk_")}, ${it.status}`);
await until("the background batch", () => LedgerBalances.get(card.balance_id), (it) => it.debit_balance === 37_300);
const brief = new Date(Date.now() + 2000);
const expiring = await see("Transactions.create, inflight_expiry_date", 201, () => Transactions.create({ ...hold, amount: 3, reference: fresh("brief"), inflight_expiry_date: brief }),
  (it) => transaction(it, { status: "INFLIGHT" }));
await then("Transactions.create, inflight_expiry_date", card.balance_id, [102_500, 37_300, 0, 300]);
await see("Transactions.recoverQueue", done, () => Transactions.recoverQueue({ threshold: "5m" }), (it) => has(it, { recovered: 0, threshold: "5m0s" }));
await until("the expiry", () => Transactions.get(expiring.transaction_id), (it) => ["EXPIRED", "VOID"].includes(it.status));
await see("Transactions.get, after inflight_expiry_date", 200, () => Transactions.get(expiring.transaction_id), (it) => it.status);
await then("Transactions.get, after inflight_expiry_date", card.balance_id, [102_500, 37_300, 0, 0]);

// Balances, again.
const now = new Date().toISOString();
await see("LedgerBalances.getAt", 200, () => LedgerBalances.getAt(card.balance_id, { timestamp: now, from_source: true }), (it) => {
  is(it.from_source, true);
  is(["balance", "credit_balance", "debit_balance"].map((field) => Number(it.balance[field as "balance"])), [65_200, 102_500, 37_300]);
  return has(it.balance, { balance_id: card.balance_id, currency: "USD" });
});
await see("LedgerBalances.getAt, before money came", 200, () => LedgerBalances.getAt(card.balance_id, { timestamp: before }), (it) =>
  `${is(["balance", "credit_balance", "debit_balance"].map((field) => Number(it.balance[field as "balance"])), [0, 0, 0]) && "zero"}`);
await see("LedgerBalances.get, from_source", 200, () => LedgerBalances.get(card.balance_id, { from_source: true }), (it) => has(it, { balance: 65_200, credit_balance: 102_500, debit_balance: 37_300 }));
await see("LedgerBalances.createSnapshot", done, () => LedgerBalances.createSnapshot({ batch_size: 500 }), (it) => is(typeof it.message, "string") && "a message");
const tracked = await see("LedgerBalances.create, lineage", 201, () => LedgerBalances.create({
  ledger_id: ledger.ledger_id, currency: "USD", identity_id: identity.identity_id, track_fund_lineage: true, allocation_strategy: "LIFO",
}), (it) => has(it, { track_fund_lineage: true, allocation_strategy: "LIFO" }));
await see("Transactions.create, of a provider", 201, () => Transactions.create({
  ...about, amount: 7, reference: fresh("stripe"), description: "", source: "@World", destination: tracked.balance_id, allow_overdraft: true, meta_data: { BLNK_LINEAGE_PROVIDER: "stripe" },
}), (it) => transaction(it, { status: "APPLIED" }));
await see("LedgerBalances.getLineage", 200, () => LedgerBalances.getLineage(tracked.balance_id), (it) => {
  is(Number(it.total_with_lineage), 700);
  return has(it.providers[0] ?? {}, { provider: "stripe" }) && "700 of stripe";
});
const heir = await see("Identity.create, an organization", 201, () => Identity.create({ identity_type: "organization", organization_name: "Acme" }), (it) => has(it, { organization_name: "Acme" }));
await see("LedgerBalances.updateIdentity", 200, () => LedgerBalances.updateIdentity(shop.balance_id, { identity_id: heir.identity_id }), (it) => is(typeof it.message, "string") && "a message");
await see("LedgerBalances.get, its identity", 200, () => LedgerBalances.get(shop.balance_id), (it) => has(it, { identity_id: heir.identity_id }) && "the other");

// Metadata.
for (const [what, id] of [["a ledger", ledger.ledger_id], ["a transaction", sale.transaction_id], ["an identity", heir.identity_id]] as const) {
  await see(`Metadata.update, ${what}`, done, () => Metadata.update(id, { meta_data: { seen: true } }), (it) => has(it.meta_data, { seen: true }));
}
await see("Metadata.update", done, () => Metadata.update(card.balance_id, { meta_data: { card_state: "BLOCKED", deep: { a: 1 } } }),
  (it) => has(it.meta_data, { card_state: "BLOCKED", deep: { a: 1 } }));
await see("Metadata.update, merged deeply", done, () => Metadata.update(card.balance_id, { meta_data: { deep: { b: 2 } } }),
  (it) => has(it.meta_data, { card_state: "BLOCKED", deep: { a: 1, b: 2 } }));
await see("LedgerBalances.get, its metadata", 200, () => LedgerBalances.get(card.balance_id), (it) => has(it, { meta_data: { card_state: "BLOCKED", deep: { a: 1, b: 2 } } }));

// Search and filters.
const lists = [["ledgers", "name", name], ["balances", "balance_id", card.balance_id], ["transactions", "reference", reference], ["identities", "last_name", "Paz"]] as const;
const documents = { ledgers: "Search.SearchLedgerDocument", balances: "Search.SearchBalanceDocument", transactions: "Search.SearchTransactionDocument", identities: "Search.SearchIdentityDocument" };
for (const [collection, field, q] of lists) {
  const asked = { q, query_by: field, per_page: 5 };
  await until(`${q} in ${collection}`, () => Search.search(asked, collection), (it) => it.found >= 1).catch((error) => line(`Search.search, ${collection}`, String(error)));
  await see(`Search.search, ${collection}`, done, () => Search.search(asked, collection), (it) => {
    const document = it.hits[0]?.document as unknown as Json;
    assert.ok(String(document[field]).includes(q), `${field} ${String(document[field])}`);
    assert.equal(typeof document.created_at, "number");
    assert.equal(it.request_params.q, q);
    return `${has(it, { page: 1 })}, found ${it.found} of ${it.out_of}, Unix seconds`;
  }, `Search.SearchResponse<${documents[collection]}>`);
}
await see("Search.search, filter_by and sort_by", done, () => Search.search({ q: "*", filter_by: "currency:=USD && status:=APPLIED", sort_by: "created_at:asc", per_page: 2 }, "transactions"), (it) => {
  is(it.hits.length, 2);
  is(it.hits.map((hit) => hit.document.status), ["APPLIED", "APPLIED"]);
  const [a, b] = it.hits.map((hit) => hit.document.created_at);
  assert.ok((a ?? 0) <= (b ?? 0));
  return `2 of ${it.found}, oldest first`;
}, "Search.SearchResponse<Search.SearchTransactionDocument>");
await see("Search.search, amounts", done, () => Search.search({ q: card.balance_id, query_by: "balance_id" }, "balances"), (it) =>
  has(it.hits[0]?.document ?? {}, { balance: "65200", credit_balance: "102500", debit_balance: "37300" }), "Search.SearchResponse<Search.SearchBalanceDocument>");
await see("Search.filter, ledgers", 200, () => Search.filter({ filters: [{ field: "name", operator: "eq", value: `${name} 2` }], include_count: true }, "ledgers"),
  (it) => `${is(it.data[0]?.ledger_id, ledger.ledger_id) && "it"}, ${has(it, { total_count: 1 })}`, "Search.FilterResponse<Ledger.CreateLedgerResp<Any>>");
await see("Search.filter, balances by metadata", 200, () => Search.filter({
  filters: [{ field: "meta_data.card_state", operator: "eq", value: "BLOCKED" }, { field: "currency", operator: "in", values: ["USD", "EUR"] }], logical_operator: "and", limit: 10, offset: 0, include_count: true,
}, "balances"), (it) => `${is(it.data[0]?.balance_id, card.balance_id) && "it"}, ${has(it, { total_count: 1 })}`, "Search.FilterResponse<Balances.CreateLedgerBalanceResp<Any>>");
await see("Search.filter", 200, () => Search.filter({
  filters: [{ field: "status", operator: "eq", value: "APPLIED" }, { field: "amount", operator: "between", values: [900, 1100] }], sort_by: "created_at", sort_order: "desc",
}, "transactions"), (it) => `${is(it.data.map((one) => one.reference), [reference]) && "the one between"}`, "Search.FilterResponse<Txn.CreateTransactionResponse<Any>>");
await see("Search.filter, identities", 200, () => Search.filter({ filters: [{ field: "organization_name", operator: "ilike", value: "%acme%" }] }, "identities"),
  (it) => String(is(it.data[0]?.identity_id, heir.identity_id) && "it"));
await see("Search.startReindex", done, () => Search.startReindex({ batch_size: 100 }), (it) => `${typeof it.message}, ${it.progress.status}`);
await until("the index made anew", () => Search.getReindexStatus(), (it) => /complete/i.test(it.status)).catch((error) => line("Search.getReindexStatus", String(error)));
await see("Search.getReindexStatus", 200, () => Search.getReindexStatus(), (it) => `${it.status}, ${it.processed_records} of ${it.total_records}`);

// Monitors.
const condition = { field: "balance", operator: ">", value: 10, precision: 100 } as const;
const monitor = await see("BalanceMonitor.create", 201, () => BalanceMonitor.create({ balance_id: card.balance_id, condition, description: "rich" }),
  (it) => `${isId(it.monitor_id, "mon_")}, ${has(it, { balance_id: card.balance_id, description: "rich" })}, ${has(it.condition, condition)}, ${isNow(it.created_at)}`);
await see("BalanceMonitor.get", 200, () => BalanceMonitor.get(monitor.monitor_id), (it) => has(it, { monitor_id: monitor.monitor_id, balance_id: card.balance_id }) && "the same");
await see("BalanceMonitor.list", 200, () => BalanceMonitor.list() as unknown as Promise<Answered<Json[]>>, (all) => {
  assert.ok(all.some((it) => it.monitor_id === monitor.monitor_id));
  return "an array, it is in it";
});
await see("BalanceMonitor.update", 200, () => BalanceMonitor.update(monitor.monitor_id, { balance_id: card.balance_id, condition: { ...condition, operator: "<=" }, description: "poor" }), () => "changed", "");
await see("BalanceMonitor.get, after", 200, () => BalanceMonitor.get(monitor.monitor_id), (it) => `${has(it, { description: "poor" })}, ${has(it.condition, { operator: "<=" })}`);
await see("BalanceMonitor.delete", 200, () => BalanceMonitor.delete(monitor.monitor_id), (it) => is(typeof it.message, "string") && "a message");
await refused("BalanceMonitor.get, deleted", 404, "BAL_MONITOR_NOT_FOUND", () => BalanceMonitor.get(monitor.monitor_id));

// Reconciliation: one line of the settlement file is ours, one is not. The trial first: what a run has
// matched is not matched again.
const file = join(tmpdir(), `${fresh("settlement")}.csv`);
writeFileSync(file, `id,amount,currency,reference,description,date,source
ext-1,1000,USD,${reference},Funding,${now},bank
ext-2,77,USD,nobody-knows-it,Other,${now},bank
`);
const rule = await see("Reconciliation.createMatchingRule", 201, () => Reconciliation.createMatchingRule({
  name: "By reference", description: "exact", criteria: [{ field: "reference", operator: "equals" }],
}), (it) => `${is(typeof it.rule_id, "string") && it.rule_id.slice(0, 5)}…, ${has(it, { name: "By reference" })}, ${isNow(it.created_at)}`);
await see("Reconciliation.updateMatchingRule", 200, () => Reconciliation.updateMatchingRule(rule.rule_id, {
  name: "Both", description: "exact", criteria: [{ field: "reference", operator: "equals" }, { field: "amount", operator: "equals", allowable_drift: 0.01 }],
}), (it) => `${has(it, { rule_id: rule.rule_id, name: "Both" }) && "changed"}, ${is(it.criteria.length, 2)} criteria`);
const upload = await see("Reconciliation.upload", done, () => Reconciliation.upload(file, "bank"), (it) => `${has(it, { record_count: 2, source: "bank" })}`);
await see("Reconciliation.upload, a stream", done, () => Reconciliation.upload(createReadStream(file), "bank"), (it) => has(it, { record_count: 2 }));
const instant = await see("Reconciliation.runInstant", done, () => Reconciliation.runInstant({
  external_transactions: [{ id: "e-1", amount: 1000, reference, currency: "USD", description: "Funding", date: now, source: "bank" }],
  strategy: "one_to_one", dry_run: true, matching_rule_ids: [rule.rule_id],
}), (it) => is(typeof it.reconciliation_id, "string") && "an id");
await until("the instant one", () => Reconciliation.get(instant.reconciliation_id), (it) => it.status === "completed").catch((error) => line("Reconciliation.get, instant", String(error)));
await see("Reconciliation.get, instant", 200, () => Reconciliation.get(instant.reconciliation_id), (it) => has(it, { matched_transactions: 1, unmatched_transactions: 0, is_dry_run: true }));
const run = await see("Reconciliation.run", done, () => Reconciliation.run({
  upload_id: upload.upload_id, strategy: "one_to_one", dry_run: false, grouping_criteria: "amount", matching_rule_ids: [rule.rule_id],
}), (it) => is(typeof it.reconciliation_id, "string") && `${it.reconciliation_id.slice(0, 6)}…`);
await until("the reconciliation", () => Reconciliation.get(run.reconciliation_id), (it) => it.status === "completed").catch((error) => line("Reconciliation.get", String(error)));
await see("Reconciliation.get", 200, () => Reconciliation.get(run.reconciliation_id), (it) =>
  has(it, { reconciliation_id: run.reconciliation_id, upload_id: upload.upload_id, status: "completed", matched_transactions: 1, unmatched_transactions: 1, is_dry_run: false }));
await see("Reconciliation.deleteMatchingRule", 200, () => Reconciliation.deleteMatchingRule(rule.rule_id), (it) => is(typeof it.message, "string") && "a message");

// Hooks; not active, for nobody listens.
const hook = { name: "audit", url: "https://hooks.example.com/blnk", type: "POST_TRANSACTION" as const, active: false, timeout: 5, retry_count: 2 };
const made = await see("Hooks.create", 201, () => Hooks.create(hook), (it) => `${is(typeof it.id, "string") && "an id"}, ${has(it, hook) && "every field"}, ${isNow(it.created_at)}`);
await see("Hooks.list", 200, () => Hooks.list({ type: "POST_TRANSACTION" }), (all) => String(is(all.map((it) => it.id), [made.id]).length));
await see("Hooks.list, of the other type", 200, () => Hooks.list({ type: "PRE_TRANSACTION" }), (all) => String(is(all, []).length));
await see("Hooks.get", 200, () => Hooks.get(made.id), (it) => has(it, { id: made.id, ...hook }) && "the same");
await see("Hooks.update", 200, () => Hooks.update(made.id, { ...hook, name: "audit 2", retry_count: 0 }), (it) => has(it, { id: made.id, name: "audit 2", retry_count: 0 }));
await see("Hooks.delete", 200, () => Hooks.delete(made.id), (it) => is(typeof it.message, "string") && "a message");
await refused("Hooks.get, deleted", 404, ["GEN_NOT_FOUND", "HOOK_NOT_FOUND"], () => Hooks.get(made.id));

// Keys.
const key = await see("ApiKeys.create", 201, () => ApiKeys.create({ name: "reader", owner: "jerry", scopes: ["ledgers:read"], expires_at: "2099-01-01T00:00:00Z" }), (it) => {
  assert.ok(it.key.length >= 32);
  is(Date.parse(it.expires_at), Date.parse("2099-01-01T00:00:00Z"));
  return `the key once, ${has(it, { name: "reader", owner_id: "jerry", scopes: ["ledgers:read"], is_revoked: false })}`;
});
await see("ApiKeys.list", 200, () => ApiKeys.list({ owner: "jerry" }), (all) => {
  const [it] = all;
  assert.notEqual(it?.key, key.key);
  return `${is(all.length, 1)}, ${has(it ?? {}, { api_key_id: key.api_key_id }) && "without the key"}`;
}, "");
const reader = connect(key.key);
await see("Ledgers.get, by that key", 200, () => reader.Ledgers.get(ledger.ledger_id), (it) => has(it, { ledger_id: ledger.ledger_id }) && "allowed");
await refused("Ledgers.create, by that key", 403, "AUTH_INSUFFICIENT_PERMISSIONS", () => reader.Ledgers.create({ name: "no" }));
{
  const answered = await ApiKeys.delete(key.api_key_id, { owner: "jerry" });
  await see("ApiKeys.delete", answered.status, async () => answered as Answered<unknown>, (it) => `${is([200, 204].includes(answered.status), true) && "revoked"}, ${JSON.stringify(it)}`, "");
}
await refused("Ledgers.get, by the revoked key", 401, "AUTH_INVALID_API_KEY", () => reader.Ledgers.get(ledger.ledger_id));

await see("Identity.delete", 200, () => Identity.delete(identity.identity_id), (it) => is(typeof it.message, "string") && "a message");
await refused("Identity.get, deleted", 404, ["GEN_NOT_FOUND", "IDT_NOT_FOUND"], () => Identity.get(identity.identity_id));

finish(blnk, process.argv[2]);
