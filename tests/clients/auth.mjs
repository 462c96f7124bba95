// Drives the wire as the Bloque SDK does (sections 1 and 2 of its captured exchanges): plain fetch, no
// packages. Usage: node auth.mjs URL KEY CODES_FILE
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const [url, key, codesFile] = process.argv.slice(2);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** An error as the SDK makes it from an answer. */
class WireError extends Error {
  constructor(status, body, headers) {
    super(body.message);
    this.status = status;
    this.code = body.code;
    this.extra = body.extra_details;
    this.requestId = headers.get("x-request-id") ?? headers.get("request-id");
    this.body = body;
    this.headers = headers;
  }
}

/** The SDK's transport: one Idempotency-Key over all retries, Retry-After, classes by status. */
class Transport {
  constructor(base) {
    this.base = base;
    this.attempts = [];
  }

  async call(method, path, { body, auth, idempotencyKey, maxRetries = 3 } = {}) {
    const headers = { "Content-Type": "application/json" };
    if (auth) headers.Authorization = auth;
    if (method === "POST" || method === "PUT") {
      headers["Idempotency-Key"] = idempotencyKey ?? randomUUID();
    }
    for (let attempt = 0; ; attempt += 1) {
      const answer = await fetch(this.base + path, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(30_000),
      });
      this.attempts.push({ path, status: answer.status, key: headers["Idempotency-Key"] });
      const text = await answer.text();
      if (answer.ok) return text === "" ? undefined : JSON.parse(text);
      const mayRetry = answer.status === 429 || answer.status === 503;
      if (mayRetry && attempt < maxRetries) {
        const after = answer.headers.get("retry-after");
        await sleep(Math.min(after === null ? 1000 * 2 ** attempt : Number(after) * 1000, 30_000));
        continue;
      }
      throw new WireError(answer.status, JSON.parse(text), answer.headers);
    }
  }
}

async function refused(status, code, promise) {
  const error = await promise.then(
    (value) => assert.fail(`expected ${status}, got ${JSON.stringify(value)}`),
    (error) => error,
  );
  assert.ok(error instanceof WireError, String(error));
  assert.equal(error.status, status, JSON.stringify(error.body));
  assert.equal(error.code, code);
  assert.equal(error.body.req_id, error.requestId);
  assert.equal(typeof error.message, "string");
  if (status === 401) assert.match(error.message, /unauthorized/);
  if (status === 404) assert.match(error.message, /not found/);
  return error;
}

const api = new Transport(url);
const bearer = (token) => `Bearer ${token}`;
const connectBody = (apiKey, alias) => ({
  assertion_result: { challengeType: "API_KEY", value: { api_key: apiKey, alias } },
  extra_context: {},
});
const registerBody = (apiKey, alias, profile = {}, type = "individual") => ({
  assertion_result: { alias, challengeType: "API_KEY", value: { api_key: apiKey, alias } },
  extra_context: {},
  type,
  profile,
});

const steps = {
  /** auth type apiKey: exchange, then who am I. */
  async apiKey() {
    const token = await api.call("POST", "/api/api-keys/exchange", { body: { key } });
    assert.equal(token.token_type, "Bearer");
    assert.ok(token.expires_in > 0);
    const me = await api.call("GET", "/api/identities/me", { auth: bearer(token.access_token) });
    assert.equal(me.origin, "sandbox");
    assert.match(me.urn, /^did:bloque:sandbox:/);
    await api.call("GET", "/api/accounts", { auth: bearer(token.access_token) });
    await api.call("GET", "/api/accounts", { auth: bearer(key) });
    const narrow = await api.call("POST", "/api/api-keys/exchange", {
      body: { key, scopes: ["network"] },
    });
    const auth = bearer(narrow.access_token);
    await refused(403, "forbidden", api.call("GET", "/api/accounts", { auth }));
    const wrong = { body: { key: "sk_live_wrong" } };
    await refused(401, "unauthorized", api.call("POST", "/api/api-keys/exchange", wrong));
  },

  /** The SDK asks for another token 60 s before the end of the one it has. */
  async refresh() {
    const exchange = () => api.call("POST", "/api/api-keys/exchange", { body: { key } });
    let token = await exchange();
    const isStale = (now) => now >= (token.expires_in - 60) * 1000;
    assert.ok(!isStale(0), "a new token must be good for more than 60 s");
    assert.ok(isStale((token.expires_in - 59) * 1000));
    const before = token.access_token;
    await sleep(1100); // another second, so another token
    token = await exchange();
    assert.notEqual(token.access_token, before);
    for (const either of [before, token.access_token]) {
      await api.call("GET", "/api/identities/me", { auth: bearer(either) });
    }
  },

  /** auth type originKey: register, connect, the key without Bearer before a session. */
  async originKey() {
    const profile = { first_name: "Ana", email: "ana@example.com" };
    const options = { body: registerBody(key, "ana", profile), auth: key, idempotencyKey: randomUUID() };
    const first = await api.call("POST", "/api/origins/sandbox/register", options);
    const again = await api.call("POST", "/api/origins/sandbox/register", options);
    assert.equal(first.result.urn, again.result.urn, "a retry registers once");
    const other = { body: registerBody(key, "ana", profile), auth: key };
    await refused(409, "identity_exists", api.call("POST", "/api/origins/sandbox/register", other));
    const conflict = { ...options, body: registerBody(key, "eva") };
    const used = api.call("POST", "/api/origins/sandbox/register", conflict);
    const error = await refused(409, "idempotency_conflict", used);
    assert.match(`${error.code} ${error.message}`, /idempotency key|idempotency-key/);

    const session = await api.call("POST", "/api/origins/sandbox/connect", {
      body: connectBody(key, "ana"),
      auth: key,
    });
    const auth = bearer(session.result.access_token);
    const me = await api.call("GET", "/api/identities/me", { auth });
    assert.equal(me.urn, "did:bloque:sandbox:ana");
    assert.equal(me.type, "individual");
    assert.deepEqual(me.profile, profile);
    assert.equal(me.status, "active");

    const patched = await api.call("PATCH", "/api/identities/me", {
      auth,
      body: { profile: { last_name: "Paz" }, metadata: { plan: "gold" } },
    });
    assert.deepEqual(patched.result.identity.profile, { ...profile, last_name: "Paz" });
    assert.deepEqual(patched.result.identity.metadata, { plan: "gold" });
    const aliases = await api.call("GET", "/api/identities/me/aliases", { auth });
    assert.deepEqual(aliases.map(({ alias }) => alias), ["ana", "ana@example.com"]);
    const found = await api.call("GET", "/api/aliases?alias=ana");
    assert.equal(found.urn, me.urn);
    assert.deepEqual(found.metadata, { alias: "ana" });
    for (const name of ["id", "type", "origin", "details", "status", "is_public", "is_primary",
      "created_at", "updated_at"]) assert.ok(name in found, name);
    await refused(404, "alias_not_found", api.call("GET", "/api/aliases?alias=ana@example.com"));
    await refused(404, "identity_not_found", api.call("POST", "/api/origins/sandbox/connect", {
      body: connectBody(key, "nobody"),
    }));
    await refused(401, "unauthorized", api.call("POST", "/api/origins/sandbox/connect", {
      body: connectBody("sk_wrong", "ana"),
    }));
    const origins = await api.call("GET", "/api/origins");
    assert.ok(origins.some(({ namespace }) => namespace === "sandbox"));

    // The holder's account, without saying whose.
    const made = await api.call("POST", "/api/mediums/virtual", { auth, body: { input: {} } });
    assert.equal(made.result.account.owner_urn, me.urn);
    const { accounts } = await api.call("GET", "/api/accounts", { auth });
    assert.deepEqual(accounts.map(({ urn }) => urn), [made.result.account.urn]);
  },

  /** auth type jwt: a one-time code. */
  async jwt() {
    const body = registerBody(key, "otto", { phone: "+573001234567" }, "business");
    await api.call("POST", "/api/origins/sandbox/register", { body });
    const sent = await api.call("GET", "/api/origins/sandbox/assert?alias=otto");
    assert.equal(sent.type, "OTP");
    assert.equal(sent.params.attempts_remaining, 5);
    assert.ok(Date.parse(sent.value.expires_at) > Date.now());
    const lines = readFileSync(codesFile, "utf8").trim().split("\n");
    const [, code] = / code (\d{6}) /.exec(lines.at(-1));
    const answer = (code, options = {}) =>
      api.call("POST", "/api/origins/sandbox/connect", {
        body: {
          assertion_result: {
            challengeType: "OTP", alias: "otto", value: { code, phone: sent.value.phone },
          },
          extra_context: {},
        },
        ...options,
      });
    const wrong = String((Number(code) + 1) % 1_000_000).padStart(6, "0");
    const error = await refused(401, "unauthorized", answer(wrong));
    assert.equal(error.extra.attempts_remaining, 4);
    const idempotencyKey = randomUUID();
    await answer(code, { idempotencyKey });
    const session = await answer(code, { idempotencyKey });
    await refused(401, "unauthorized", answer(code));
    const auth = bearer(session.result.access_token);
    const me = await api.call("GET", "/api/identities/me", { auth });
    assert.equal(me.urn, "did:bloque:sandbox:otto");
    // Four more are sent; the next has to wait.
    for (let n = 0; n < 4; n += 1) await api.call("GET", "/api/origins/sandbox/assert?alias=otto");
    const late = api.call("GET", "/api/origins/sandbox/assert?alias=otto", { maxRetries: 0 });
    const limited = await refused(429, "rate_limited", late);
    assert.ok(Number(limited.headers.get("retry-after")) > 0);
  },

  /** Keys: made once for each Idempotency-Key, listed without secrets, rotated, revoked. */
  async keys() {
    const auth = bearer(key);
    const body = { name: "app", scopes: ["programme"], domains: ["a.example"],
      expiration: "never", metadata: { team: "x" } };
    const idempotencyKey = randomUUID();
    const made = await api.call("POST", "/api/api-keys", { auth, body, idempotencyKey });
    const again = await api.call("POST", "/api/api-keys", { auth, body, idempotencyKey });
    assert.equal(again.secret_key, made.secret_key, "a retry gets the same secret");
    assert.match(made.secret_key, /^sk_/);
    assert.match(made.publishable_key, /^pk_/);
    const list = await api.call("GET", "/api/api-keys", { auth });
    assert.equal(list.filter(({ key_id }) => key_id === made.key_id).length, 1);
    assert.ok(!JSON.stringify(list).includes(made.secret_key));
    const one = await api.call("GET", `/api/api-keys/${made.key_id}`, { auth });
    assert.deepEqual(
      [one.name, one.scopes, one.domains, one.status, one.expiration, one.metadata],
      ["app", ["programme"], ["a.example"], "active", "never", { team: "x" }],
    );
    await refused(401, "unauthorized", api.call("GET", "/api/accounts", { auth: bearer(made.publishable_key) }));
    const rotated = await api.call("POST", `/api/api-keys/${made.key_id}/rotate`, { auth });
    assert.notEqual(rotated.secret_key, made.secret_key);
    const old = { body: { key: made.secret_key } };
    await refused(401, "unauthorized", api.call("POST", "/api/api-keys/exchange", old));
    await api.call("GET", "/api/accounts", { auth: bearer(rotated.secret_key) });
    await api.call("DELETE", `/api/api-keys/${made.key_id}`, { auth });
    await refused(404, "key_not_found", api.call("DELETE", `/api/api-keys/${made.key_id}`, { auth }));
    const secret = { api_key: key, webhook_secret: "whsec_0123456789abcdef" };
    const path = "/api/api-keys/origins/sandbox/webhook-secret";
    const set = await api.call("PUT", path, { auth, body: secret });
    assert.deepEqual([set.origin_name, set.updated], ["sandbox", true]);
    const acting = await api.call("POST", "/api/api-keys/exchange", {
      auth, body: { key, as_identity: "did:bloque:sandbox:demo" },
    });
    const me = await api.call("GET", "/api/identities/me", { auth: bearer(acting.access_token) });
    assert.equal(me.urn, "did:bloque:sandbox:demo");
  },

  /** Over a proxy that first says 429 and 503: the same Idempotency-Key reaches the server. */
  async retries() {
    const troubles = [429, 503];
    const keys = [];
    const proxy = createServer(async (request, response) => {
      let body = "";
      for await (const part of request) body += part;
      keys.push(request.headers["idempotency-key"]);
      const trouble = troubles.shift();
      if (trouble !== undefined) {
        response.writeHead(trouble, { "retry-after": "0" });
        return response.end('{"message":"busy","code":"busy"}');
      }
      const answer = await fetch(url + request.url, {
        method: request.method,
        headers: { "content-type": "application/json", "idempotency-key": keys.at(-1) },
        body,
      });
      response.writeHead(answer.status, { "content-type": "application/json" });
      return response.end(await answer.text());
    });
    await new Promise((ready) => proxy.listen(0, "127.0.0.1", ready));
    try {
      const through = new Transport(`http://127.0.0.1:${proxy.address().port}`);
      const body = registerBody(key, "rita");
      const made = await through.call("POST", "/api/origins/sandbox/register", { body });
      assert.equal(made.result.urn, "did:bloque:sandbox:rita");
      assert.deepEqual(through.attempts.map(({ status }) => status), [429, 503, 201]);
      assert.equal(new Set(keys).size, 1);
    } finally {
      proxy.closeAllConnections();
      proxy.close();
    }
  },
};

for (const [name, step] of Object.entries(steps)) {
  await step();
  console.log(`ok ${name}`);
}
console.log(`done: ${Object.keys(steps).length} steps, ${api.attempts.length} calls`);
