// Card Webhooks, Handling Webhooks: card-webhook-handler.ts, with Node's own server for express.
import { createServer } from "node:http";

import { assert, buy, deposit, newSession, step } from "../house.js";

interface Payload {
  transaction_id: string;
  type: string;
  direction: string;
  event: string;
  local_amount?: number;
  local_currency?: string;
  merchant?: { name?: string };
  fee_breakdown?: { total_fees: string };
  reason?: string;
  currency?: string;
}

const seen: string[] = [];
const handled = new Set<string>();

function handle(payload: Payload): void {
  // Processing the same event twice must produce the same result.
  const key = `${payload.type}-${payload.event}-${payload.transaction_id}`;
  if (handled.has(key)) return;
  handled.add(key);
  console.log(`[${payload.transaction_id}] ${payload.event} — ${payload.type}/${payload.direction}`);

  switch (payload.event) {
    case "purchase":
      console.log(`Purchase: ${payload.local_amount} ${payload.local_currency}`);
      console.log(`Merchant: ${payload.merchant?.name}`);
      console.log(`Fees: ${payload.fee_breakdown?.total_fees}`);
      break;

    case "credit_adjustment":
      console.log(`Refund: ${payload.local_amount} ${payload.local_currency}`);
      break;

    case "debit_adjustment":
      console.log(`Debit adjustment: ${payload.local_amount} ${payload.local_currency}`);
      break;

    case "rejected_insufficient_funds":
      console.log(`Rejected: ${payload.reason}`);
      break;

    case "rejected_currency":
      console.log(`Unsupported currency: ${payload.currency}`);
      break;

    case "rejected_credit":
      console.log(`Credit rejected: ${payload.reason}`);
      break;
  }
  seen.push(payload.event);
}

let refusals = 1;
const app = createServer(async (request, response) => {
  let body = "";
  for await (const part of request) body += String(part);
  // Down for a moment: what was not taken comes again.
  if (refusals > 0) {
    refusals -= 1;
    response.writeHead(500).end();
    return;
  }
  handle(JSON.parse(body) as Payload);
  response.writeHead(200).end("OK");
});
await new Promise<void>((ready) => app.listen(0, "127.0.0.1", ready));
const address = app.address();
assert.ok(address !== null && typeof address === "object");
try {
  const { session } = await newSession();
  const webhookUrl = `http://127.0.0.1:${address.port}/webhooks/cards`;
  const card = await session.accounts.card.create({ name: "Card", webhookUrl });
  await deposit(card.urn, "100000000");
  const { id } = await buy(card.urn, { amount: "50.00" });
  await step(id, "capture");
  await step(id, "refund", "25.00");
  await buy(card.urn, { amount: "500.00" });
  const expected = ["purchase", "debit_adjustment", "credit_adjustment", "rejected_insufficient_funds"];
  for (const end = Date.now() + 60_000; seen.length < expected.length; ) {
    assert.ok(Date.now() < end, `only ${JSON.stringify(seen)} came`);
    await new Promise((done) => setTimeout(done, 20));
  }
  assert.deepEqual(seen, expected, "each once, in order");
} finally {
  app.closeAllConnections();
  app.close();
}
