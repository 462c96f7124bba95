// Spending Controls, Smart Spending Control: create-card-smart.ts
import { assert, asset, buy, deposit, newSession, step } from "../house.js";

const { session: userSession, urn: userUrn } = await newSession();
const pocket = async (name: string, amount: string): Promise<string> => {
  const { urn } = await userSession.accounts.virtual.create({ name });
  await deposit(urn, amount);
  return urn;
};
const food = await pocket("food", "30000000");
const transport = await pocket("transport", "20000000");
const main = await pocket("main", "100000000");

const card = await userSession.accounts.card.create({
  urn: userUrn,
  name: "Smart Card",
  metadata: {
    spending_control: "smart",
    priority_mcc: [food, transport, main],
    mcc_whitelist: {
      [food]: ["5411", "5412", "5812", "5814"],
      [transport]: ["4111", "4121", "4131"],
      // No whitelist for main = general purpose (accepts any MCC)
    },
    default_asset: "DUSD/6",
    fallback_asset: "KSM/12",
  },
});
const legs = async (mcc: string, amount: string): Promise<[string, [string, string][]]> => {
  const { id, legs } = await buy(card.urn, { mcc, amount });
  return [id, legs.map(({ account_urn, amount }) => [account_urn, amount])];
};

// The merchant's category chooses the pocket; any other goes to the main one.
assert.deepEqual((await legs("5411", "10.00"))[1], [[food, "10000000"]]);
assert.deepEqual((await legs("4111", "5.00"))[1], [[transport, "5000000"]]);
assert.deepEqual((await legs("5732", "8.00"))[1], [[main, "8000000"]]);
// Too little: the rest overflows to the next that is eligible.
const [id, split] = await legs("5812", "40.00");
assert.deepEqual(split, [[food, "20000000"], [main, "20000000"]]);
// Refunds go back in proportion.
await step(id, "capture");
await step(id, "refund", "20.00");
const { balance } = (await userSession.accounts.list({ urn: food })).accounts[0]!;
assert.deepEqual(balance![asset], { current: "10000000", pending: "10000000", in: "40000000", out: "20000000" });
const sum = await userSession.accounts.balances([food, main, food]);
assert.equal(sum[asset]!.current, "92000000");
