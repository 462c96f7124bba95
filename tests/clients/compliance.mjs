// Drives verification as the Bloque SDK does (section 5 and the typed errors of its captured exchanges):
// plain fetch, no packages. Usage: node compliance.mjs URL KEY
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

const [url, key] = process.argv.slice(2);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

class WireError extends Error {
  constructor(status, body, headers) {
    super(body.message);
    Object.assign(this, { status, code: body.code, extra: body.extra_details, headers });
    this.kind = kindOf(status, body.code);
  }
}

/** Which of its classes the SDK makes: by code first, then by status. */
function kindOf(status, code) {
  const byCode = {
    E_TIER_LIMIT_EXCEEDED: "tier-limit",
    E_VERIFICATION_REQUIRED: "verification-required",
    E_VERIFICATION_PENDING: "verification-pending",
  };
  return byCode[code] ?? { 400: "validation", 401: "authentication", 403: "authentication" }[status];
}

let attempts = 0;

async function call(method, path, { body, auth } = {}) {
  const headers = { "Content-Type": "application/json", Authorization: auth };
  if (method === "POST" || method === "PUT") headers["Idempotency-Key"] = randomUUID();
  for (let attempt = 0; ; attempt += 1) {
    attempts += 1;
    const sent = body === undefined ? undefined : JSON.stringify(body);
    const answer = await fetch(url + path, { method, headers, body: sent });
    const text = await answer.text();
    if (answer.ok) return JSON.parse(text);
    if ((answer.status === 429 || answer.status === 503) && attempt < 3) {
      const after = answer.headers.get("retry-after");
      await sleep(Math.min(after === null ? 1000 * 2 ** attempt : Number(after) * 1000, 30_000));
      continue;
    }
    throw new WireError(answer.status, JSON.parse(text), answer.headers);
  }
}

async function refused(kind, promise) {
  const error = await promise.then((value) => assert.fail(JSON.stringify(value)), (error) => error);
  assert.ok(error instanceof WireError, String(error));
  assert.equal(error.kind, kind, `${error.status} ${error.code} ${error.message}`);
  return error;
}

const operator = `Bearer ${key}`;
const policy = (body) =>
  call("PUT", "/v1/origins/sandbox/compliance-policy", { body, auth: operator });
const session = await call("POST", "/api/origins/sandbox/register", {
  body: {
    assertion_result: { alias: "ana", challengeType: "API_KEY", value: { api_key: key, alias: "ana" } },
    extra_context: {},
    type: "individual",
    profile: {},
  },
});
const auth = `Bearer ${session.result.access_token}`;
const me = await call("GET", "/api/identities/me", { auth });
const createCard = () =>
  call("POST", "/api/mediums/card", {
    body: { holder_urn: me.urn, input: { create: { card_type: "VIRTUAL" } }, metadata: { source: "sdk-typescript" } },
    auth,
  });
const createPocket = (holder_urn, as) =>
  call("POST", "/api/mediums/virtual", { body: { holder_urn, input: {}, metadata: {} }, auth: as });

const steps = {
  /** E_VERIFICATION_REQUIRED, and the link that its flow leads to. */
  async required() {
    await policy({
      levels: [
        { level: 0, name: "Registered", limits: [{ window: "day", usd_minor_units: "500" }] },
        { level: 1, name: "Basic", requirements: [{ key: "identity", kind: "kyc" }] },
      ],
      gates: { create_card: 1 },
    });
    const error = await refused("verification-required", createCard());
    assert.equal(error.extra.current_level, 0);
    assert.equal(error.extra.required_level, 1);
    assert.deepEqual(error.extra.missing_requirements, ["identity"]);
    const { method, start_endpoint } = error.extra.verification_flow;
    const body = { return_url: "https://app.example/back" };
    const link = await call(method, start_endpoint, { body, auth });
    assert.match(link.url, /^http/);
    assert.equal(typeof link.token, "string");
    assert.equal(typeof link.expires_in, "string");
  },

  /** kyc.startVerification, kyc.getVerification, tiers.getStatus. */
  async status() {
    const body = { urn: me.urn, type: "kyc", accompliceType: "person" };
    const begun = await call("POST", "/api/compliance", { body, auth });
    assert.equal(begun.status, "awaiting_compliance_verification");
    assert.equal(begun.level, "basic");
    const told = await call("GET", `/api/compliance/${me.urn}`, { auth });
    assert.match(told.verification_url, /^http/);
    assert.equal(told.completed_at, null);
    const tier = await call("GET", `/api/compliance/${me.urn}/tier-status`, { auth });
    assert.equal(tier.identity_urn, me.urn);
    assert.equal(typeof tier.effective_level, "number");
    assert.equal(typeof tier.policy_version, "string");
    assert.deepEqual(tier.levels[1].requirements.map((one) => one.status), ["not_satisfied"]);
    // What the SDK reads of a flow without asking whether it is there.
    assert.ok(Array.isArray(tier.verification_flow.request_body.required));
  },

  /** E_TIER_LIMIT_EXCEEDED: told after the SDK's own retries, which must not take minutes. */
  async limit() {
    const from = (await createPocket(me.urn, auth)).result.account.urn;
    const to = (await createPocket("did:bloque:sandbox:demo", operator)).result.account.urn;
    const deposit = { account_urn: from, asset: "DUSD/6", amount: "20000000", reference: "money" };
    await call("POST", "/v1/deposits", { body: deposit, auth: operator });
    const body = { destination_account_urn: to, amount: "6000000", asset: "DUSD/6" };
    attempts = 0;
    const begun = Date.now();
    const error = await refused("tier-limit", call("POST", `/api/accounts/${from}/transfer`, { body, auth }));
    assert.equal(attempts, 4);
    // Half a minute at the very end of a day; else a second each.
    assert.ok(Date.now() - begun < 100_000);
    assert.equal(error.extra.window, "day");
    assert.equal(error.extra.limit_usd_minor_units, "500");
    assert.equal(error.extra.consumed_usd_minor_units, "0");
    assert.ok(Date.parse(error.extra.reset_at) > Date.now());
    assert.match(error.extra.window_key, /^\d{4}-\d\d-\d\d$/);
  },

  /** E_VERIFICATION_PENDING, then approved. */
  async pending() {
    const path = `/v1/identities/${me.urn}/verification`;
    const patch = (body) => call("PATCH", path, { body, auth: operator });
    await patch({ requirements: { identity: "pending" } });
    const error = await refused("verification-pending", createCard());
    assert.deepEqual(error.extra.pending_requirements, ["identity"]);
    const tier = await call("GET", `/api/compliance/${me.urn}/tier-status`, { auth });
    assert.equal(tier.verification_flow, undefined, "nothing is left to do");
    assert.equal(tier.levels[1].requirements[0].status, "pending_review");
    await patch({ status: "approved" });
    const made = await createCard();
    assert.equal(made.result.account.status, "active");
    const told = await call("GET", `/api/compliance/${me.urn}`, { auth });
    assert.equal(told.status, "approved");
    assert.ok(Date.parse(told.completed_at));
  },
};

for (const [name, step] of Object.entries(steps)) {
  await step();
  console.log(`ok ${name}`);
}
console.log(`done: ${Object.keys(steps).length} steps`);
