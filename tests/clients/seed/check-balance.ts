// Checking Balance: check-balance.ts
import { SDK } from "@bloque/sdk";

import { assert, buy, config, deposit, newSession, step } from "../house.js";

const { session } = await newSession();
const card = await session.accounts.card.create({ name: "Card" });
await deposit(card.urn, "100000000");
const { id } = await buy(card.urn, { amount: "30.00" });
await step(id, "capture", "10.00");

const bloque = new SDK(config);
const balances = await bloque.accounts.card.balance({ urn: card.urn });

Object.entries(balances).forEach(([token, balance]) => {
  console.log(`${token}:`);
  console.log(`  Current: ${balance.current}`);
  console.log(`  Pending: ${balance.pending}`);
  console.log(`  Total In: ${balance.in}`);
  console.log(`  Total Out: ${balance.out}`);

  const net = BigInt(balance.in) - BigInt(balance.out);
  console.log(`  Net: ${net.toString()}`);
  assert.equal(net, BigInt(balance.current) + BigInt(balance.pending));
});

assert.deepEqual(balances, {
  "DUSD/6": { current: "70000000", pending: "20000000", in: "100000000", out: "10000000" },
});
