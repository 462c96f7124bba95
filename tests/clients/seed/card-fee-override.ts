// Fee Configuration, Defining Fees at the Card Level: card-fee-override.ts
import { assert, buy, deposit, house, newSession } from "../house.js";

const { session: userSession, urn: userUrn } = await newSession();
await house("PUT", "/v1/rates", { rates: [{ base: "USD", quote: "COP", rate: "4000" }] });

const card = await userSession.accounts.card.create({
  urn: userUrn,
  name: "Premium Card",
  metadata: {
    spending_fees: [
      {
        fee_name: "interchange",
        account_urn: "urn:bloque:treasury:interchange",
        type: "percentage",
        value: 0.01, // 1% — lower interchange for this card
        category: "interchange",
      },
      {
        fee_name: "fx",
        account_urn: "urn:bloque:treasury:fx",
        type: "percentage",
        value: 0.015, // 1.5% — reduced FX spread for this card
        category: "fx",
        rule: "fx_conversion",
      },
    ],
  },
});
await deposit(card.urn, "100000000");

const plain = await buy(card.urn, { amount: "50.00" });
assert.deepEqual(plain.fee_breakdown.fees, [{ fee_name: "interchange", amount: "500000", rate: 0.01 }]);
const converted = await buy(card.urn, { amount: "157600.00", currency: "COP" });
assert.deepEqual([converted.amount, Number(converted.exchange_rate)], ["40000000", 3940]);
assert.deepEqual(converted.fee_breakdown.fees, [
  { fee_name: "interchange", amount: "400000", rate: 0.01 },
  { fee_name: "fx", amount: "600000", rate: 0.015 },
]);
