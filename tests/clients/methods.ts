// Calls every method of the SDK once and says what was seen: a line for each, `method | what was seen`.
import { readFileSync } from "node:fs";

import { SDK } from "@bloque/sdk";

import { assert, asset, buy, config, deposit, fresh, key, newHolder, origin } from "./house.js";

/** Of a wallet: a key on P-256 that signed itself, valid until 2126. */
const certificate = "MIIBbzCCARWgAwIBAgIURxVBoDB6bl/l1sRlN8tbbe9RytwwCgYIKoZIzj0EAwIwDDEKMAgGA1UEAwwBVDAgFw0yNjExMjExNTExNTJaGA8yMTI2MTAyODE1MTE1MlowDDEKMAgGA1UEAwwBVDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKrVgQSA1y345hB05owyC9VzKmC3WIchWWzI2+LPsLt8CK+4WKEw4mcD0Oyv/tR2OzpAPUbAuZ9qlyHB3N/mdNujUzBRMB0GA1UdDgQWBBRsEv26AufSfgDH9xBE7Xbyq45nrjAfBgNVHSMEGDAWgBRsEv26AufSfgDH9xBE7Xbyq45nrjAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCICkzNYTyMMVjhli3ZbkPuv3fZJpx2HOuL2f0evXqgG+IAiEAtUGGogXX1Y6spEsjcZffbP1cMDnAPICasWpyFBJZ0Lc=";
const codesFile = process.env.CLIENTS_CODES_FILE!;
let faults = 0;

/** Runs a method; `look` says what was seen, and throws if it is not what it should be. */
async function see<T>(method: string, call: () => Promise<T>, look: (got: T) => string): Promise<T> {
  try {
    const got = await call();
    console.log(`${method} | ${look(got)}`);
    return got;
  } catch (error) {
    faults += 1;
    console.log(`${method} | FAULT: ${error instanceof Error ? error.message : String(error)}`);
    return undefined as T;
  }
}

const is = <T>(got: T, wanted: T): T => {
  assert.deepEqual(got, wanted);
  return got;
};

const sdk = new SDK(config);
await see("connect() with apiKey", () => sdk.connect(), (session) => `the key's own session: ${session.urn}`);
const { alias, urn } = await newHolder({ first_name: "Ana", phone: "+573001234567" });
const session = await see("connect(alias) with apiKey", () => sdk.connect(alias), (it) => {
  is(it.urn, urn);
  return "the holder's session";
});
const byKey = new SDK({ ...config, auth: { type: "originKey", originKey: key, clientIp: "203.0.113.7" } });
const second = fresh("eva");
await see("register with originKey", () => byKey.register(second, { type: "business", profile: { email: `${second}@example.com` } }),
  () => "registered, with a session");
await see("connect with originKey", () => byKey.connect(second), (it) => `a session of ${is(it.urn, `did:bloque:${origin}:${second}`)}`);
const byCode = new SDK({ ...config, auth: { type: "jwt" } });
await see("assert with jwt", () => byCode.assert(alias), (sent) => `${is(sent.type, "OTP")}, ${sent.params.attempts_remaining} attempts`);
await see("connect with jwt", () => {
  const line = readFileSync(codesFile, "utf8").trim().split("\n").at(-1) ?? "";
  return byCode.connectOtp(alias, { code: / code (\d{6}) /.exec(line)?.[1] ?? "", phone: "+573001234567" });
}, () => "a session by one-time code");

await see("identity.me", () => session.identity.me(), (me) => `${is(me.urn, urn)}, ${is(me.status, "active")}`);
await see("identity.updateMe", () => session.identity.updateMe({ profile: { last_name: "Paz" }, metadata: { plan: "gold" } }),
  (me) => `merged: ${is(JSON.stringify(me.metadata), '{"plan":"gold"}')}`);
await see("identity.get", () => sdk.identity.get(urn), (it) => is(it.urn, urn));
await see("identity.aliases", () => session.identity.aliases(), (all) => {
  assert.ok(all.some((one) => one.alias === alias));
  return `${all.length}, the alias among them`;
});
await see("aliases.get", () => sdk.identity.alias(alias), (it) => is(it.urn, urn));
await see("origins.list", () => sdk.identity.origins(), (all) => {
  assert.ok(all.some((one) => one.namespace === origin));
  return `${all.length > 0 ? "some" : "none"}, ${origin} among them`;
});
await see("origins.updateMetadata", () => sdk.origins.updateMetadata(origin, key, { note: "seen" }), (it) => `updated: ${is(it.updated, true)}`);

const made = await see("apiKeys.create", () => sdk.apiKeys.create({ name: "app", scopes: ["programme"], expiration: "never" }),
  (it) => {
    assert.match(it.secret_key, /^sk_/);
    return "secret and publishable key, shown once";
  });
await see("apiKeys.list", () => sdk.apiKeys.list(), (all) => {
  assert.ok(all.some((one) => one.key_id === made.key_id));
  return "all, without secrets";
});
await see("apiKeys.get", () => sdk.apiKeys.get(made.key_id), (it) => `status ${is(it.status, "active")}`);
await see("apiKeys.exchange", () => sdk.apiKeys.exchange({ key: made.secret_key }), (it) => `${is(it.token_type, "Bearer")} for ${it.expires_in} s`);
await see("apiKeys.exchange as_identity", () => sdk.apiKeys.exchange({ key, as_identity: urn }), () => "a token of the holder");
await see("apiKeys.rotate", () => sdk.apiKeys.rotate(made.key_id), (it) => {
  assert.notEqual(it.secret_key, made.secret_key);
  return "another secret; the one before ends";
});
await see("apiKeys.revoke", () => sdk.apiKeys.revoke(made.key_id), () => "revoked");
await see("apiKeys.setWebhookSecret", () => sdk.apiKeys.setWebhookSecret(origin, key, "whsec_0123456789abcdef"), (it) => `updated: ${is(it.updated, true)}`);

const { card: cards, virtual: pockets } = session.accounts;
const card = await see("card.create", () => cards.create({ name: "Card", webhookUrl: "https://example.com/hook" }),
  (it) => `201, ${is(it.status, "active")}, *${it.lastFour.length === 4 ? "four digits" : "?"}`);
await see("card.create, program card-…", () => cards.create({ program: "card-travel" }), (it) => is(it.medium, "card-travel"));
await see("card.create, waitLedger", () => cards.create({}, { waitLedger: true }), (it) => is(it.status, "active"));
const pocket = await see("virtual.create", () => pockets.create({ name: "Pocket", metadata: { first_name: "Ana" } }),
  (it) => `201, ${is(it.firstName, "Ana")}, own money`);
await see("virtual.create, ledgerId", () => pockets.create({ ledgerId: pocket.ledgerId }), (it) => `shares ${is(it.ledgerId, pocket.ledgerId) && "the money"}`);
await deposit(card.urn, "100000000");
await buy(card.urn, { amount: "10.00" });
await see("card.list", () => cards.list(), (it) => `${is(it.accounts.length, 3)}, with balances`);
await see("virtual.list", () => pockets.list({ urn: pocket.urn }), (it) => `${is(it.accounts.length, 1)}`);
await see("accounts.list", () => session.accounts.list({
  urns: [card.urn, pocket.urn], status: ["active"], order: "asc", limit: 10, offset: 0, q: "card",
  metadata: { name: "Card" }, createdAfter: "2025-01-01T00:00:00Z", ledgerAccountIds: [card.ledgerId],
}), (it) => `${is(it.accounts[0]!.urn, card.urn) && "the one that all filters fit"}`);
await see("accounts.get", () => session.accounts.get(card.urn), (it) => `with balance ${is(it.balance![asset]!.current, "90000000")}`);
await see("card.balance", () => cards.balance({ urn: card.urn }), (it) => `pending ${is(it[asset]!.pending, "10000000")}`);
await see("virtual.balance", () => pockets.balance({ urn: pocket.urn }), (it) => `${is(JSON.stringify(it), "{}")} before money came`);
await see("accounts.balances", () => session.accounts.balances([card.urn, pocket.urn]), (it) => `sum ${is(it[asset]!.current, "90000000")}`);
await see("accounts.transfer", () => session.accounts.transfer({
  sourceUrn: card.urn, destinationUrn: pocket.urn, amount: "5000000", asset, metadata: { note: "x" },
}), (it) => `${it.queueId.slice(0, 4)}…, ${is(it.status, "completed")}`);
await see("accounts.batchTransfer", () => session.accounts.batchTransfer({
  reference: fresh("batch"),
  operations: Array.from({ length: 90 }, (_, n) => ({
    fromUrn: card.urn, toUrn: pocket.urn, reference: `op-${n}`, amount: "1", asset,
  })),
}), (it) => `${is(it.status, "executed")}, ${is(it.totalOperations, 90)} operations in ${is(it.totalChunks, 2)} chunks`);
await see("card.movements", () => cards.movements({ urn: card.urn, asset, limit: 5 }), (it) => `${is(it.length, 5)} of more: ${is(it.hasMore, true)}, next`);
await see("card.movements, pocket pending", () => cards.movements({ urn: card.urn, pocket: "pending" }), (it) => is(it[0]!.status, "pending"));
await see("card.movements, collapsedView", () => cards.movements({ urn: card.urn, collapsedView: true, pocket: "pending" }),
  (it) => `${is(it.length, 1)} line, ${is(it[0]!.details!.metadata!.authorization_status, "pending")}`);
await see("accounts.movements", () => session.accounts.movements({ urn: pocket.urn, direction: "in" }), (it) => `${is(it[0]!.type, "transfer")} in`);
await see("accounts.transactions", () => session.accounts.transactions({ asset, accountUrns: [card.urn, pocket.urn], limit: 500 }),
  (it) => `${is(it.length, 183)} of two accounts, newest first`);
await see("card.update", () => cards.update({ urn: card.urn, metadata: { team: "x" }, webhookUrl: null }), (it) => `webhook ${is(it.webhookUrl, null)}`);
const fresher = await cards.create({ name: "Linked" });
await see("card.update, ledgerId", () => cards.update({ urn: fresher.urn, ledgerId: pocket.ledgerId }), (it) => `${is(it.ledgerId, pocket.ledgerId) && "in front of the pocket's money"}`);
await see("card.update, pin", () => cards.update({ urn: card.urn, pin: "4821" }), (it) => is(it.status, "active"));
await see("card.updateMetadata", () => cards.updateMetadata({ urn: card.urn, metadata: { level: 2 } }), (it) => `${is(it.metadata!.level, 2)}, the rest stays: ${is(it.metadata!.team, "x")}`);
await see("card.updateName", () => cards.updateName(card.urn, "New"), (it) => String(is(it.metadata!.name, "New")));
await see("card.tokenizeApple", () => cards.tokenizeApple(card.urn, {
  certificates: [certificate], nonce: btoa("12345678"), nonceSignature: btoa("signature"),
}), (it) => {
  for (const part of [it.activation_data, it.encrypted_pass_data, it.ephemeral_public_key]) assert.equal(typeof part, "string");
  return "activation data, pass data, ephemeral key";
});
await see("card.tokenizeGoogle", () => cards.tokenizeGoogle(card.urn, { deviceId: "device-1", walletAccountId: "wallet-1" }), (it) => {
  assert.equal(typeof it.opc, "string");
  return "opaque payment card";
});
await see("card.freeze", () => cards.freeze(card.urn, "USER_INTERNAL_REASON"), (it) => `${is(it.status, "frozen")}, ${it.statusReason}`);
await see("card.activate", () => cards.activate(card.urn), (it) => is(it.status, "active"));
await see("card.disable", () => cards.disable(card.urn, "LOST"), (it) => is(it.status, "disabled"));
await see("card.updateStatus", () => cards.updateStatus(card.urn, "deleted"), (it) => is(it.status, "deleted"));
await see("compliance.startVerification", () => sdk.compliance.startVerification(urn), (it) => `${is(it.level, "basic")}, ${it.status}, a url`);
await see("compliance.getVerification", () => sdk.compliance.getVerification(urn), (it) => it.status);
await see("compliance.tierStatus", () => sdk.compliance.tierStatus(urn), (it) => `${is(it.identity_urn, urn) && it.effective_level}, ${it.levels.length} levels`);
assert.equal(faults, 0, `${faults} methods are at fault`);
