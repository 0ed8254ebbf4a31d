"""S7, A12: what filters by blind indexes cost: each row is opened once for a request, in its time, and beside writers."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import pytest

from backstay.catalog.sealing import Place
from backstay.crypt import Keyring
from backstay.pipeline import compared
from tests.http.api import Api, Reply
from tests.http.test_encrypted import ANN, PEOPLE, planted, run

MANY = 300
OTHERS = [f"{n:03}-00-0000" for n in range(48)]
LEFT_OUT = f"or=({','.join(f'ssn.neq.{one}' for one in OTHERS)})"
OF_ALL = PEOPLE[0]["ssn"]
FOUND = f"or=({','.join([f'ssn.eq.{OF_ALL}'] * 48)})"
#: Whom no condition finds.
NOBODY = f"&email=eq.none&{LEFT_OUT}"


@pytest.fixture
def clinic(ward: Api) -> Api:
    """The clinic with people enough that what looks at them does so in a thread."""
    api = planted(ward)
    many = [
        {**PEOPLE[0], "id": f"00000000-0000-0000-0001-{n:012}", "email": None, "score": 1, "ward_id": 1}
        for n in range(MANY - len(PEOPLE))
    ]
    assert 201 == api.post("people", many, as_="dee").status
    assert 201 == api.post("visits", {"person_id": ANN, "number": 7, "remark": "x"}, as_="dee").status
    return api


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The threads in which values were opened that are compared with their index."""
    found: list[str] = []
    one = compared.open_value

    def watching(raw: bytes, place: Place, keyring: Keyring) -> bytes:
        found.append(threading.current_thread().name)
        return one(raw, place, keyring)

    monkeypatch.setattr(compared, "open_value", watching)
    return found


def batch(api: Api, *operations: dict[str, Any], as_: str = "dee", **named: str) -> Reply:
    return api.post("batch", list(operations), as_=as_, **named)


READS = {
    "what is left out": f"people?select=id&limit=1&{LEFT_OUT}",
    "what is found": f"people?select=id&limit=1&{FOUND}",
    "both": f"people?select=id&limit=1&ssn=eq.{OF_ALL}&ssn=neq.1&ssn=not.in.(2,3)&ssn=not.neq.{OF_ALL}",
    "negated": f"people?select=id&limit=1&not.{LEFT_OUT.replace('neq', 'eq')}",
    "embedded": f"wards?select=id,people(id)&people.{LEFT_OUT}",
    "a page by key": f"people?select=id&limit=1&{LEFT_OUT}",
}


@pytest.mark.parametrize("way", READS)
def test_conditions_open_a_row_once(clinic: Api, opened: list[str], way: str) -> None:
    """S7: fifty conditions on one column open each row that any of them is about once, and not on the event loop."""
    prefer = "page=keyset, count=exact" if way == "a page by key" else "count=exact"
    reply = clinic.get(READS[way], prefer=prefer)
    assert reply.status in (200, 206), reply.body
    # All but one have the value that is looked for.
    assert len(opened) == (MANY - 1 if way == "what is found" else MANY)
    assert threading.current_thread().name not in opened


def test_columns_are_opened_each(clinic: Api, opened: list[str]) -> None:
    """S7: of two columns there are two values in a row."""
    assert 200 == clinic.get("people?select=id&limit=1&or=(ssn.neq.1,ssn.neq.2,score.neq.0,score.neq.9)").status
    # One of them has no score.
    assert 2 * MANY - 1 == len(opened)


WRITES: dict[str, Any] = {
    "a change": lambda api: api.patch(f"people?{NOBODY}", {"bio": "x"}, as_="dee"),
    "a deletion": lambda api: api.delete(f"people?{NOBODY}", as_="dee"),
    "a precondition": lambda api: api.delete(f"people?{NOBODY}", as_="dee", if_match="*"),
    "a key": lambda api: api.patch(f"people?{NOBODY}", {"bio": "x"}, as_="dee", idempotency_key="k"),
    "a batch": lambda api: batch(
        api,
        {"method": "POST", "path": "wards", "body": {"id": 9, "name": "x"}},
        *({"path": f"people?select=id&limit=1&ssn=neq.{one}"} for one in OTHERS),
        {"method": "PATCH", "path": f"people?{NOBODY}", "body": {"bio": "x"}},
    ),
    "a reference": lambda api: batch(
        api,
        {"path": "people?select=id,name&limit=1"},
        {"method": "PATCH", "path": f"people?{NOBODY}", "body": {"bio": {"$ref": "0.name"}}},
    ),
    "relatives": lambda api: api.post(
        f"wards?select=id,people(id)&people.{LEFT_OUT}",
        {"id": 9, "name": "x", "people": [{"name": "Cy", "ssn": "1", "score": 1}]},
        as_="dee",
        prefer="return=representation",
    ),
}


@pytest.mark.parametrize("way", WRITES)
def test_nothing_is_opened_while_others_wait_to_write(clinic: Api, opened: list[str], way: str) -> None:
    """S7, S11: rows are opened before the transaction, once for all of its operations, and in it only what changed."""
    reply = WRITES[way](clinic)
    assert reply.status in (200, 201, 204, 412), reply.body
    # A row that it makes itself is opened in its transaction.
    assert len(opened) == MANY + (way == "relatives")
    assert threading.current_thread().name not in opened[:MANY]
    assert not [name for name in opened[:MANY] if "writer" in name]


def test_a_batch_of_reads_opens_a_row_once(clinic: Api, opened: list[str]) -> None:
    """S7: a hundred operations are one request."""
    reads = [{"path": f"people?select=id&limit=1&ssn=neq.{n}"} for n in range(100)]
    assert 200 == batch(clinic, *reads).status
    assert MANY == len(opened)
    assert threading.current_thread().name not in opened


@pytest.mark.parametrize(
    "ask",
    [
        lambda api: api.get(f"people?select=id&ssn=eq.{OF_ALL}"),
        lambda api: api.get(f"people?select=id&{LEFT_OUT}"),
        lambda api: api.get(f"people?select=id&{LEFT_OUT}", prefer="page=keyset"),
        lambda api: api.get(f"rpc/find?name=Ann&select=id&{LEFT_OUT}"),
        lambda api: batch(api, {"path": f"people?select=id&{LEFT_OUT}"}),
        *(WRITES[way] for way in WRITES),
    ],
)
def test_it_has_the_time_of_a_statement(clinic: Api, monkeypatch: pytest.MonkeyPatch, ask: Any) -> None:
    """S7: 57014, and nothing is done: here every look at the clock is a tenth of a second later."""
    before = run(clinic, "SELECT COUNT(*), COUNT(bio) FROM people")
    ticks = itertools.count()
    monkeypatch.setattr(compared, "_now", lambda: next(ticks) / 10)
    reply = ask(clinic)
    assert (504, "57014") == (reply.status, reply.code), reply.body
    assert before == run(clinic, "SELECT COUNT(*), COUNT(bio) FROM people")


def test_the_time_is_that_of_all_operations(clinic: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """S7: each of two columns has time enough, and both of them, in two operations of a batch, have not."""
    ticks = itertools.count()
    monkeypatch.setattr(compared, "_now", lambda: next(ticks) / (MANY / 3))
    ssn, score = ({"path": f"people?select=id&limit=1&{column}=neq.0"} for column in ("ssn", "score"))
    for alone in (ssn, score):
        assert 200 == batch(clinic, alone).status
    assert (504, "57014") == (batch(clinic, ssn, score).status, batch(clinic, ssn, score).code)
    assert 200 == batch(clinic, ssn, ssn).status


def test_what_changes_in_a_batch_is_looked_at(clinic: Api, opened: list[str]) -> None:
    """A12: a value that an operation has written is compared by the next one, and finds its row."""
    reply = batch(
        clinic,
        {"method": "PATCH", "path": f"people?id=eq.{ANN}", "body": {"ssn": "999-99-9999"}},
        {"path": "people?select=name&ssn=eq.999-99-9999"},
    )
    assert [{"name": "Ann"}] == reply.json[1]["body"]
    assert 1 == len(opened)
