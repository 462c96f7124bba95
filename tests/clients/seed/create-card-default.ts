// Spending Controls, Default Spending Control: create-card-default.ts
import { assert, buy, deposit, house, newSession } from "../house.js";

const { session: userSession, urn: userUrn } = await newSession();

const card = await userSession.accounts.card.create({
  urn: userUrn,
  name: "Standard Card",
  metadata: {
    spending_control: "default", // Optional, this is the default
    default_asset: "DUSD/6", // Primary asset for the card
    fallback_asset: "KSM/12", // Used when default asset is unavailable
    currency_asset_map: {
      // Maps transaction currencies to preferred assets
      USD: ["DUSD/6"],
      COP: ["COPM/2"],
      EUR: ["EURc/6"],
    },
  },
});
assert.equal(card.metadata?.spending_control, "default");
await house("PUT", "/v1/rates", {
  rates: [{ base: "USD", quote: "COP", rate: "4000" }, { base: "KSM", quote: "USD", rate: "20" }],
});

// Dollars and pesos pay their own currency, without a conversion.
await deposit(card.urn, "60000000");
await deposit(card.urn, "500000", "COPM/2");
const dollars = await buy(card.urn, { amount: "50.00" });
assert.deepEqual([dollars.status, dollars.asset, dollars.amount], ["approved", "DUSD/6", "50000000"]);
assert.equal(Number(dollars.exchange_rate), 1);
assert.deepEqual(dollars.fee_breakdown.fees, [{ fee_name: "interchange", amount: "720000", rate: 0.0144 }]);
assert.equal(dollars.fee_breakdown.settlement, "49280000");
const pesos = await buy(card.urn, { amount: "3000.00", currency: "COP" });
assert.deepEqual([pesos.status, pesos.asset, pesos.amount], ["approved", "COPM/2", "300000"]);

// The map's asset has too little: the default asset pays, converted, with the spread of 2 %.
const converted = await buy(card.urn, { amount: "19600.00", currency: "COP" });
assert.deepEqual([converted.status, converted.asset, converted.amount], ["approved", "DUSD/6", "5000000"]);
assert.equal(Number(converted.exchange_rate), 3920);
assert.deepEqual(converted.fee_breakdown.fees.map(({ fee_name }) => fee_name), ["interchange", "fx"]);

// Neither has enough: the fallback.
await deposit(card.urn, "1000000000000", "KSM/12");
const fallback = await buy(card.urn, { amount: "9.80" });
assert.deepEqual([fallback.status, fallback.asset, fallback.amount], ["approved", "KSM/12", "500000000000"]);
const declined = await buy(card.urn, { amount: "150.00" });
assert.deepEqual([declined.status, declined.decline_reason], ["declined", "insufficient_funds"]);
