"""What schemathesis cannot guess of the ledger and the network face: ids of things that are there, and bodies that nearly fit.

SCHEMA_KNOWN is JSON: {"ids": {parameter, or first part of the path: [ids]}, "bodies": {"METHOD /path": body}}, made
by tests/schema/things.py.
"""
import copy
import json
import os

import schemathesis
from hypothesis import strategies as st

KNOWN = json.loads(os.environ.get("SCHEMA_KNOWN", '{"ids": {}, "bodies": {}}'))
# Values that are wrong somewhere, or nearly.
ODD = [
    None, True, 0, -1, 1e308, 0.1, 10**40, "", "0", "-0.00", "1e3", "left", "120%", "@", "@World", "é\u202e", [], {}, [None],
    {"a": {"b": [1]}}, "x" * 300, "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "commit", "void", "%", "\x00",
]


def kind_of(path, name):
    """Which ids fit a parameter of that path."""
    if path.startswith("/v1/authorizations/{"):
        return "authorizations" if name == "id" else "steps"
    if name in ("balance_id", "entity_id", "reference", "indicator", "currency", "collection", "field"):
        return name
    return path.strip("/").split("/")[0]


@schemathesis.hook
def before_generate_path_parameters(context, strategy):
    path = context.operation.path
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    choices = {name: KNOWN["ids"].get(kind_of(path, name)) for name in names}
    if not choices or not all(choices.values()):
        return strategy
    known = st.fixed_dictionaries({name: st.sampled_from(ids) for name, ids in choices.items()})
    return st.one_of(known, known, strategy)


def renewed(value, number):
    """With references that were not used before, most likely."""
    if isinstance(value, list):
        return [renewed(one, number) for one in value]
    if isinstance(value, dict):
        other = {key: renewed(one, number) for key, one in value.items()}
        for name in ("reference", "transaction_id"):
            if isinstance(other.get(name), str) and not other[name].startswith("txn_"):
                other[name] += f"-{number}"
        return other
    return value


def mutated(body):
    """The body as it is, or with one place of it another."""
    places = []

    def walk(value, path):
        places.append(path)
        if isinstance(value, dict):
            for key in value:
                walk(value[key], path + [key])
        elif isinstance(value, list):
            for index in range(len(value)):
                walk(value[index], path + [index])

    walk(body, [])

    def replaced(choice):
        path, value, is_removed, number = choice
        other = renewed(copy.deepcopy(body), number)
        if not path:
            return other
        target = other
        for step in path[:-1]:
            target = target[step]
        if is_removed:
            del target[path[-1]]
        else:
            target[path[-1]] = value
        return other

    ids = sorted({one for some in KNOWN["ids"].values() for one in some})
    number = st.integers(min_value=0, max_value=10**6)
    whole = st.tuples(st.just([]), st.none(), st.just(False), number)
    one_off = st.tuples(st.sampled_from(places), st.sampled_from(ODD + ids), st.booleans(), number)
    return st.one_of(whole, one_off, one_off, one_off).map(replaced)


@schemathesis.hook
def before_generate_body(context, strategy):
    operation = context.operation
    body = KNOWN["bodies"].get(f"{operation.method.upper()} {operation.path}")
    if body is None:
        return strategy
    return st.one_of(mutated(body), mutated(body), strategy)


@schemathesis.check
def no_fault(ctx, response, case):
    """No 5xx but what is promised: 503 with Retry-After, when more is asked than can be answered now."""
    busy = response.status_code == 503 and any(name.lower() == "retry-after" for name in response.headers)
    assert response.status_code < 500 or busy, f"{response.status_code}: {response.text[:500]}"
