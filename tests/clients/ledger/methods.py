"""Every method of every service of the client for Python, one line each with what was seen; each answer is
also held against the client's own types."""
import dataclasses
import inspect
import io
import json
import os
import re
import sys
import tempfile
import time
import typing
import uuid
from datetime import datetime, timedelta, timezone

import blnk_sdk
from blnk_sdk import BlnkClientOptions, BlnkErrorCode as Code, blnk_init
from blnk_sdk.services import default_services_map
from blnk_sdk.types import api_keys, balance_monitor, hooks, identity as people, ledger as ledgers
from blnk_sdk.types import ledger_balances as balances, metadata as notes, reconciliation as recon
from blnk_sdk.types import search as finding, system, transactions as txn
from blnk_sdk.types.list_options import ListOptions

failures = []
called = set()


class Silent:
    def info(self, *_):
        pass

    error = debug = info


def connect(key):
    return blnk_init(key, BlnkClientOptions(base_url=os.environ["BLNK_BASE_URL"], timeout=60_000, logger=Silent()))


class Watched:
    """A service, unmodified; what is called on it is noted."""

    def __init__(self, service):
        self.service = service

    def __getattr__(self, name):
        called.add((type(self.service).__name__, name))
        return getattr(self.service, name)


client = connect(os.environ["BLNK_API_KEY"])
properties = [name for name, it in vars(blnk_sdk.Blnk).items() if isinstance(it, property)]
services = {name: Watched(getattr(client, name)) for name in properties}
blnk = dataclasses.make_dataclass("Client", properties)(**services)


def line(name, said):
    print(f"Python      {name:<52}{said}")


def failed(name, why):
    failures.append(f"{name}: {why}")
    line(name, f"FAILED: {why}".replace("\n", " "))


def fits(value, hint, where):
    """Whether a value is what the client's type says."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint in (typing.Any, object):
        return
    if origin is typing.Union:
        for one in inner:
            try:
                return fits(value, one, where)
            except AssertionError:
                pass
        raise AssertionError(f"{where} is {value!r}, not {hint}")
    if origin is list:
        assert isinstance(value, list), f"{where} is {value!r}, not a list"
        for at, one in enumerate(value):
            fits(one, inner[0], f"{where}[{at}]")
        return
    if origin is dict:
        assert isinstance(value, dict), f"{where} is {value!r}, not an object"
        return
    if origin is typing.Literal:
        assert value in inner, f"{where} is {value!r}, not {hint}"
        return
    if dataclasses.is_dataclass(hint):
        assert isinstance(value, dict), f"{where} is {value!r}, not an object"
        hints = typing.get_type_hints(hint)
        for field in dataclasses.fields(hint):
            is_needed = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            assert field.name in value or not is_needed, f"{where} has no {field.name}"
            if field.name in value and (value[field.name] is not None or is_needed):
                fits(value[field.name], hints[field.name], f"{where}.{field.name}")
        return
    if hint is float:
        hint = (int, float)
    is_flag = isinstance(value, bool) and hint is not bool
    assert isinstance(value, hint) and not is_flag, f"{where} is {value!r}, not {hint}"


def see(name, status, answer, dto, check):
    """One call: its status, its type, and what `check` says of what came."""
    wanted = status if isinstance(status, tuple) else (status,)
    try:
        assert answer.status in wanted, f"{answer.status} {answer.message} {json.dumps(answer.data)}"
        if dto is not None:
            fits(answer.data, dto, "answer")
        try:
            line(name, f"{answer.status}, {check(answer.data)}")
        except Exception as error:
            raise AssertionError(f"{error!r} in {json.dumps(answer.data)}") from error
    except Exception as error:
        failed(name, error)
        return answer.data if isinstance(answer.data, dict) else {}
    return answer.data


def refused(name, status, codes, answer):
    codes = (codes,) if isinstance(codes, str) else codes
    code = answer.error.code if answer.error else None
    if answer.status == status and code in codes and answer.error.message:
        line(name, f"{answer.status} {code} {answer.message}")
    else:
        failed(name, f"{answer.status} {code} {answer.message}, expected {status} {codes}")


def has(actual, **expected):
    for name, value in expected.items():
        assert name in actual and actual[name] == value, f"{name} is {actual.get(name)!r}, not {value!r}"
    return ", ".join(f"{name} {value!r}" for name, value in expected.items())


def true(holds, said):
    assert holds, said
    return said


def until(what, ask, done):
    end = time.monotonic() + 30
    while True:
        answer = ask()
        if answer.status < 300 and done(answer.data):
            return
        if answer.status >= 400 or time.monotonic() > end:
            return failed(what, f"never; last {answer.status} {json.dumps(answer.data)}")
        time.sleep(0.02)


def fresh(what):
    return f"{what}-{uuid.uuid4()}"


UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
is_id = lambda text, prefix: bool(re.fullmatch(prefix + UUID, str(text)))
DONE = (200, 201, 202)
any_of = lambda dto: typing.List[dto]
FIELDS = ("credit_balance", "debit_balance", "inflight_credit_balance", "inflight_debit_balance")


def money(name, balance_id, *amounts):
    data = blnk.ledger_balances.get(balance_id).data
    told = tuple(data.get(field) for field in FIELDS)
    whole = (data.get("balance"), data.get("inflight_balance"))
    if told != amounts or whole != (amounts[0] - amounts[1], amounts[2] - amounts[3]):
        failed(f"{name}, balance after", f"{told} and {whole}, not {amounts}")


see("system.health", 200, blnk.system.health(), system.HealthResponse, lambda it: has(it, status="UP"))

# Ledgers.
name = fresh("USD Ledger")
ledger = see("ledgers.create", 201, blnk.ledgers.create({"name": name, "meta_data": {"team": "cards"}}), ledgers.CreateLedgerResp,
             lambda it: f"{true(is_id(it['ledger_id'], 'ldg_'), 'ldg_…')}, {has(it, name=name, meta_data={'team': 'cards'})}")
see("ledgers.get", 200, blnk.ledgers.get(ledger["ledger_id"]), ledgers.CreateLedgerResp, lambda it: true(it == ledger, "the same"))
see("ledgers.update", 200, blnk.ledgers.update(ledger["ledger_id"], ledgers.UpdateLedger(name=name + " 2")), ledgers.CreateLedgerResp,
    lambda it: has(it, name=name + " 2", ledger_id=ledger["ledger_id"]) and "another name")
see("ledgers.create, another", 201, blnk.ledgers.create(ledgers.CreateLedger(name=fresh("Other"))), ledgers.CreateLedgerResp, lambda it: "made")
until("ledgers.list", lambda: blnk.ledgers.list({"limit": 50}), lambda all: any(it["ledger_id"] == ledger["ledger_id"] for it in all))
see("ledgers.list", 200, blnk.ledgers.list(), any_of(ledgers.CreateLedgerResp), lambda all: f"{len(all)}, an array")
see("ledgers.list, a page", 200, blnk.ledgers.list(ListOptions(limit=1, offset=1)), any_of(ledgers.CreateLedgerResp), lambda all: true(len(all) == 1, "one"))

# Identities.
person = {
    "identity_type": "individual", "first_name": "Jerry", "last_name": "Paz", "other_names": "J", "gender": "male",
    "email_address": "jerry@example.com", "phone_number": "+15550100", "nationality": "US", "category": "customer",
    "street": "1 Main", "country": "US", "state": "WA", "post_code": "98101", "city": "Seattle", "meta_data": {"tier": "gold"},
}
born = datetime(1990, 5, 17, tzinfo=timezone.utc)
who = see("identity.create", 201, blnk.identity.create({**person, "dob": born}), people.IdentityDataResponse,
          lambda it: f"{true(is_id(it['identity_id'], 'idt_'), 'idt_…')}, {has(it, **person, dob='1990-05-17T00:00:00Z') and 'every field'}")
identity = who["identity_id"]
own = f"idt_{uuid.uuid4()}"
see("identity.create, under an id of one's own", 201, blnk.identity.create(people.IdentityData(identity_id=own, identity_type="organization", organization_name="Acme")),
    people.IdentityDataResponse, lambda it: has(it, identity_id=own, organization_name="Acme"))
see("identity.get", 200, blnk.identity.get(identity), people.IdentityDataResponse, lambda it: has(it, **person, identity_id=identity) and "the same")
see("identity.list", 200, blnk.identity.list(), any_of(people.IdentityDataResponse), lambda all: true({identity, own} <= {it["identity_id"] for it in all}, "an array, both in it"))
see("identity.update", 200, blnk.identity.update(identity, {**person, "city": "Tacoma"}), None, lambda it: "changed")
see("identity.get, after", 200, blnk.identity.get(identity), people.IdentityDataResponse, lambda it: has(it, city="Tacoma", first_name="Jerry"))
see("identity.tokenize_field", DONE, blnk.identity.tokenize_field(identity, "FirstName"), people.TokenizeIdentityFieldResp, lambda it: true(it["message"], "a message"))
see("identity.tokenize", DONE, blnk.identity.tokenize(identity, {"fields": ["EmailAddress", "Street"]}), people.TokenizeIdentityResp, lambda it: true(it["message"], "a message"))
see("identity.get_tokenized_fields", 200, blnk.identity.get_tokenized_fields(identity), people.GetTokenizedFieldsResp,
    lambda it: f"{true(sorted(it['tokenized_fields']) == ['EmailAddress', 'FirstName', 'Street'], it['tokenized_fields'])}")
see("identity.get, tokenized", 200, blnk.identity.get(identity), people.IdentityDataResponse, lambda it: true(it["first_name"] != "Jerry" and it["last_name"] == "Paz", "a token in its place"))
see("identity.detokenize_field", 200, blnk.identity.detokenize_field(identity, "FirstName"), people.DetokenizeIdentityFieldResp, lambda it: has(it, field="FirstName", value="Jerry"))
see("identity.detokenize", DONE, blnk.identity.detokenize(identity, {"fields": []}), people.DetokenizeIdentityResp,
    lambda it: has(it["fields"], FirstName="Jerry", EmailAddress="jerry@example.com", Street="1 Main"))
see("identity.tokenize_field, again", DONE, blnk.identity.tokenize_field(identity, "FirstName"), people.TokenizeIdentityFieldResp, lambda it: "it stays as it is")
refused("identity.tokenize_field, none of those", 400, (Code.IDT_FIELD_NOT_TOKENIZABLE, Code.GEN_VALIDATION_ERROR, Code.GEN_BAD_REQUEST), blnk.identity.tokenize_field(identity, "Category"))

# Balances.
zero = dict.fromkeys(("balance", "inflight_balance", *FIELDS), 0)
card = see("ledger_balances.create", 201, blnk.ledger_balances.create({
    "ledger_id": ledger["ledger_id"], "currency": "USD", "identity_id": identity, "meta_data": {"card_state": "ACTIVE"},
}), balances.CreateLedgerBalanceResp, lambda it: f"{true(is_id(it['balance_id'], 'bln_'), 'bln_…')}, zero, " + (has(
    it, **zero, ledger_id=ledger["ledger_id"], identity_id=identity, currency="USD", meta_data={"card_state": "ACTIVE"}) and "every field")).get("balance_id")
shop = see("ledger_balances.create, a DTO", 201, blnk.ledger_balances.create(balances.CreateLedgerBalance(ledger_id=ledger["ledger_id"], currency="USD")),
           balances.CreateLedgerBalanceResp, lambda it: has(it, currency="USD")).get("balance_id")
see("ledger_balances.create, an indicator", 201, blnk.ledger_balances.create({"ledger_id": "general_ledger_id", "currency": "USD", "indicator": "@Fees"}),
    balances.CreateLedgerBalanceResp, lambda it: has(it, indicator="@Fees", ledger_id="general_ledger_id"))
refused("ledger_balances.create, the indicator again", 409, Code.GEN_CONFLICT,
        blnk.ledger_balances.create({"ledger_id": "general_ledger_id", "currency": "USD", "indicator": "@Fees"}))
before = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
see("ledger_balances.get", 200, blnk.ledger_balances.get(card), balances.CreateLedgerBalanceResp, lambda it: has(it, balance_id=card, currency="USD"))
see("ledger_balances.get, with_queued", 200, blnk.ledger_balances.get(card, {"with_queued": True, "from_source": True}), balances.CreateLedgerBalanceResp,
    lambda it: has(it, queued_debit_balance=0, queued_credit_balance=0, balance=0))
until("ledger_balances.list", lambda: blnk.ledger_balances.list({"limit": 100}), lambda all: {card, shop} <= {it["balance_id"] for it in all})
see("ledger_balances.list", 200, blnk.ledger_balances.list(), any_of(balances.CreateLedgerBalanceResp), lambda all: f"{len(all)}, an array")
see("ledger_balances.list, a page", 200, blnk.ledger_balances.list({"limit": 1, "offset": 1}), any_of(balances.CreateLedgerBalanceResp), lambda all: true(len(all) == 1, "one"))

# Transactions.
Made = txn.CreateTransactionResponse


def new(what, amount=None, **more):
    base = {"precision": 100, "currency": "USD", "reference": fresh(what), "description": "", "source": card, "destination": shop}
    base.update({"amount": amount} if amount is not None else {}, **more)
    return {key: value for key, value in base.items() if value is not None}


def told(it, **expected):
    assert is_id(it["transaction_id"], "txn_") and re.fullmatch("[0-9a-f]{64}", it["hash"]), it
    return has(it, **{"precision": 100, "currency": "USD", **expected})


reference = fresh("fund")
funded = see("transactions.create", 201, blnk.transactions.create(new("fund", 1000, reference=reference, description="Funding", source="@World",
             destination=card, allow_overdraft=True, meta_data={"channel": "wire"})), Made,
             lambda it: told(it, amount=1000, precise_amount=100_000, reference=reference, description="Funding", status="APPLIED", destination=card,
                             parent_transaction="", allow_overdraft=True, inflight=False, meta_data={"channel": "wire"}))
money("transactions.create", card, 100_000, 0, 0, 0)
see("transactions.create, cents", 201, blnk.transactions.create(new("cents", 0.29, skip_queue=True)), Made, lambda it: told(it, amount=0.29, precise_amount=29, status="APPLIED"))
see("transactions.create, a DTO", 201, blnk.transactions.create(txn.CreateTransactions(precise_amount="71", precision=100, reference=fresh("dto"), description="", currency="USD",
    source=card, destination=shop, effective_date=datetime(2024, 4, 22, 15, 28, 3, tzinfo=timezone.utc))), Made,
    lambda it: f"{told(it, precise_amount=71, amount=0.71)}, {true(it['effective_date'].startswith('2024-04-22T15:28:03'), 'its effective date')}")
money("transactions.create, a DTO", card, 100_000, 100, 0, 0)
huge = "123456789012345678901234567890"
ether = see("ledger_balances.create, of ether", 201, blnk.ledger_balances.create({"ledger_id": ledger["ledger_id"], "currency": "ETH"}), None, lambda it: "made").get("balance_id")
see("transactions.create, past 64 bits", 201, blnk.transactions.create(new("huge", precise_amount=huge, precision=10**18, currency="ETH", source="@World", destination=ether,
    allow_overdraft=True)), Made, lambda it: has(it, precise_amount=int(huge), precision=10**18, status="APPLIED"))
money("transactions.create, past 64 bits", ether, int(huge), 0, 0, 0)
see("transactions.create, dry_run", 200, blnk.transactions.create(new("dry", 10, dry_run=True)), txn.TransactionPreview,
    lambda it: has(it, dry_run=True, would_apply=True, currency="USD", precise_amount="1000"))
see("transactions.create, dry_run of too much", 200, blnk.transactions.create(new("dry", 5000, dry_run=True)), txn.TransactionPreview, lambda it: has(it, dry_run=True, would_apply=False))
money("transactions.create, dry_run", card, 100_000, 100, 0, 0)
see("transactions.create, rejected", 201, blnk.transactions.create(new("much", 5000)), Made,
    lambda it: f"{told(it, status='REJECTED')}, {true('nsufficient' in json.dumps(it['meta_data']), 'the reason in meta_data')}")
see("transactions.create, split", 201, blnk.transactions.create(new("split", 100, destination=None, destinations=[
    {"identifier": shop, "distribution": "20%"}, {"identifier": "@Fees", "distribution": "12.50"}, {"identifier": "@Rest", "distribution": "left"}])), Made,
    lambda it: f"{told(it, status='APPLIED', amount=100)}, {true(len(it['destinations']) == 3, 'three destinations')}")
money("transactions.create, split", card, 100_000, 10_100, 0, 0)
see("transactions.create, several sources", 201, blnk.transactions.create(new("join", precise_amount="1000", source=None, destination=card, sources=[
    {"identifier": "@Fees", "precise_distribution": "600"}, {"identifier": "@Rest", "precise_distribution": 400}])), Made, lambda it: told(it, status="APPLIED"))
later = datetime.now(timezone.utc) + timedelta(days=1)
see("transactions.create, scheduled", 201, blnk.transactions.create(new("later", 1, scheduled_for=later)), Made, lambda it: told(it, status="SCHEDULED"))
see("transactions.get", 200, blnk.transactions.get(funded["transaction_id"]), Made, lambda it: told(it, transaction_id=funded["transaction_id"], status="APPLIED"))
see("transactions.get_by_reference", 200, blnk.transactions.get_by_reference(reference), Made, lambda it: told(it, transaction_id=funded["transaction_id"]))
see("transactions.get_lineage", 200, blnk.transactions.get_lineage(funded["transaction_id"]), txn.TransactionLineageResponse, lambda it: has(it, transaction_id=funded["transaction_id"]))
until("transactions.list", lambda: blnk.transactions.list({"limit": 100}), lambda all: any(it["reference"] == reference for it in all))
see("transactions.list", 200, blnk.transactions.list(), any_of(Made), lambda all: f"{len(all)}, an array")
see("transactions.list, a page", 200, blnk.transactions.list(ListOptions(limit=2, offset=1)), any_of(Made), lambda all: true(len(all) == 2, "two"))
held = see("transactions.create, inflight", 201, blnk.transactions.create(new("hold", 250, inflight=True, meta_data={"merchant_name": "Store ABC"})), Made,
           lambda it: told(it, status="INFLIGHT", inflight=True)).get("transaction_id")
money("transactions.create, inflight", card, 101_000, 10_100, 0, 25_000)
see("transactions.update_status, dry_run", 200, blnk.transactions.update_status(held, {"status": "commit", "dry_run": True}), txn.TransactionPreview,
    lambda it: has(it, dry_run=True, would_apply=True))
see("transactions.update_status, part", 200, blnk.transactions.update_status(held, {"status": "commit", "amount": 100}), Made,
    lambda it: f"{told(it, parent_transaction=held, precise_amount=10_000)}, {it['status']}")
money("transactions.update_status, part", card, 101_000, 20_100, 0, 15_000)
see("transactions.update_status", 200, blnk.transactions.update_status(held, txn.UpdateTransactionStatus(status="commit", precise_amount="15000", skip_queue=True)), Made,
    lambda it: f"{told(it, parent_transaction=held, precise_amount=15_000)}, {it['status']}")
refused("transactions.update_status, committed", 409, Code.TXN_ALREADY_COMMITTED, blnk.transactions.update_status(held, {"status": "commit"}))
gone = see("transactions.create, to void", 201, blnk.transactions.create(new("void", 40, inflight=True)), Made, lambda it: told(it, status="INFLIGHT")).get("transaction_id")
see("transactions.update_status, void", 200, blnk.transactions.update_status(gone, {"status": "void"}), Made, lambda it: told(it, status="VOID", parent_transaction=gone))
refused("transactions.update_status, voided", 409, Code.TXN_ALREADY_VOIDED, blnk.transactions.update_status(gone, {"status": "commit"}))
money("transactions.update_status, void", card, 101_000, 35_100, 0, 0)
sale = see("transactions.create, to refund", 201, blnk.transactions.create(new("sale", 5)), Made, lambda it: told(it, status="APPLIED")).get("transaction_id")
see("transactions.refund, dry_run", 200, blnk.transactions.refund(sale, {"dry_run": True}), txn.TransactionPreview, lambda it: has(it, dry_run=True, would_apply=True))
see("transactions.refund", DONE, blnk.transactions.refund(sale, {"description": "Returned", "meta_data": {"why": "broken"}}), Made,
    lambda it: told(it, source=shop, destination=card, amount=5, status="APPLIED", parent_transaction=sale, description="Returned"))
refused("transactions.refund, again", 409, Code.TXN_ALREADY_REFUNDED, blnk.transactions.refund(sale))
money("transactions.refund", card, 101_500, 35_600, 0, 0)
first, second = (blnk.transactions.create(new("bulk", amount, inflight=True)).data["transaction_id"] for amount in (1, 2))
see("transactions.bulk_commit_inflight", DONE, blnk.transactions.bulk_commit_inflight({"transactions": [{"transaction_id": first}, {"transaction_id": sale}]}),
    txn.BulkCommitInflightResponse, lambda it: f"{has(it, succeeded=1, failed=1)}, {has(it['results'][1], transaction_id=sale, status='failed', code=Code.TXN_NOT_INFLIGHT)}")
see("transactions.bulk_void_inflight", DONE, blnk.transactions.bulk_void_inflight({"transaction_ids": [second]}), txn.BulkVoidInflightResponse, lambda it: has(it, succeeded=1, failed=0))
see("transactions.create_bulk", DONE, blnk.transactions.create_bulk({"atomic": True, "transactions": [new("b", 1), new("b", 2)]}), txn.BulkTransactionResponse,
    lambda it: f"{true(is_id(it['batch_id'], 'bulk_'), 'bulk_…')}, {has(it, status='applied', transaction_count=2)}")
batch = see("transactions.create_bulk, inflight", DONE, blnk.transactions.create_bulk(txn.BulkTransactions(atomic=True, inflight=True, transactions=[
    txn.CreateTransactions(**new("b", 3)), txn.CreateTransactions(**new("b", 4))])), txn.BulkTransactionResponse, lambda it: has(it, status="inflight"))
money("transactions.create_bulk, inflight", card, 101_500, 36_000, 0, 700)
see("transactions.update_status, a batch", 200, blnk.transactions.update_status(batch["batch_id"], {"status": "void"}), None, lambda it: "let go whole")
money("transactions.update_status, a batch", card, 101_500, 36_000, 0, 0)
see("transactions.create_bulk, dry_run", DONE, blnk.transactions.create_bulk({"dry_run": True, "transactions": [new("b", 3)]}), txn.BulkTransactionPreview,
    lambda it: has(it, dry_run=True, would_apply=True))
see("transactions.recover_queue", DONE, blnk.transactions.recover_queue({"threshold": "5m"}), txn.RecoverQueueResponse, lambda it: has(it, recovered=0, threshold="5m0s"))
refused("transactions.create, again", 409, Code.TXN_DUPLICATE_REFERENCE, blnk.transactions.create(new("again", 1, reference=reference)))
refused("transactions.create, too much", 400, Code.TXN_INSUFFICIENT_FUNDS, blnk.transactions.create(new("much", 5000, skip_queue=True)))
refused("transactions.create, to nobody", 400, (Code.TXN_VALIDATION_ERROR, Code.GEN_MISSING_PARAMETER), blnk.transactions.create(new("no", 1, destination="")))
refused("transactions.get, unknown", 404, Code.TXN_NOT_FOUND, blnk.transactions.get(f"txn_{uuid.uuid4()}"))

# Balances, again.
now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
world = see("ledger_balances.get_by_indicator", 200, blnk.ledger_balances.get_by_indicator("@World", "USD"), balances.CreateLedgerBalanceResp,
            lambda it: has(it, indicator="@World", balance=-100_000, ledger_id="general_ledger_id"))
see("ledger_balances.get_at", 200, blnk.ledger_balances.get_at(card, {"timestamp": now, "from_source": True}), balances.GetBalanceAtResponse,
    lambda it: f"{true(int(it['balance']['balance']) == 65_500, it['balance'])}, {has(it, from_source=True)}")
see("ledger_balances.get_at, before money came", 200, blnk.ledger_balances.get_at(card, balances.GetBalanceAtRequest(timestamp=before)), balances.GetBalanceAtResponse,
    lambda it: true(int(it["balance"]["balance"]) == 0, "zero"))
refused("ledger_balances.get_at, before it was", 404, Code.BAL_HISTORY_NOT_FOUND, blnk.ledger_balances.get_at(card, {"timestamp": "2001-01-01T00:00:00Z"}))
see("ledger_balances.create_snapshot", DONE, blnk.ledger_balances.create_snapshot({"batch_size": 100}), balances.CreateBalanceSnapshotResponse, lambda it: true(it["message"], "a message"))
tracked = see("ledger_balances.create, lineage", 201, blnk.ledger_balances.create({"ledger_id": ledger["ledger_id"], "currency": "USD", "identity_id": identity,
              "track_fund_lineage": True, "allocation_strategy": "PROPORTIONAL"}), balances.CreateLedgerBalanceResp,
              lambda it: has(it, track_fund_lineage=True, allocation_strategy="PROPORTIONAL")).get("balance_id")
see("ledger_balances.get_lineage", 200, blnk.ledger_balances.get_lineage(tracked), balances.BalanceLineageResponse, lambda it: f"{has(it, balance_id=tracked)}, {it['total_with_lineage']}")
see("ledger_balances.update_identity", 200, blnk.ledger_balances.update_identity(shop, {"identity_id": own}), balances.UpdateBalanceIdentityResponse, lambda it: true(it["message"], "a message"))
see("ledger_balances.get, its identity", 200, blnk.ledger_balances.get(shop), balances.CreateLedgerBalanceResp, lambda it: has(it, identity_id=own))

# Metadata.
for what, entity in (("a ledger", ledger["ledger_id"]), ("a transaction", sale), ("an identity", own)):
    see(f"metadata.update, {what}", DONE, blnk.metadata.update(entity, {"meta_data": {"seen": True}}), notes.UpdateMetadataResp, lambda it: has(it["meta_data"], seen=True))
see("metadata.update", DONE, blnk.metadata.update(card, notes.UpdateMetadataData(meta_data={"card_state": "BLOCKED", "deep": {"a": 1}})), notes.UpdateMetadataResp,
    lambda it: has(it["meta_data"], card_state="BLOCKED", deep={"a": 1}))
see("metadata.update, merged deeply", DONE, blnk.metadata.update(card, {"meta_data": {"deep": {"b": 2}}}), notes.UpdateMetadataResp, lambda it: has(it["meta_data"], deep={"a": 1, "b": 2}))

# Search and filters.
for collection, field, q, dto in (
    ("ledgers", "name", name, finding.SearchLedgerDocument), ("balances", "balance_id", card, finding.SearchBalanceDocument),
    ("transactions", "reference", reference, finding.SearchTransactionDocument), ("identities", "last_name", "Paz", finding.SearchIdentityDocument),
):
    asked = {"q": q, "query_by": field, "per_page": 5}
    until(f"search.search, {collection}", lambda: blnk.search.search(asked, collection), lambda it: it["found"] >= 1)

    def found(it):
        fits(it["hits"][0]["document"], dto, "document")
        assert q in it["hits"][0]["document"][field]
        return f"found {it['found']} of {it['out_of']}, the document of its type"

    see(f"search.search, {collection}", DONE, blnk.search.search(asked, collection), finding.SearchResponse, found)
see("search.multi_search", DONE, blnk.search.multi_search(finding.MultiSearchParams().add("ledgers", {"q": name, "query_by": "name"}).add("balances", {"q": "*", "filter_by": "currency:=ETH"})),
    None, lambda it: true([one["found"] >= 1 for one in it["results"]] == [True, True], "two results, in order"))
until("search.filter", lambda: blnk.search.filter({"filters": [{"field": "meta_data.card_state", "operator": "eq", "value": "BLOCKED"}]}, "balances"),
      lambda it: [one["balance_id"] for one in it["data"]] == [card])
see("search.filter", 200, blnk.search.filter(finding.FilterParams(filters=[finding.FilterCondition(field="meta_data.card_state", operator="eq", value="BLOCKED")],
    include_count=True, limit=5), "balances"), finding.FilterResponse, lambda it: f"{true(it['data'][0]['balance_id'] == card, 'it')}, {has(it, total_count=1)}")
refused("search.search, a filter that is none", 400, (Code.SRCH_QUERY_INVALID, Code.GEN_VALIDATION_ERROR, Code.GEN_BAD_REQUEST),
        blnk.search.search({"q": "*", "filter_by": "currency:=&& ("}, "balances"))
see("search.start_reindex", DONE, blnk.search.start_reindex({"batch_size": 100}), finding.StartReindexResponse, lambda it: it["progress"]["status"])
until("search.get_reindex_status", blnk.search.get_reindex_status, lambda it: "complete" in it["status"])
see("search.get_reindex_status", 200, blnk.search.get_reindex_status(), finding.ReindexProgress, lambda it: f"{it['status']}, {it['processed_records']} of {it['total_records']}")

# Monitors.
condition = {"field": "balance", "operator": ">", "value": 10, "precision": 100}
wanted = {"balance_id": card, "condition": condition, "description": "rich"}
monitor = see("balance_monitor.create", 201, blnk.balance_monitor.create(wanted), balance_monitor.MonitorDataResp,
              lambda it: f"{true(is_id(it['monitor_id'], 'mon_'), 'mon_…')}, {has(it, balance_id=card, description='rich')}").get("monitor_id")
see("balance_monitor.get", 200, blnk.balance_monitor.get(monitor), balance_monitor.MonitorDataResp, lambda it: has(it, monitor_id=monitor) and has(it["condition"], **condition))
see("balance_monitor.list", 200, blnk.balance_monitor.list(), any_of(balance_monitor.MonitorDataResp), lambda all: true(monitor in {it["monitor_id"] for it in all}, "an array, it is in it"))
see("balance_monitor.list_by_balance_id", 200, blnk.balance_monitor.list_by_balance_id(card), any_of(balance_monitor.MonitorDataResp),
    lambda all: true([it["monitor_id"] for it in all] == [monitor], "it alone"))
see("balance_monitor.list_by_balance_id, another", 200, blnk.balance_monitor.list_by_balance_id(shop), any_of(balance_monitor.MonitorDataResp), lambda all: true(all == [], "none"))
see("balance_monitor.update", 200, blnk.balance_monitor.update(monitor, {**wanted, "description": "poor"}), None, lambda it: "changed")
see("balance_monitor.get, after", 200, blnk.balance_monitor.get(monitor), balance_monitor.MonitorDataResp, lambda it: has(it, description="poor"))
see("balance_monitor.delete", 200, blnk.balance_monitor.delete(monitor), balance_monitor.DeleteBalanceMonitorResp, lambda it: true(it["message"], "a message"))
refused("balance_monitor.get, deleted", 404, Code.BAL_MONITOR_NOT_FOUND, blnk.balance_monitor.get(monitor))

# Reconciliation. The trial first: what a run has matched is not matched again.
settlement = f"id,amount,currency,reference,description,date,source\ne-1,1000,USD,{reference},Funding,{now},bank\ne-2,77,USD,nobody-knows-it,Other,{now},bank\n"
with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
    file.write(settlement)
    file.flush()
    upload = see("reconciliation.upload", DONE, blnk.reconciliation.upload(file.name, "bank"), recon.ReconciliationUploadResp, lambda it: has(it, record_count=2, source="bank"))
lines = json.dumps([{"id": "j-1", "amount": 1000, "currency": "USD", "reference": reference, "description": "", "date": now, "source": "bank"}])
stream = io.BytesIO(lines.encode())
stream.name = "settlement.json"
see("reconciliation.upload, JSON from a stream", DONE, blnk.reconciliation.upload(stream, "bank"), recon.ReconciliationUploadResp, lambda it: has(it, record_count=1))
matcher = {"name": "By reference", "description": "exact", "criteria": [{"field": "reference", "operator": "equals"}]}
rule = see("reconciliation.create_matching_rule", 201, blnk.reconciliation.create_matching_rule(matcher), recon.MatchingRuleResp, lambda it: has(it, name="By reference")).get("rule_id")
see("reconciliation.update_matching_rule", 200, blnk.reconciliation.update_matching_rule(rule, {**matcher, "name": "Renamed"}), recon.MatchingRuleResp, lambda it: has(it, rule_id=rule, name="Renamed"))
instant = see("reconciliation.run_instant", DONE, blnk.reconciliation.run_instant({"external_transactions": json.loads(lines), "strategy": "one_to_one", "dry_run": True, "matching_rule_ids": [rule]}),
              recon.RunInstantReconResp, lambda it: true(it["reconciliation_id"], "an id")).get("reconciliation_id")
until("reconciliation.get, instant", lambda: blnk.reconciliation.get(instant), lambda it: it["status"] == "completed")
see("reconciliation.get, instant", 200, blnk.reconciliation.get(instant), recon.ReconciliationResp, lambda it: has(it, matched_transactions=1, unmatched_transactions=0, is_dry_run=True))
run = see("reconciliation.run", DONE, blnk.reconciliation.run(recon.RunReconData(upload_id=upload.get("upload_id", ""), strategy="one_to_one", dry_run=False, grouping_criteria="amount",
          matching_rule_ids=[rule])), recon.RunReconResp, lambda it: true(it["reconciliation_id"], "an id")).get("reconciliation_id")
until("reconciliation.get", lambda: blnk.reconciliation.get(run), lambda it: it["status"] == "completed")
see("reconciliation.get", 200, blnk.reconciliation.get(run), recon.ReconciliationResp, lambda it: has(it, status="completed", matched_transactions=1, unmatched_transactions=1, is_dry_run=False))
see("reconciliation.delete_matching_rule", 200, blnk.reconciliation.delete_matching_rule(rule), recon.DeleteMatchingRuleResp, lambda it: true(it["message"], "a message"))

# Hooks; not active, for nobody listens.
hook = {"name": "audit", "url": "https://hooks.example.com/blnk", "type": "POST_TRANSACTION", "active": False, "timeout": 5, "retry_count": 2}
made = see("hooks.create", 201, blnk.hooks.create(hook), hooks.HookResp, lambda it: has(it, **hook) and "every field").get("id")
see("hooks.list", 200, blnk.hooks.list(), any_of(hooks.HookResp), lambda all: true([it["id"] for it in all] == [made], "it"))
see("hooks.list, of the other type", 200, blnk.hooks.list({"type": "PRE_TRANSACTION"}), any_of(hooks.HookResp), lambda all: true(all == [], "none"))
see("hooks.get", 200, blnk.hooks.get(made), hooks.HookResp, lambda it: has(it, id=made, **hook) and "the same")
see("hooks.update", 200, blnk.hooks.update(made, {**hook, "name": "audit 2"}), hooks.HookResp, lambda it: has(it, id=made, name="audit 2"))
see("hooks.delete", 200, blnk.hooks.delete(made), hooks.DeleteHookResp, lambda it: true(it["message"], "a message"))
refused("hooks.get, deleted", 404, (Code.HOOK_NOT_FOUND, Code.GEN_NOT_FOUND), blnk.hooks.get(made))

# Keys.
key = see("api_keys.create", 201, blnk.api_keys.create({"name": "reader", "owner": "jerry", "scopes": ["ledgers:read"], "expires_at": "2099-01-01T00:00:00Z"}), api_keys.ApiKeyResp,
          lambda it: f"{true(len(it['key']) >= 32, 'the key, once')}, {has(it, name='reader', owner_id='jerry', scopes=['ledgers:read'], is_revoked=False)}")
see("api_keys.list", 200, blnk.api_keys.list({"owner": "jerry"}), None, lambda all: true([it["api_key_id"] for it in all] == [key["api_key_id"]], "it"))
reader = connect(key["key"])
see("ledgers.get, by that key", 200, reader.ledgers.get(ledger["ledger_id"]), ledgers.CreateLedgerResp, lambda it: "allowed")
refused("ledgers.create, by that key", 403, Code.AUTH_INSUFFICIENT_PERMISSIONS, reader.ledgers.create({"name": "no"}))
see("api_keys.delete", (200, 204), blnk.api_keys.delete(key["api_key_id"], {"owner": "jerry"}), None, lambda it: f"revoked, {it}")
refused("ledgers.get, by the revoked key", 401, Code.AUTH_INVALID_API_KEY, reader.ledgers.get(ledger["ledger_id"]))
refused("ledgers.get, without a key", 401, Code.AUTH_MISSING_API_KEY, connect("").ledgers.get(ledger["ledger_id"]))

see("identity.delete", 200, blnk.identity.delete(identity), people.DeleteIdentityResp, lambda it: true(it["message"], "a message"))
refused("identity.get, deleted", 404, (Code.IDT_NOT_FOUND, Code.GEN_NOT_FOUND), blnk.identity.get(identity))

every = {(cls.__name__, name) for cls in default_services_map().values() for name, _ in inspect.getmembers(cls, inspect.isfunction) if not name.startswith("_")}
missed = sorted(".".join(one) for one in every - called)
line("methods", f"{len(every & called)} of {len(every)} called")
if missed:
    failed("methods", f"never called: {', '.join(missed)}")
if failures:
    sys.exit(f"\n{len(failures)} failed:\n" + "\n".join(failures))
