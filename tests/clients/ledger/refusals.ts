// Every refusal that can be brought about, by its status and its code in `error_detail`.
import { type Answered, type Json, apiKey, connect, done, end, failed, fresh, line, plain, refused, see, unknown, watched } from "./house.js";

const blnk = watched(connect(apiKey));
const { Ledgers, LedgerBalances, Transactions, BalanceMonitor, Metadata, Hooks, ApiKeys, Identity, Reconciliation } = blnk;
type New = Parameters<typeof Transactions.create>[0];

const ledger = await see("Ledgers.create", 201, () => Ledgers.create({ name: fresh("Refusals") }), () => "made");
const open = (currency: string): ReturnType<typeof LedgerBalances.create> => LedgerBalances.create({ ledger_id: ledger.ledger_id, currency });
const a = await see("LedgerBalances.create", 201, () => open("USD"), () => "made");
const b = await see("LedgerBalances.create", 201, () => open("USD"), () => "made");
const euro = await see("LedgerBalances.create", 201, () => open("EUR"), () => "made");
const base = (more: Partial<New> = {}): New => ({
  amount: 10, precision: 100, currency: "USD", reference: fresh("r"), description: "", source: a.balance_id, destination: b.balance_id, skip_queue: true, ...more,
});
const make = (name: string, more: Partial<New> = {}): ReturnType<typeof Transactions.create> =>
  see(name, 201, () => Transactions.create(base(more)), () => "made").then((data) => ({ status: 201, message: "", data }) as Awaited<ReturnType<typeof Transactions.create>>);
const raw = (method: string, path: string, body: unknown, key?: string): (() => Promise<Answered<Json>>) =>
  () => plain(method, path, typeof body === "string" ? body : JSON.stringify(body), key);

// Keys.
await refused("AUTH_MISSING_API_KEY", 401, "AUTH_MISSING_API_KEY", () => connect("").Ledgers.get(ledger.ledger_id));
await refused("AUTH_INVALID_API_KEY", 401, "AUTH_INVALID_API_KEY", () => connect("nobodys-key").Ledgers.get(ledger.ledger_id));
const issue = (scopes: string[], expires_at = "2099-01-01T00:00:00Z"): ReturnType<typeof ApiKeys.create> =>
  ApiKeys.create({ name: "k", owner: "ana", scopes, expires_at });
const scoped = await see("ApiKeys.create", 201, () => issue(["ledgers:read", "api-keys:read", "api-keys:write"]), () => "made");
const small = connect(scoped.key);
await refused("AUTH_INSUFFICIENT_PERMISSIONS", 403, "AUTH_INSUFFICIENT_PERMISSIONS", () => small.Ledgers.create({ name: "no" }));
await refused("AUTH_MASTER_KEY_REQUIRED", 403, ["AUTH_MASTER_KEY_REQUIRED"], () => small.Hooks.list());
await refused("AUTH_SCOPE_ESCALATION", 403, "AUTH_SCOPE_ESCALATION", () => small.ApiKeys.create({ name: "more", owner: "ana", scopes: ["*:*"], expires_at: "2099-01-01T00:00:00Z" }));
await refused("AUTH_CROSS_OWNER_ACCESS", 403, "AUTH_CROSS_OWNER_ACCESS", () => small.ApiKeys.list({ owner: "somebody-else" }));
const soon = new Date(Date.now() + 2000).toISOString().replace(/\.\d+Z$/, "Z");
const brief = await see("ApiKeys.create, for a moment", 201, () => issue(["ledgers:read"], soon), () => "made");
await refused("AUTH_EXPIRED_API_KEY", 401, "AUTH_EXPIRED_API_KEY", async () => {
  for (const end = Date.now() + 30_000; ; ) {
    const answered = await connect(brief.key).Ledgers.get(ledger.ledger_id);
    if (answered.status !== 200 || Date.now() > end) return answered;
    await new Promise((ready) => setTimeout(ready, 50));
  }
});
await refused("APIKEY_NOT_FOUND", 404, "APIKEY_NOT_FOUND", () => ApiKeys.delete(unknown("key_"), { owner: "ana" }));
await refused("APIKEY_OWNER_REQUIRED", 400, "APIKEY_OWNER_REQUIRED", raw("POST", "api-keys", { name: "k", owner: "", scopes: ["ledgers:read"], expires_at: "2099-01-01T00:00:00Z" }));
await refused("APIKEY_INVALID", 400, ["APIKEY_INVALID"], () => issue(["nonsense"]));

// Requests that cannot be read.
await refused("GEN_MALFORMED_REQUEST", 400, "GEN_MALFORMED_REQUEST", raw("POST", "ledgers", "{"));
await refused("GEN_VALIDATION_ERROR", 400, "GEN_VALIDATION_ERROR", () => Ledgers.create({ name: "" }));
await refused("a field that is missing", 400, ["GEN_MISSING_PARAMETER", "GEN_VALIDATION_ERROR", "GEN_MALFORMED_REQUEST"], raw("POST", "ledgers", {}));
await refused("a wrong type", 400, ["GEN_MALFORMED_REQUEST", "GEN_VALIDATION_ERROR"], raw("POST", "ledgers", { name: 5 }));

// Things that are not there.
await refused("LGR_NOT_FOUND", 404, "LGR_NOT_FOUND", () => Ledgers.get(unknown("ldg_")));
await refused("LGR_NOT_FOUND, of a new balance", 404, "LGR_NOT_FOUND", () => LedgerBalances.create({ ledger_id: unknown("ldg_"), currency: "USD" }));
await refused("BAL_NOT_FOUND", 404, "BAL_NOT_FOUND", () => LedgerBalances.get(unknown("bln_")));
await refused("BAL_NOT_FOUND, by indicator", 404, "BAL_NOT_FOUND", () => LedgerBalances.getByIndicator("@Nobody", "USD"));
await refused("BAL_NOT_FOUND, of a transaction", 404, "BAL_NOT_FOUND", () => Transactions.create(base({ destination: unknown("bln_") })));
await refused("TXN_NOT_FOUND", 404, "TXN_NOT_FOUND", () => Transactions.get(unknown("txn_")));
await refused("TXN_NOT_FOUND, by reference", 404, "TXN_NOT_FOUND", () => Transactions.getByReference(fresh("nobody")));
await refused("TXN_NOT_FOUND, of a refund", 404, "TXN_NOT_FOUND", () => Transactions.refund(unknown("txn_")));
await refused("TXN_NOT_FOUND, of a commit", 404, "TXN_NOT_FOUND", () => Transactions.updateStatus(unknown("txn_"), { status: "commit" }));
await refused("BAL_MONITOR_NOT_FOUND", 404, "BAL_MONITOR_NOT_FOUND", () => BalanceMonitor.get(unknown("mon_")));
await refused("no such identity", 404, ["GEN_NOT_FOUND", "IDT_NOT_FOUND"], () => Identity.get(unknown("idt_")));
await refused("no such hook", 404, ["GEN_NOT_FOUND", "HOOK_NOT_FOUND"], () => Hooks.get("nobody"));
await refused("no such reconciliation", 404, ["GEN_NOT_FOUND", "RECON_NOT_FOUND"], () => Reconciliation.get(unknown("recon_")));
await refused("no such rule", 404, ["GEN_NOT_FOUND", "RECON_RULE_NOT_FOUND"], () => Reconciliation.deleteMatchingRule(unknown("rule_")));
await refused("no such thing to note on", 404, ["GEN_NOT_FOUND", "META_ENTITY_NOT_FOUND", "LGR_NOT_FOUND"], () => Metadata.update(unknown("ldg_"), { meta_data: { a: 1 } }));
await refused("GEN_NOT_FOUND, nothing that has metadata", 404, "GEN_NOT_FOUND", () => Metadata.update("xyz_1", { meta_data: { a: 1 } }));

// Balances at a time.
await refused("BAL_INVALID_TIMESTAMP", 400, "BAL_INVALID_TIMESTAMP", () => LedgerBalances.getAt(a.balance_id, { timestamp: "yesterday" }));
await refused("BAL_HISTORY_NOT_FOUND", 404, "BAL_HISTORY_NOT_FOUND", () => LedgerBalances.getAt(a.balance_id, { timestamp: "2001-01-01T00:00:00Z" }));
await refused("BAL_VALIDATION_ERROR", 400, ["BAL_VALIDATION_ERROR"], () => LedgerBalances.create({ ledger_id: ledger.ledger_id, currency: "USD", track_fund_lineage: true }));

// Transactions.
await refused("TXN_INSUFFICIENT_FUNDS", 400, "TXN_INSUFFICIENT_FUNDS", () => Transactions.create(base()));
await make("money", { source: "@World", destination: a.balance_id, amount: 100, allow_overdraft: true });
const owed = { ...base({ amount: 200, allow_overdraft: true }), overdraft_limit: 50 };
await refused("TXN_INSUFFICIENT_FUNDS, past the limit", 400, "TXN_INSUFFICIENT_FUNDS", () => Transactions.create(owed));
const amounts: [string, unknown][] = [["below zero", -5], ["zero", 0], ["a fraction of a cent", 0.001]];
for (const [what, amount] of amounts) {
  await refused(`TXN_INVALID_AMOUNT, ${what}`, 400, ["TXN_INVALID_AMOUNT", "TXN_VALIDATION_ERROR"], raw("POST", "transactions", { ...base(), amount }));
}
await refused("amounts that disagree", 400, ["TXN_INVALID_AMOUNT", "TXN_VALIDATION_ERROR"], raw("POST", "transactions", { ...base(), amount: 10, precise_amount: 1001 }));
await refused("TXN_PRECISION_NOT_INTEGER", 400, "TXN_PRECISION_NOT_INTEGER", () => Transactions.create(base({ precision: 1.5 })));
const split = (destinations: unknown): Json => ({ ...base(), destination: undefined, destinations });
await refused("TXN_INVALID_DISTRIBUTION", 400, "TXN_INVALID_DISTRIBUTION", raw("POST", "transactions", split([{ identifier: b.balance_id, distribution: "30%" }, { identifier: "@X", distribution: "1.00" }])));
await refused("TXN_INVALID_DISTRIBUTION, too much", 400, "TXN_INVALID_DISTRIBUTION", raw("POST", "transactions", split([{ identifier: b.balance_id, distribution: "20" }, { identifier: "@X", distribution: "left" }])));
await refused("TXN_INVALID_DISTRIBUTION, left twice", 400, "TXN_INVALID_DISTRIBUTION", raw("POST", "transactions", split([{ identifier: b.balance_id, distribution: "left" }, { identifier: "@X", distribution: "left" }])));
await refused("TXN_VALIDATION_ERROR, another currency", 400, "TXN_VALIDATION_ERROR", () => Transactions.create(base({ destination: euro.balance_id })));
await refused("TXN_VALIDATION_ERROR, no reference", 400, ["TXN_VALIDATION_ERROR", "GEN_VALIDATION_ERROR", "GEN_MISSING_PARAMETER"], raw("POST", "transactions", { ...base(), reference: "" }));
await refused("TXN_VALIDATION_ERROR, no source", 400, ["TXN_VALIDATION_ERROR", "GEN_VALIDATION_ERROR", "GEN_MISSING_PARAMETER"], raw("POST", "transactions", { ...base(), source: undefined }));
const reference = fresh("once");
await make("a reference", { reference });
await refused("TXN_DUPLICATE_REFERENCE", 409, "TXN_DUPLICATE_REFERENCE", () => Transactions.create(base({ reference })));
const applied = (await make("applied")).data;
await refused("TXN_NOT_INFLIGHT", 400, "TXN_NOT_INFLIGHT", () => Transactions.updateStatus(applied?.transaction_id ?? "", { status: "commit" }));
const held = (await make("inflight", { inflight: true })).data?.transaction_id ?? "";
await refused("TXN_INVALID_STATUS_ACTION", 400, "TXN_INVALID_STATUS_ACTION", () => Transactions.updateStatus(held, { status: "settle" as "commit" }));
await refused("TXN_COMMIT_AMOUNT_EXCEEDED", 400, "TXN_COMMIT_AMOUNT_EXCEEDED", () => Transactions.updateStatus(held, { status: "commit", amount: 11 }));
await see("committed", 200, () => Transactions.updateStatus(held, { status: "commit" }), () => "whole", "");
await refused("TXN_ALREADY_COMMITTED", 409, "TXN_ALREADY_COMMITTED", () => Transactions.updateStatus(held, { status: "commit" }));
await refused("TXN_ALREADY_COMMITTED, of a void", 409, "TXN_ALREADY_COMMITTED", () => Transactions.updateStatus(held, { status: "void" }));
const gone = (await make("inflight", { inflight: true })).data?.transaction_id ?? "";
await see("voided", 200, () => Transactions.updateStatus(gone, { status: "void" }), () => "whole", "");
await refused("TXN_ALREADY_VOIDED", 409, "TXN_ALREADY_VOIDED", () => Transactions.updateStatus(gone, { status: "commit" }));
await refused("TXN_ALREADY_VOIDED, of a void", 409, "TXN_ALREADY_VOIDED", () => Transactions.updateStatus(gone, { status: "void" }));
await see("refunded", done, () => Transactions.refund(applied?.transaction_id ?? ""), () => "whole", "");
await refused("TXN_ALREADY_REFUNDED", 409, "TXN_ALREADY_REFUNDED", () => Transactions.refund(applied?.transaction_id ?? ""));
await refused("TXN_BULK_EMPTY", 400, "TXN_BULK_EMPTY", raw("POST", "transactions/bulk", { transactions: [] }));
await refused("TXN_BULK_EMPTY, of commits", 400, "TXN_BULK_EMPTY", raw("POST", "transactions/inflight/bulk/commit", { transactions: [] }));
await refused("TXN_BULK_EMPTY, of voids", 400, "TXN_BULK_EMPTY", raw("POST", "transactions/inflight/bulk/void", { transaction_ids: [] }));
const many = Array.from({ length: 101 }, () => held);
await refused("TXN_BULK_LIMIT_EXCEEDED", 400, "TXN_BULK_LIMIT_EXCEEDED", raw("POST", "transactions/inflight/bulk/void", { transaction_ids: many }));
await refused("TXN_BULK_LIMIT_EXCEEDED, of commits", 400, "TXN_BULK_LIMIT_EXCEEDED", raw("POST", "transactions/inflight/bulk/commit", { transactions: many.map((transaction_id) => ({ transaction_id })) }));
await refused("TXN_BULK_LIMIT_EXCEEDED, of new ones", 400, "TXN_BULK_LIMIT_EXCEEDED", raw("POST", "transactions/bulk", { transactions: Array.from({ length: 10_001 }, () => ({})) }));
const before = await LedgerBalances.get(a.balance_id);
await refused("an atomic bulk with one that cannot be", 400, ["TXN_INSUFFICIENT_FUNDS"], () => Transactions.createBulk({ atomic: true, skip_queue: true, transactions: [base({ amount: 1 }), base({ amount: 1_000_000 })] }));
const after = await LedgerBalances.get(a.balance_id);
if (before.data?.balance !== after.data?.balance) failed("an atomic bulk", "some of it was done");
else line("an atomic bulk", "nothing of it was done");
end();
