// The transport against a server of our own: retries, waits, one Idempotency-Key, errors by code and
// status, a fresh token 60 s before the end of the one before.
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";

import {
  BloqueAPIError, BloqueIdempotencyError, BloqueInsufficientFundsError, BloqueNetworkError, BloqueRateLimitError,
  BloqueTierLimitError, BloqueTimeoutError, BloqueVerificationError, KeyTokens, SDK, Transport,
} from "@bloque/sdk";

import { assert, config } from "./house.js";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
const script: Answer[] = [];
const server = createServer((request, response) => {
  request.resume();
  request.on("end", () => (script.shift() ?? ((_, last) => last.writeHead(200).end("{}")))(request, response));
});
await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
const address = server.address();
assert.ok(address !== null && typeof address === "object");
const baseUrl = `http://127.0.0.1:${address.port}`;
const say = (status: number, body: object, headers: Record<string, string> = {}): Answer => (_, response) =>
  void response.writeHead(status, headers).end(JSON.stringify(body));
const transport = (more: object = {}): Transport => new Transport({ auth: { type: "jwt" }, baseUrl, ...more });

try {
  const soon = { "retry-after": "0" };
  const dated = { "retry-after": new Date(Date.now() - 1000).toUTCString() };
  script.push(say(429, {}, soon), say(503, {}, dated), (request) => request.socket.destroy(), say(200, { fine: true }));
  const retried = transport();
  assert.deepEqual(await retried.call("POST", "/x", { body: {} }), { fine: true });
  assert.deepEqual(retried.attempts.map(({ status }) => status), [429, 503, 0, 200]);
  assert.equal(new Set(retried.attempts.map(({ idempotencyKey }) => idempotencyKey)).size, 1);
  await retried.call("GET", "/x");
  assert.equal(retried.attempts.at(-1)!.idempotencyKey, undefined);
  await retried.call("PUT", "/x", { idempotencyKey: "mine" });
  assert.equal(retried.attempts.at(-1)!.idempotencyKey, "mine");

  script.push(...Array.from({ length: 4 }, () => say(429, { message: "slow down", code: "rate_limited" }, soon)));
  const limited = await transport().call("GET", "/x").catch((error: unknown) => error);
  assert.ok(limited instanceof BloqueRateLimitError && limited.retryAfterMs === 0);
  script.push(() => undefined);
  const late = await transport({ timeoutMs: 50, maxRetries: 0 }).call("GET", "/x").catch((error: unknown) => error);
  assert.ok(late instanceof BloqueTimeoutError, String(late));
  script.push((request) => request.socket.destroy());
  const cut = await transport({ maxRetries: 0 }).call("GET", "/x").catch((error: unknown) => error);
  assert.ok(cut instanceof BloqueNetworkError, String(cut));

  for (const [status, code, message, kind] of [
    [409, "INSUFFICIENT_BALANCE", "no", BloqueInsufficientFundsError],
    [403, "E_VERIFICATION_REQUIRED", "no", BloqueVerificationError],
    [409, "other", "this Idempotency-Key was used", BloqueIdempotencyError],
    [500, "other", "broken", BloqueAPIError],
  ] as const) {
    script.push(say(status, { code, message }, { "x-request-id": "req_1" }));
    const error = await transport().call("GET", "/x").catch((error: unknown) => error);
    assert.ok(error instanceof kind && error.requestId === "req_1", `${code}: ${String(error)}`);
  }
  script.push(say(429, { code: "E_TIER_LIMIT_EXCEEDED", message: "no", extra_details: { window: "day" } }));
  const tier = await transport({ maxRetries: 0 }).call("GET", "/x").catch((error: unknown) => error);
  assert.ok(tier instanceof BloqueTierLimitError && tier.details?.window === "day");
} finally {
  server.closeAllConnections();
  server.close();
}

// Against Cardwright: the token lives longer than the minute before its end at which another is asked for.
let now = Date.now();
const http = new Transport(config);
const tokens = new KeyTokens(http, { apiKey: (config.auth as { apiKey: string }).apiKey }, () => now);
await tokens.authorization();
await tokens.authorization();
assert.equal(http.attempts.length, 1, "one exchange for two calls");
const { expires_in: seconds } = await new SDK(config).apiKeys.exchange({
  key: (config.auth as { apiKey: string }).apiKey,
});
assert.ok(seconds > 60);
now += (seconds - 61) * 1000;
await tokens.authorization();
assert.equal(http.attempts.length, 1);
now += 2000;
await tokens.authorization();
assert.equal(http.attempts.length, 2, "another 60 s before the end");
