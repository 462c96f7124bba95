// Card Webhooks: the payloads of the page, field by field.
import { assert, buy, deposit, fresh, newSession, receiver, step } from "../house.js";

const { session } = await newSession();
const hooks = await receiver();
try {
  const card = await session.accounts.card.create({ name: "Card", webhookUrl: hooks.url });
  await deposit(card.urn, "100000000");
  const merchant = { id: "m-1", name: "AMAZON.COM", mcc: "5411", city: "Seattle", country: "USA" };
  const is = (event: string, id?: string) => ({ body }: { body: Record<string, unknown> }): boolean =>
    body.event === event && (id === undefined || body.transaction_id === id);
  const contains = (body: object, expected: object): void => {
    for (const [name, value] of Object.entries(expected)) {
      const found = (body as Record<string, unknown>)[name];
      const given = name === "merchant" ? { ...(found as object), ...(value as object) } : value;
      assert.deepEqual(found, given, `${name} of ${JSON.stringify(body)}`);
    }
  };

  const bought = fresh("ctx-200kXoaEJLNzcsvNxY1pmBO7fEx");
  const { id } = await buy(card.urn, { id: bought, amount: "50.00" });
  const purchase = await hooks.wait(is("purchase", bought));
  contains(purchase.body, {
    account_urn: card.urn, transaction_id: bought, type: "authorization", direction: "debit",
    amount: "50000000", asset: "DUSD/6", local_amount: 50.0, local_currency: "USD", exchange_rate: 1, merchant,
    lifecycle_status: "pending_authorization",
  });
  const fees = purchase.body.fee_breakdown as Record<string, unknown>;
  assert.equal(fees.total_fees, "720000");
  assert.deepEqual(fees.fees, [{ fee_name: "interchange", amount: "720000", rate: 0.0144 }]);

  await step(id, "capture");
  const captured = await hooks.wait(is("debit_adjustment"));
  contains(captured.body, { type: "adjustment", direction: "debit", lifecycle_status: "captured" });

  await step(id, "refund", "25.00");
  const refund = await hooks.wait(is("credit_adjustment"));
  contains(refund.body, {
    account_urn: card.urn, type: "adjustment", direction: "credit", amount: "25000000", asset: "DUSD/6",
    local_amount: 25.0, local_currency: "USD", exchange_rate: 1, merchant, lifecycle_status: "refunded",
  });
  const returned = refund.body.fee_breakdown as Record<string, unknown>;
  assert.equal(returned.total_fees, "360000");
  assert.deepEqual(returned.fees, [{ fee_name: "interchange", amount: "360000", rate: 0.0144 }]);

  const poor = fresh("ctx-789");
  await buy(card.urn, { id: poor, amount: "150.00" });
  const rejection = await hooks.wait(is("rejected_insufficient_funds", poor));
  contains(rejection.body, {
    account_urn: card.urn, transaction_id: poor, type: "authorization", direction: "debit", required_usd: 150.0,
  });
  assert.match(String(rejection.body.reason), /insufficient funds/i);
  assert.ok(!("lifecycle_status" in rejection.body));
  await buy(card.urn, { type: "CREDIT", amount: "5.00" });
  contains((await hooks.wait(is("rejected_credit"))).body, { type: "authorization", direction: "credit" });
  await buy(card.urn, { currency: "CHF", amount: "5.00" });
  contains((await hooks.wait(is("rejected_currency"))).body, { currency: "CHF" });

  for (const { path, headers } of hooks.received) {
    assert.equal(path, "/webhooks/cards");
    for (const name of ["webhook-id", "webhook-timestamp", "webhook-signature"]) {
      assert.ok(headers[name] !== undefined, `${name} of Standard Webhooks`);
    }
  }
} finally {
  hooks.close();
}
