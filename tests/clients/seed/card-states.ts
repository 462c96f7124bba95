// Card Management, Card States: the table, transition by transition.
import { BloqueAPIError } from "@bloque/sdk";
import type { CardStatus } from "@bloque/sdk";

import { assert, buy, newSession } from "../house.js";

const { session } = await newSession();
const cards = session.accounts.card;
const table: Record<"active" | "frozen" | "disabled" | "deleted", CardStatus[]> = {
  active: ["frozen", "disabled", "deleted"],
  frozen: ["active", "disabled", "deleted"],
  disabled: ["deleted"],
  deleted: [],
};
const all: CardStatus[] = [
  "creation_in_progress", "active", "frozen", "disabled", "deleted", "creation_failed",
];
for (const [from, legal] of Object.entries(table)) {
  for (const to of all) {
    const { urn } = await cards.create({ name: `${from} to ${to}` });
    if (from !== "active") await cards.updateStatus(urn, from as CardStatus);
    const said = await cards.updateStatus(urn, to).then((card) => card.status, (error: unknown) => error);
    if (legal.includes(to)) {
      assert.equal(said, to, `${from} to ${to}`);
    } else {
      assert.ok(said instanceof BloqueAPIError, `${from} to ${to}: ${String(said)}`);
      assert.equal(said.status, 409);
      assert.equal(said.code, "illegal_transition");
      assert.deepEqual(said.details?.allowed, legal);
    }
  }
}

const { urn } = await cards.create({ name: "Lost" });
const frozen = await cards.freeze(urn, "LOST");
assert.deepEqual([frozen.status, frozen.statusReason], ["frozen", "LOST"]);
assert.equal((await buy(urn)).decline_reason, "card_frozen");
assert.equal((await cards.activate(urn)).status, "active");
assert.equal((await cards.disable(urn, "STOLEN")).status, "disabled");
