// Listing Cards: list-cards.ts
import { SDK } from "@bloque/sdk";

import { assert, config, deposit, newHolder } from "../house.js";

const { alias } = await newHolder();
const bloque = new SDK(config);
const userSession = await bloque.connect(alias);
for (const name of ["First", "Second"]) {
  const { urn } = await userSession.accounts.card.create({ name });
  await deposit(urn, "25000000");
  await deposit(urn, "7", "KSM/12");
}
await userSession.accounts.virtual.create({ name: "no card" });

const cards = await userSession.accounts.card.list();

console.log(`Found ${cards.accounts.length} card accounts`);

cards.accounts.forEach((card) => {
  console.log("\nCard:", card.metadata?.name);
  console.log("Last Four:", card.lastFour);
  console.log("Status:", card.status);

  if (card.balance) {
    Object.entries(card.balance).forEach(([token, balance]) => {
      console.log(`${token}: ${balance.current}`);
    });
  }
});

const totalBalances: Record<string, bigint> = {};
cards.accounts.forEach((card) => {
  if (card.balance) {
    Object.entries(card.balance).forEach(([token, balance]) => {
      if (!totalBalances[token]) {
        totalBalances[token] = BigInt(0);
      }
      totalBalances[token] += BigInt(balance.current);
    });
  }
});

assert.deepEqual(cards.accounts.map((card) => card.metadata?.name), ["Second", "First"]);
assert.deepEqual(totalBalances, { "DUSD/6": 50_000_000n, "KSM/12": 14n });
const [first] = cards.accounts;
const one = await userSession.accounts.card.list({ urn: first!.urn });
assert.deepEqual(one.accounts.map(({ urn }) => urn), [first!.urn]);
