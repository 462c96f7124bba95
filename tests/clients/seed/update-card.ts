// Card Management, Update Card Name: update-card.ts
import { assert, newSession } from "../house.js";

const { session: bloque } = await newSession();
const { urn } = await bloque.accounts.card.create({ name: "Card", metadata: { team: "x" } });

const updatedCard = await bloque.accounts.card.updateMetadata({
  urn,
  metadata: {
    name: "My Business Card",
  },
});

console.log("Card name updated:", updatedCard.metadata?.name);
assert.deepEqual(updatedCard.metadata, { source: "sdk-typescript", name: "My Business Card", team: "x" });

const renamed = await bloque.accounts.card.updateName(urn, "Again");
assert.equal(renamed.metadata?.name, "Again");
const hooked = await bloque.accounts.card.update({ urn, webhookUrl: "https://example.com/hook" });
assert.equal(hooked.webhookUrl, "https://example.com/hook");
const unhooked = await bloque.accounts.card.update({ urn, webhookUrl: null });
assert.equal(unhooked.webhookUrl, null);
