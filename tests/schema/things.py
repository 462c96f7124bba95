"""Makes one of each thing of the ledger and the network face on a server, and prints what tests/schema/hooks.py wants to know."""
import json
import sys
import urllib.error
import urllib.request

url, key = sys.argv[1:]


def ask(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"X-Blnk-Key": key, "Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(url + path, data=data, headers=headers, method=method)
    try:
        return json.load(urllib.request.urlopen(request))
    except urllib.error.HTTPError as error:
        # Fewer things to fuzz with is no fault of the fuzzed.
        print(f"{method} {path}: {error.code} {error.read()[:200]}", file=sys.stderr)
        return {}


def upload():
    """A file with one external record; the id of what was uploaded."""
    rows = "id,amount,reference,currency,description,date\r\ne1,12.34,done,USD,d,2026-11-21T10:00:00Z\r\n"
    part = 'Content-Disposition: form-data; name='
    data = (
        f'--b\r\n{part}"source"\r\n\r\nbank\r\n--b\r\n{part}"file"; filename="e.csv"\r\nContent-Type: text/csv\r\n\r\n'
        f"{rows}\r\n--b--\r\n"
    )
    headers = {"X-Blnk-Key": key, "Content-Type": "multipart/form-data; boundary=b"}
    request = urllib.request.Request(url + "/reconciliation/upload", data=data.encode(), headers=headers, method="POST")
    try:
        return json.load(urllib.request.urlopen(request)).get("upload_id")
    except urllib.error.HTTPError as error:
        print(f"upload: {error.code} {error.read()[:200]}", file=sys.stderr)
        return "none"


bodies = {}


def make(path, body, name, route=None):
    bodies[f"POST {route or path}"] = body
    return ask("POST", path, body).get(name)


ledger = make("/ledgers", {"name": "USD Ledger", "meta_data": {"a": 1}}, "ledger_id")
identity = make("/identities", {
    "identity_type": "individual", "first_name": "Jerry", "last_name": "Doe", "email_address": "jerry@example.com",
    "phone_number": "+15550100", "category": "customer", "dob": "1990-01-01T00:00:00Z", "meta_data": {"a": 1},
}, "identity_id")
card = make("/balances", {"ledger_id": ledger, "currency": "USD", "identity_id": identity, "meta_data": {"card_state": "ACTIVE"}}, "balance_id")
other = ask("POST", "/balances", {"ledger_id": ledger, "currency": "USD"}).get("balance_id")


def payment(reference, **more):
    return {
        "amount": 12.34, "precision": 100, "currency": "USD", "reference": reference, "description": "d",
        "source": card, "destination": other, "meta_data": {"merchant_name": "Store ABC"}, **more,
    }


ask("POST", "/transactions", payment("fund", amount=1000000, source="@World", destination=card, allow_overdraft=True))
held = ask("POST", "/transactions", payment("held", inflight=True)).get("transaction_id")
again = ask("POST", "/transactions", payment("again", inflight=True)).get("transaction_id")
done = make("/transactions", payment("done", inflight=False, skip_queue=True, overdraft_limit=5, atomic=False), "transaction_id")
bodies["POST /transactions"].pop("atomic")
bulk = make("/transactions/bulk", {
    "transactions": [payment("b1"), payment("b2", source=other, destination="@Fees")], "atomic": True, "inflight": True,
    "run_async": False, "skip_queue": True,
}, "batch_id")
split = payment("split", source=None, destination=other)
del split["source"]
split["sources"] = [
    {"identifier": card, "distribution": "20%", "narration": "n"}, {"identifier": "@World", "distribution": "2.50"},
    {"identifier": card, "distribution": "left"},
]
bodies["POST /transactions/bulk"]["transactions"].append(split)
monitor = make("/balance-monitors", {
    "balance_id": card, "condition": {"field": "balance", "operator": ">", "value": 100, "precision": 100}, "description": "d",
}, "monitor_id")
rule = make("/reconciliation/matching-rules", {
    "name": "r", "description": "d", "criteria": [
        {"field": "amount", "operator": "equals", "allowable_drift": 0.01},
        {"field": "reference", "operator": "contains", "value": "x"},
    ],
}, "rule_id")
run = make("/reconciliation/start-instant", {
    "external_transactions": [
        {"id": "e1", "amount": 12.34, "reference": "done", "currency": "USD", "description": "d", "date": "2026-11-21T10:00:00Z", "source": "bank"},
    ],
    "strategy": "one_to_one", "dry_run": True, "matching_rule_ids": [rule],
}, "reconciliation_id")
hook = make("/hooks", {"name": "h", "url": "https://hooks.example/x", "type": "POST_TRANSACTION", "active": False, "timeout": 1, "retry_count": 0}, "id")
bodies["PUT /hooks/{id}"] = bodies["POST /hooks"]
bodies["PUT /ledgers/{id}"] = {"name": "Other"}
bodies["PUT /balances/{id}/identity"] = {"identity_id": identity}
bodies["PUT /identities/{id}"] = {"first_name": "Tom", "meta_data": {"b": 2}}
bodies["POST /identities/{id}/tokenize"] = {"fields": ["first_name", "email_address"]}
bodies["POST /identities/{id}/detokenize"] = {"fields": ["first_name"]}
bodies["PUT /transactions/inflight/{id}"] = {"status": "commit", "amount": 0.01, "skip_queue": True}
bodies["POST /transactions/inflight/bulk/commit"] = {"transactions": [{"transaction_id": again, "amount": 0.01}], "skip_queue": True}
bodies["POST /transactions/inflight/bulk/void"] = {"transaction_ids": [again], "skip_queue": True}
bodies["POST /refund-transaction/{id}"] = {"skip_queue": True}
bodies["PUT /balance-monitors/{id}"] = bodies["POST /balance-monitors"]
bodies["PUT /reconciliation/matching-rules/{id}"] = bodies["POST /reconciliation/matching-rules"]
bodies["POST /reconciliation/start"] = {
    "upload_id": upload(), "strategy": "many_to_one", "dry_run": True, "grouping_criteria": "reference", "matching_rule_ids": [rule],
}
bodies["POST /{entity_id}/metadata"] = {"meta_data": {"card_state": "BLOCKED", "deep": {"a": [1]}}}
bodies["POST /api-keys"] = {"name": "k", "owner": "o", "scopes": ["ledgers:read"], "expires_at": "2099-01-01T00:00:00Z"}
for collection in ("ledgers", "balances", "transactions", "identities"):
    bodies[f"POST /{collection}/filter"] = {
        "filters": [
            {"field": "created_at", "operator": "between", "values": ["2026-01-01T00:00:00Z", "2099-01-01T00:00:00Z"]},
            {"field": "meta_data.a", "operator": "eq", "value": "1"}, {"field": "meta_data.b", "operator": "isnull"},
        ],
        "logical_operator": "or", "sort_by": "created_at", "sort_order": "desc", "include_count": True, "limit": 10, "offset": 0,
    }
search = {"q": "*", "query_by": "reference", "filter_by": "currency:=USD && created_at:>1", "sort_by": "created_at:desc", "page": 1, "per_page": 5}
bodies["POST /search/{collection}"] = search
bodies["POST /multi-search"] = {"searches": [{"collection": "transactions", **search}, {"collection": "balances", "q": "USD", "query_by": "currency"}]}

plastic = (ask("POST", "/v1/sandbox/seed", {
    "holder_urn": "did:bloque:sandbox:demo", "cards": 1, "asset": "DUSD/6", "amount": "900000000000",
}).get("cards") or ["none"])[0]


def purchase(number, **more):
    return {
        "transaction_id": number, "card": plastic, "transaction_type": "PURCHASE", "local_amount": "5.00", "local_currency": "USD",
        "merchant": {"id": "m-1", "name": "AMAZON.COM", "mcc": "5411", "city": "Seattle", "country": "USA"},
        "medium": {"entry_mode": "CREDENTIAL_ON_FILE", "network": "VISA"}, "usd_amount": "5.00", "partial_approval": False,
        "capture": False, **more,
    }


open_holds = [make("/v1/authorizations", purchase(f"net-{number}"), "id") for number in range(4)]
bodies["POST /v1/authorizations/simulate"] = purchase("sim")
bodies["POST /v1/authorizations/batch"] = [purchase("bat-a"), purchase("bat-b", local_amount="900000.00"), purchase("bat-c", capture=True)]
bodies["POST /v1/authorizations/{id}/{step}"] = {"transaction_id": "step", "local_amount": "0.50"}
clearing = purchase("clr")
del clearing["capture"], clearing["partial_approval"]
bodies["POST /v1/clearings"] = clearing
money = {"account_urn": plastic, "asset": "DUSD/6", "amount": "1000", "reference": "m", "metadata": {"a": 1}}
bodies["POST /v1/deposits"] = money
bodies["POST /v1/withdrawals"] = {**money, "reference": "w"}

entities = [ledger, card, held, done, bulk, identity]
ids = {
    "authorizations": open_holds + ["net-0"], "steps": ["increment", "capture", "reverse", "refund"], "ledgers": [ledger], "balances": [card, other], "balance_id": [card, other], "transactions": [held, again, done, bulk],
    "refund-transaction": [done, held], "identities": [identity], "balance-monitors": [monitor], "hooks": [hook],
    "reconciliation": [rule, run], "entity_id": entities, "reference": ["done", "held", "fund"], "indicator": ["@World", "@Fees"],
    "currency": ["USD", "EUR", "DUSD/6"], "collection": ["ledgers", "balances", "transactions", "identities"],
    "field": ["first_name", "email_address", "dob"],
}
ids = {kind: [one for one in some if one] for kind, some in ids.items()}
print(json.dumps({"ids": {kind: some for kind, some in ids.items() if some}, "bodies": bodies}))
