// Multiple Cards: multiple-cards.ts
import { SDK } from "@bloque/sdk";

import { assert, config, newHolder } from "../house.js";

const { urn: userUrn } = await newHolder();
const bloque = new SDK(config);
const userSession = await bloque.connect(userUrn);

// Personal card
const personalCard = await userSession.accounts.card.create({
  holderUrn: userUrn,
  name: "Personal Card",
});

// Business card
const businessCard = await userSession.accounts.card.create({
  holderUrn: userUrn,
  name: "Business Card",
});

// Travel card
const travelCard = await userSession.accounts.card.create({
  holderUrn: userUrn,
  name: "Travel Expenses",
});

console.log("Created 3 cards:");
console.log("- Personal:", personalCard.lastFour);
console.log("- Business:", businessCard.lastFour);
console.log("- Travel:", travelCard.lastFour);

const { accounts } = await userSession.accounts.card.list();
assert.deepEqual(
  accounts.map(({ urn, metadata }) => [urn, metadata?.name]),
  [[travelCard.urn, "Travel Expenses"], [businessCard.urn, "Business Card"], [personalCard.urn, "Personal Card"]],
);
assert.equal(new Set(accounts.map(({ ledgerId }) => ledgerId)).size, 3, "each with its own money");
