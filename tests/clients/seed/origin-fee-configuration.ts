// Fee Configuration, Defining Fees at the Origin Level: origin-fee-configuration.ts
import { SDK } from "@bloque/sdk";

import { assert, config, deposit, fresh, house } from "../house.js";
import type { Decision } from "../house.js";

// A programme of its own: what an origin says is for all of its cards.
const name = fresh("fees");
const { api_key: apiKey } = await house<{ api_key: string }>("POST", "/v1/origins", { name });
const bloque = new SDK({ ...config, origin: name, auth: { type: "apiKey", apiKey } });

const changed = await bloque.origins.updateMetadata(name, apiKey, {
  spending_fees: [
    {
      fee_name: "interchange",
      account_urn: "urn:bloque:treasury:interchange",
      type: "percentage",
      value: 0.0144, // 1.44% of the transaction amount
      category: "interchange",
    },
    {
      fee_name: "fx",
      account_urn: "urn:bloque:treasury:fx",
      type: "percentage",
      value: 0.02, // 2% — drives the conversion spread
      category: "fx",
      rule: "fx_conversion",
    },
    {
      fee_name: "high_ticket_fx",
      account_urn: "urn:bloque:treasury:fx",
      type: "percentage",
      value: 0.035, // 3.5% — only on high-value USD settlements
      category: "fx",
      rule: "amount_range_usd",
      rule_params: { min: 500, max: 5000 },
    },
    {
      fee_name: "apple_wallet",
      account_urn: "urn:bloque:treasury:wallet",
      type: "percentage",
      value: 0.01, // 1% — only for Apple Wallet transactions
      rule: "wallet",
      rule_params: { wallet_name: "Apple" },
    },
  ],
});
assert.deepEqual([changed.origin_name, changed.updated], [name, true]);

const session = await bloque.register("user-alias");
const card = await session.accounts.card.create({ name: "Card" });
const operator = async <T>(method: string, path: string, body: unknown): Promise<T> => {
  const headers = { "Content-Type": "application/json", Authorization: `Bearer ${apiKey}` };
  const answer = await fetch(config.baseUrl + path, { method, headers, body: JSON.stringify(body) });
  assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
  return (await answer.json()) as T;
};
assert.ok(deposit.length > 0);
await operator("POST", "/v1/deposits", {
  account_urn: card.urn, asset: "DUSD/6", amount: "2000000000", reference: fresh("deposit"),
});
const fees = async (amount: string, medium?: object): Promise<[string, string][]> => {
  const decision = await operator<Decision>("POST", "/v1/authorizations", {
    transaction_id: fresh("ctx"), card: card.urn, transaction_type: "PURCHASE", local_amount: amount,
    local_currency: "USD", merchant: { id: "m-1", name: "SHOP", mcc: "5411" }, medium,
  });
  assert.equal(decision.status, "approved");
  return decision.fee_breakdown.fees.map((fee) => [fee.fee_name, fee.amount]);
};
assert.deepEqual(await fees("50.00"), [["interchange", "720000"]]);
assert.deepEqual(await fees("500.00"), [["interchange", "7200000"], ["high_ticket_fx", "17500000"]]);
assert.deepEqual(
  await fees("10.00", { tokenization_wallet_name: "APPLE PAY" }),
  [["interchange", "144000"], ["apple_wallet", "100000"]],
);
