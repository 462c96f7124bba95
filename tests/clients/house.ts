// The other side of the examples: the processor's purchases, the operator's money, and what is expected.
import assert from "node:assert/strict";
import { createServer } from "node:http";

import { SDK } from "@bloque/sdk";
import type { SDKConfig, Session } from "@bloque/sdk";

export { assert };

export const origin = "sandbox";
export const asset = "DUSD/6";
export const key = process.env.BLOQUE_API_KEY!;
/** What the guide's programmes say, and where Cardwright listens. */
export const config: SDKConfig = {
  origin,
  auth: { type: "apiKey", apiKey: key },
  mode: "production",
  baseUrl: process.env.BLOQUE_BASE_URL!,
};

export async function house<T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<T> {
  const answer = await fetch(config.baseUrl + path, {
    method,
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${key}` },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return JSON.parse(text) as T;
}

let count = 0;
/** An id that nobody used. */
export const fresh = (name: string): string => `${name}-${process.pid}-${Date.now()}-${(count += 1)}`;

/** Registers a holder and says its alias and URN. */
export async function newHolder(profile: Record<string, unknown> = {}): Promise<{ alias: string; urn: string }> {
  const alias = fresh("user");
  await new SDK(config).register(alias, { profile });
  return { alias, urn: `did:bloque:${origin}:${alias}` };
}

export async function newSession(profile: Record<string, unknown> = {}): Promise<{ session: Session; urn: string }> {
  const { alias, urn } = await newHolder(profile);
  return { session: await new SDK(config).connect(alias), urn };
}

/** Money from the world; `amount` in the asset's smallest unit. */
export async function deposit(urn: string, amount: string, of = asset): Promise<void> {
  await house("POST", "/v1/deposits", { account_urn: urn, asset: of, amount, reference: fresh("deposit") });
}

export interface Purchase {
  id?: string;
  amount?: string;
  currency?: string;
  mcc?: string;
  type?: string;
  usd?: string;
  wallet?: string;
}

export interface Decision {
  id: string;
  status: string;
  decline_reason?: string;
  asset: string;
  amount: string;
  exchange_rate: string;
  legs: { account_urn: string; amount: string }[];
  fee_breakdown: { total_fees: string; settlement: string; fees: { fee_name: string; amount: string; rate: number }[] };
}

/** What the processor sends when the card is used: 50 US dollars at a bookseller's, unless said otherwise. */
export function buy(card: string, asked: Purchase = {}): Promise<Decision> {
  return house<Decision>("POST", "/v1/authorizations", {
    transaction_id: asked.id ?? fresh("ctx"),
    card,
    transaction_type: asked.type ?? "PURCHASE",
    local_amount: asked.amount ?? "50.00",
    local_currency: asked.currency ?? "USD",
    ...(asked.usd === undefined ? {} : { usd_amount: asked.usd }),
    merchant: { id: "m-1", name: "AMAZON.COM", mcc: asked.mcc ?? "5411", city: "Seattle", country: "USA" },
    ...(asked.wallet === undefined ? {} : { medium: { tokenization_wallet_name: asked.wallet } }),
  });
}

export function step(id: string, name: "capture" | "refund" | "reverse", amount?: string): Promise<Decision> {
  return house<Decision>("POST", `/v1/authorizations/${id}/${name}`, {
    transaction_id: fresh(name),
    ...(amount === undefined ? {} : { local_amount: amount }),
  });
}

export interface Received {
  path: string;
  headers: Record<string, string | string[] | undefined>;
  body: Record<string, unknown>;
}

/** A server of the programme's own that takes webhooks on a free port. */
export async function receiver(): Promise<{
  url: string; received: Received[]; wait(fits: (one: Received) => boolean): Promise<Received>; close(): void;
}> {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const part of request) text += String(part);
    received.push({ path: request.url ?? "", headers: request.headers, body: JSON.parse(text) as Received["body"] });
    response.writeHead(200).end("OK");
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return {
    url: `http://127.0.0.1:${address.port}/webhooks/cards`,
    received,
    async wait(fits) {
      for (const end = Date.now() + 30_000; ; await new Promise((done) => setTimeout(done, 20))) {
        const found = received.find(fits);
        if (found !== undefined) return found;
        assert.ok(Date.now() < end, `no such webhook among ${JSON.stringify(received.map((one) => one.body))}`);
      }
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
