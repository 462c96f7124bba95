"""Virtual cards on a ledger, step by step, with the Blnk client for Python as it comes from PyPI."""
import os

from blnk_sdk import BlnkClientOptions, blnk_init

blnk = blnk_init(os.environ["KEY"], BlnkClientOptions(base_url=os.environ["API"]))


def get(answer):
    if answer.data is None or answer.error:
        raise SystemExit(f"{answer.status} {answer.error}: {answer.message}")
    return answer.data


# 1. A ledger for all USD cards.
ledger = get(blnk.ledgers.create({"name": "USD Ledger"}))

# 2. A balance is Jerry's card; what is stored of the card is masked. It is funded from the world.
card = get(blnk.ledger_balances.create({
    "ledger_id": ledger["ledger_id"],
    "currency": "USD",
    "meta_data": {
        "customer_name": "Jerry", "customer_internal_id": "1234", "card_state": "ACTIVE",
        "card_number": "411111XXXXXX1111", "card_expiry": "12/26", "card_cvv": "XXX",
    },
}))
get(blnk.transactions.create({
    "amount": 1000, "precision": 100, "currency": "USD", "reference": f"fund-{card['balance_id']}",
    "description": "Card funding", "source": "@World", "destination": card["balance_id"], "allow_overdraft": True,
}))


def available():
    """What can be spent: without what is inflight."""
    balance = get(blnk.ledger_balances.get(card["balance_id"]))
    return balance["balance"] - balance["inflight_debit_balance"]


assert available() == 100_000


# 3. A purchase is authorized: the money is inflight, and not spendable twice.
def authorize(reference, amount, merchant):
    return get(blnk.transactions.create({
        "amount": amount, "precision": 100, "currency": "USD", "reference": f"{reference}-{card['balance_id']}",
        "description": f"Purchase at {merchant}", "source": card["balance_id"], "destination": "@Merchants",
        "inflight": True, "meta_data": {"merchant_name": merchant, "status": "PENDING"},
    }))


purchase = authorize("p-1", 250, "Store ABC")
assert purchase["status"] == "INFLIGHT"
assert available() == 75_000

# 4. Verified, it is approved: committed.
get(blnk.metadata.update(purchase["transaction_id"], {"meta_data": {"status": "VERIFIED"}}))
get(blnk.transactions.update_status(purchase["transaction_id"], {"status": "commit"}))
paid = get(blnk.ledger_balances.get(card["balance_id"]))
assert (paid["balance"], paid["inflight_debit_balance"]) == (75_000, 0)

# 5. Another cannot be verified and is declined: voided.
other = authorize("p-2", 100, "Store XYZ")
get(blnk.metadata.update(other["transaction_id"], {"meta_data": {"status": "DECLINED"}}))
get(blnk.transactions.update_status(other["transaction_id"], {"status": "void"}))
assert available() == 75_000

# The card's state is kept in its metadata.
state = get(blnk.metadata.update(card["balance_id"], {"meta_data": {"card_state": "BLOCKED"}}))
assert state["meta_data"]["card_state"] == "BLOCKED"
assert state["meta_data"]["customer_name"] == "Jerry"
merchants = get(blnk.ledger_balances.get_by_indicator("@Merchants", "USD"))
assert merchants["balance"] == 25_000
print(f"{card['balance_id']}: {available() / 100} USD available, {state['meta_data']['card_state']}")
