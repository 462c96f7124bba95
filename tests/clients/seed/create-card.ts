// Creating a Virtual Card, Basic Creation: create-card.ts
import { SDK } from "@bloque/sdk";

import { assert, config, newHolder } from "../house.js";

const { alias, urn } = await newHolder();

const bloque = new SDK(config);
const userSession = await bloque.connect(alias);
const card = await userSession.accounts.card.create({
  holderUrn: urn,
  name: "My Virtual Card",
});

console.log("Card created:", card.lastFour);
console.log("Status:", card.status);
console.log("Details URL:", card.detailsUrl);

assert.match(card.lastFour, /^\d{4}$/);
assert.equal(card.status, "active");
assert.match(card.urn, /^did:bloque:account:card:usr-[^:]+:crd-[^:]+$/);
assert.equal(card.urn.split(":").at(-1), card.id);
assert.equal(card.productType, "DEBIT");
assert.equal(card.cardType, "VIRTUAL");
assert.equal(card.ownerUrn, urn);
assert.match(card.ledgerId, /^ldg_/);
assert.equal(card.webhookUrl, null);
assert.equal(card.metadata?.name, "My Virtual Card");
assert.equal(card.metadata?.source, "sdk-typescript");
assert.ok(Date.parse(card.createdAt) <= Date.now() + 1000);
assert.equal(card.createdAt, card.updatedAt);
assert.equal(card.balance, undefined, "only in list responses");

// All the parameters, and the wait for the ledger.
const other = await userSession.accounts.card.create(
  {
    name: "Other",
    webhookUrl: "https://example.com/webhooks",
    ledgerId: card.ledgerId,
    metadata: { team: "x" },
    address: { city: "Bogota", country: "COL" },
  },
  { waitLedger: true },
);
assert.equal(other.status, "active");
assert.equal(other.ownerUrn, urn, "the session's holder");
assert.equal(other.ledgerId, card.ledgerId);
assert.equal(other.webhookUrl, "https://example.com/webhooks");
assert.equal(other.metadata?.team, "x");
const travel = await userSession.accounts.card.create({ program: "card-travel", name: "Travel" });
assert.equal(travel.medium, "card-travel");
