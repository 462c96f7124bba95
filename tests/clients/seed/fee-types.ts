// Fee Configuration, Fee Types and Conditional Fee Rules: merged by name, never removed, flat values.
import { BloqueValidationError } from "@bloque/sdk";

import { assert, buy, deposit, newSession, step } from "../house.js";

const { session } = await newSession();
const fee = (fee_name: string, value: number, more: object): object => ({
  fee_name, account_urn: `urn:bloque:treasury:${fee_name}`, type: "percentage", value, ...more,
});
const card = await session.accounts.card.create({
  metadata: {
    spending_fees: [
      fee("premium", 0.005, {}),
      fee("flat", 100000, { type: "flat" }),
      fee("large", 0.01, { rule: "amount_range_usd", rule_params: { min: 50 } }),
      fee("google", 0.02, { rule: "wallet", rule_params: { wallet_name: "google" } }),
    ],
  },
});
await deposit(card.urn, "500000000");
const names = (fees: { fee_name: string; amount: string }[]): [string, string][] =>
  fees.map(({ fee_name, amount }) => [fee_name, amount]);
const small = await buy(card.urn, { amount: "20.00" });
assert.deepEqual(
  names(small.fee_breakdown.fees),
  [["interchange", "288000"], ["premium", "100000"], ["flat", "100000"]],
);
const large = await buy(card.urn, { amount: "100.00", wallet: "Google Pay" });
assert.deepEqual(names(large.fee_breakdown.fees), [
  ["interchange", "1440000"], ["premium", "500000"], ["flat", "100000"], ["large", "1000000"], ["google", "2000000"],
]);
assert.equal(large.fee_breakdown.total_fees, "5040000");
assert.equal(large.fee_breakdown.settlement, "94960000");

// Partial refunds give fees back in proportion.
await step(small.id, "capture");
await step(small.id, "refund", "10.00");
const [refund] = await session.accounts.card.movements({ urn: card.urn, limit: 1 });
assert.equal(refund!.details!.metadata!.total_fees, "244000");

for (const wrong of [fee("x", -1, {}), fee("x", 0.1, { type: "share" }), fee("x", 0.1, { rule: "moon" })]) {
  const made = session.accounts.card.create({ metadata: { spending_fees: [wrong] } });
  await assert.rejects(made, BloqueValidationError);
}
