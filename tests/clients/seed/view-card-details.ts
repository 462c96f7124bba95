// Viewing Card Details: view-card-details.ts
import { SDK } from "@bloque/sdk";

import { assert, config, newHolder } from "../house.js";

const { urn: userUrn } = await newHolder();
const bloque = new SDK(config);

const card = await bloque.accounts.card.create({
  holderUrn: userUrn,
  name: "My Card",
});

console.log("View card details:", card.detailsUrl);

assert.equal(typeof card.detailsUrl, "string");
const page = await fetch(card.detailsUrl);
assert.equal(page.status, 200);
assert.match(page.headers.get("content-type") ?? "", /text\/html/);
assert.match(page.headers.get("cache-control") ?? "", /no-store/);
assert.ok(page.headers.has("content-security-policy"));
await page.text();

const frozen = await bloque.accounts.card.freeze(card.urn);
assert.ok(frozen.detailsUrl === null, "null when blocked");
const gone = await fetch(card.detailsUrl);
assert.ok(gone.status >= 400, `a link of before shows nothing: ${gone.status}`);
