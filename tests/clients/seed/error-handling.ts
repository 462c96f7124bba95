// Error Handling: error-handling.ts
import {
  BloqueAuthenticationError, BloqueIdempotencyError, BloqueInsufficientFundsError, BloqueNotFoundError,
  BloqueValidationError, SDK,
} from "@bloque/sdk";
import type { BloqueAPIError } from "@bloque/sdk";

import { assert, asset, config, newSession, origin } from "../house.js";

const seen: string[] = [];

async function create(bloque: SDK, userUrn: string, cardName: string): Promise<void> {
  try {
    const card = await bloque.accounts.card.create({
      holderUrn: userUrn,
      name: cardName,
    });

    console.log("Card created:", card.urn);
  } catch (error) {
    if (error instanceof Error) {
      console.error("Card creation failed:", error.message);

      // Handle specific errors
      if (error.message.includes("not found")) {
        seen.push("not found");
      } else if (error.message.includes("unauthorized")) {
        seen.push("unauthorized");
      }
    }

    throw error;
  }
}

async function refused<T extends BloqueAPIError>(
  kind: new (...args: never[]) => T, status: number, promise: Promise<unknown>,
): Promise<T> {
  const error: unknown = await promise.then((value) => assert.fail(JSON.stringify(value)), (error: unknown) => error);
  assert.ok(error instanceof kind, `${String(error)} is no ${kind.name}`);
  assert.equal(error.status, status, error.message);
  assert.match(error.requestId ?? "", /^req_/);
  assert.equal(typeof error.code, "string");
  return error;
}

const { session, urn } = await newSession();
const bloque = new SDK(config);
await create(bloque, urn, "Card");

const wrongKey = new SDK({ ...config, auth: { type: "apiKey", apiKey: "sk_live_wrong" } });
await refused(BloqueAuthenticationError, 401, create(wrongKey, urn, "Card"));
const noLedger = bloque.accounts.card.create({ holderUrn: urn, ledgerId: "ldg_none" });
const missing = await refused(BloqueNotFoundError, 404, noLedger);
assert.match(missing.message, /not found/);
const nobody = bloque.connect("nobody-at-all");
assert.match((await refused(BloqueNotFoundError, 404, nobody)).message, /not found/);
assert.deepEqual(seen, ["unauthorized"]);
await refused(BloqueAuthenticationError, 403, create(bloque, "did:bloque:other:user", "Card"));
await refused(BloqueAuthenticationError, 403, session.accounts.card.create({ holderUrn: `did:bloque:${origin}:demo` }));
const malformed = bloque.accounts.card.create({ holderUrn: urn, metadata: { spending_control: "clever" } });
assert.equal((await refused(BloqueValidationError, 400, malformed)).details?.field, "metadata.spending_control");
await refused(BloqueNotFoundError, 404, bloque.accounts.get("did:bloque:account:card:usr-1:crd-1"));

const [from, to] = [await session.accounts.card.create(), await session.accounts.virtual.create()];
const transfer = { sourceUrn: from.urn, destinationUrn: to.urn, amount: "5", asset };
const poor = await refused(BloqueInsufficientFundsError, 409, session.accounts.transfer(transfer));
assert.equal(poor.code, "INSUFFICIENT_FUNDS");
assert.deepEqual(poor.details, { asset, available: "0", required: "5" });

const idempotencyKey = `key-${urn}`;
const first = await session.accounts.card.create({ name: "One" }, { idempotencyKey });
const again = await session.accounts.card.create({ name: "One" }, { idempotencyKey });
assert.equal(again.urn, first.urn, "the same key and request: the same card");
const conflict = await refused(
  BloqueIdempotencyError, 409, session.accounts.card.create({ name: "Two" }, { idempotencyKey }),
);
assert.match(conflict.message, /idempotency key/);
