"""A12: blind indexes that somebody exchanged in the database find no other row, in every way to filter and to act."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from backstay import Backstay, Me, Settings, allow
from backstay.crypt import Unsealable
from backstay.pipeline import sealed
from tests.http.api import Api, opened, token
from tests.http.client import HOST
from tests.http.clinic_app import KEYS, WARDS, Model, Person, Visit, Ward
from tests.http.clinic_app import clinic as made
from tests.http.shop_app import SECRET
from tests.http.test_encrypted import ANN, BOB, PEOPLE, planted, run

OF_ANN = "078-05-1120"
OF_BOB = "219-09-9999"
SINGLE = "application/vnd.pgrst.object+json"


@pytest.fixture
def clinic(ward: Api) -> Api:
    """The clinic with two people."""
    return planted(ward)


def exchange(api: Api) -> None:
    ann, bob = (row[0] for row in run(api, "SELECT ssn_blind FROM people ORDER BY name"))
    run(api, "UPDATE people SET ssn_blind = :other WHERE name = 'Ann'", other=bob)
    run(api, "UPDATE people SET ssn_blind = :other WHERE name = 'Bob'", other=ann)


def stored(api: Api) -> Any:
    people = run(api, "SELECT name, email, ssn, ssn_blind, version FROM people ORDER BY id")
    visits = run(api, "SELECT person_id, number FROM visits ORDER BY 1, 2")
    return [[bytes(v) if isinstance(v, memoryview) else v for v in row] for row in (*people, *visits)]


READS: list[tuple[str, dict[str, str]]] = [
    (f"people?select=name&ssn=eq.{OF_ANN}", {}),
    (f"people?select=name,ssn&ssn=eq.{OF_ANN}", {}),
    (f"people?select=name&ssn=neq.{OF_ANN}", {}),
    (f"people?select=name&ssn=not.eq.{OF_ANN}", {}),
    (f"people?select=name&ssn=not.neq.{OF_ANN}", {}),
    (f"people?select=name&ssn=in.({OF_ANN},1)", {}),
    (f"people?select=name&ssn=not.in.({OF_ANN})", {}),
    (f"people?select=name&or=(ssn.eq.{OF_ANN},name.eq.nobody)", {}),
    (f"people?select=name&not.or=(ssn.eq.{OF_ANN},name.eq.nobody)", {}),
    (f"people?select=name&and=(ward_id.eq.1,not.and(ssn.eq.{OF_ANN},ward_id.eq.1))", {}),
    (f"people?select=name&ssn=eq.{OF_ANN}", {"prefer": "count=exact"}),
    (f"people?select=name&ssn=eq.{OF_ANN}&limit=0", {"prefer": "count=planned"}),
    (f"people?select=name&ssn=eq.{OF_ANN}", {"prefer": "page=keyset"}),
    (f"people?select=name&ssn=eq.{OF_ANN}", {"prefer": "page=keyset, count=exact"}),
    (f"people?select=name&ssn=eq.{OF_ANN}", {"accept": "text/csv"}),
    (f"people?select=name&ssn=eq.{OF_ANN}", {"accept": "application/x-ndjson"}),
    (f"people?select=name&ssn=eq.{OF_ANN}", {"accept": SINGLE}),
    (f"people/{BOB}?select=name&ssn=eq.{OF_ANN}", {}),
    (f"wards?select=name,people(name)&people.ssn=eq.{OF_ANN}", {}),
    (f"wards?select=name,people!inner(name)&people.ssn=eq.{OF_ANN}", {}),
    (f"wards?select=name,people!inner()&people.ssn=eq.{OF_ANN}", {}),
    (f"wards?select=name,people(count)&people.ssn=eq.{OF_ANN}", {}),
    (f"wards?select=name,...people(name)&people.ssn=eq.{OF_ANN}", {}),
    (f"visits?select=number,people!inner(name)&people.ssn=eq.{OF_ANN}", {}),
    (f"visits?select=number,people(name)&people.ssn=eq.{OF_ANN}&people=not.is.null", {}),
    (f"wards?select=people(visits(number),wards(people!inner(name)))&people.wards.people.ssn=eq.{OF_ANN}", {}),
    (f"rpc/find?name=Bob&select=name&ssn=eq.{OF_ANN}", {}),
]


@pytest.mark.parametrize(("path", "named"), READS)
def test_a_read_finds_nothing_by_them(clinic: Api, path: str, named: dict[str, str]) -> None:
    """A12: rows, counts, pages, embeds and functions: the answer is an error and no other row, by GET and by HEAD."""
    status = 404 if path.startswith(f"people/{BOB}?") else 206 if "limit=0" in path else 200
    assert status == clinic.get(path, **named).status
    exchange(clinic)
    reply = clinic.get(path, **named)
    assert (500, "BST500") == (reply.status, reply.code), reply.body
    if not named.get("accept", "").endswith("ndjson"):
        assert 500 == clinic.head(path, **named).status


def test_what_was_not_exchanged_is_found(clinic: Api) -> None:
    """A12: one row that lies takes no other filter with it."""
    exchange(clinic)
    for query, names in (("ssn=eq.111-11-1111", []), ("score=eq.7", ["Ann"]), ("ssn=not.is.null", ["Ann", "Bob"])):
        assert names == [row["name"] for row in clinic.get(f"people?select=name&order=name&{query}").json]


def test_a_write_touches_nothing_by_them(clinic: Api) -> None:
    """A12: PATCH, DELETE, preconditions, batches and what inserts send back: nothing is done."""
    exchange(clinic)
    before = stored(clinic)
    change, by = {"email": "new@x"}, f"ssn=eq.{OF_ANN}"
    full = "return=representation"
    replies = [
        clinic.patch(f"people?{by}", change, as_="dee"),
        clinic.patch(f"people?{by}&select=name", change, as_="dee", prefer=full),
        clinic.patch(f"people?{by}&id=eq.{BOB}", change, as_="dee"),
        clinic.patch(f"people?ssn=neq.{OF_ANN}", change, as_="dee"),
        clinic.patch(f"people?or=({by.replace('=', '.', 1)},name.eq.nobody)", change, as_="dee"),
        clinic.patch(f"people/{BOB}?{by}", change, as_="dee"),
        clinic.patch(f"people?{by}", change, as_="dee", if_match="*"),
        clinic.patch(f"people?{by}&select=name", change, as_="dee", if_match='"x"'),
        clinic.patch(f"people?{by}", change, as_="svc"),
        clinic.delete(f"people?{by}", as_="dee"),
        clinic.delete(f"people?{by}&select=name", as_="dee", prefer=full),
        clinic.delete(f"people?{by}", as_="dee", if_match="*"),
        clinic.delete(f"people?ssn=not.in.({OF_ANN})", as_="dee"),
        clinic.post(
            f"visits?select=number,people(name)&people.{by}",
            {"person_id": BOB, "number": 9, "remark": "x"},
            as_="dee",
            prefer=full,
        ),
        clinic.patch(
            f"visits?select=number,people(name)&people.{by}&person_id=eq.{BOB}&number=eq.1",
            {"remark": "x"},
            as_="dee",
            prefer=full,
        ),
        clinic.post(
            f"people?select=name,wards(people(name))&wards.people.{by}",
            {"name": "Cy", "ssn": "1", "ward_id": 1, "visits": [{"number": 1, "remark": "x"}]},
            as_="dee",
            prefer=full,
        ),
        clinic.post("batch", [{"method": "PATCH", "path": f"people?{by}", "body": change}], as_="dee"),
        clinic.post("batch", [{"path": f"people?select=name&{by}"}], as_="dee"),
        clinic.post("batch", [{"path": f"people?select=name&{by}"}]),
    ]
    assert [500] * len(replies) == [reply.status for reply in replies]
    assert before == stored(clinic)
    # By another column, and by a value that has its own index, they are written as ever.
    assert 204 == clinic.patch("people?name=eq.Ann", change, as_="dee").status
    assert 204 == clinic.patch("people?ssn=eq.111-11-1111", change, as_="dee").status


def test_preconditions_lock_the_row_that_is_found(clinic: Api) -> None:
    """A12: a filter by a blind index and If-Match go together, where both are right."""
    path = f"people?ssn=eq.{OF_ANN}&select=name"
    now = clinic.get(path, accept=SINGLE).one("etag")
    assert 412 == clinic.patch(path, {"email": "new@x"}, as_="dee", if_match='"other"').status
    assert 204 == clinic.patch(path, {"email": "new@x"}, as_="dee", if_match=now or "*").status
    assert [{"email": "new@x"}] == clinic.get(f"people?select=email&id=eq.{ANN}").json


@pytest.mark.parametrize("query", [f"ssn=eq.{OF_ANN}", f"ssn=neq.{OF_BOB}", f"not.or=(ssn.eq.{OF_BOB},name.eq.nobody)"])
def test_a_copied_index_is_seen(clinic: Api, query: str) -> None:
    """A12: one that two rows have, by what it finds and by what another one leaves out."""
    ann = run(clinic, "SELECT ssn_blind FROM people WHERE name = 'Ann'")[0][0]
    run(clinic, "UPDATE people SET ssn_blind = :other WHERE name = 'Bob'", other=ann)
    assert 500 == clinic.get(f"people?select=name&{query}").status
    assert 500 == clinic.delete(f"people?{query}", as_="dee").status
    # Also where a function gives a row with which nothing is wrong.
    assert 200 == clinic.get("rpc/find?name=Ann&select=name").status
    assert 500 == clinic.get(f"rpc/find?name=Ann&select=name&{query}").status


def test_an_index_without_a_value_is_seen(clinic: Api) -> None:
    """A12: somebody took the value away and left its index."""
    run(clinic, "UPDATE people SET score = NULL WHERE name = 'Ann'")
    assert 500 == clinic.get("people?select=name&score=eq.7").status
    assert ["Ann", "Bob"] == [row["name"] for row in clinic.get("people?select=name&score=is.null&order=name").json]


def test_an_index_is_no_key_of_a_conflict(clinic: Api) -> None:
    """A12: nobody can have rows merged or left out by a blind index."""
    before = stored(clinic)
    row = {"id": "00000000-0000-0000-0000-00000000000c", "name": "x", "ssn": OF_ANN}
    for column in ("ssn", "ssn_blind"):
        for resolution in ("merge-duplicates", "ignore-duplicates"):
            reply = clinic.post(f"people?on_conflict={column}", row, as_="dee", prefer=f"resolution={resolution}")
            assert 400 == reply.status, reply.body
    assert before == stored(clinic)


def test_who_sees_no_row_learns_nothing_of_it(opened_wards: Api) -> None:
    """A12, AC4: whoever filters by an index meets what is wrong with rows that it could show, and not with others."""
    api = planted(opened_wards.clean())
    path = f"people?select=name&ssn=eq.{OF_ANN}"
    exchange(api)
    assert 500 == api.get(path, as_="dee").status
    hidden = api.get(path)
    missing = api.get(path.replace(OF_ANN, "111-11-1111"))
    assert (200, b"[]", hidden.body) == (hidden.status, hidden.body, missing.body)


def test_very_many_rows_are_read_and_not_written(clinic: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A12: a look is bounded; what would change rows that nobody looked at is refused."""
    monkeypatch.setattr(sealed, "LOOKED_ROWS", 1)
    assert 204 == clinic.patch(f"people?id=eq.{BOB}", {"score": 7}, as_="dee").status
    assert 2 == len(clinic.get("people?select=name&score=eq.7&order=name,id").json)
    before = stored(clinic)
    for reply in (
        clinic.patch("people?score=eq.7&order=id", {"email": None}, as_="dee"),
        clinic.delete("people?score=neq.8", as_="dee"),
    ):
        assert (413, "BST413") == (reply.status, reply.code), reply.body
    assert before == stored(clinic)
    assert 204 == clinic.patch(f"people?ssn=eq.{OF_ANN}", {"email": "new@x"}, as_="dee").status


def test_instances_say_which_column(clinic: Api) -> None:
    """A12: an instance whose value or index is another one's raises, and the error names table and column."""

    async def load() -> None:
        async with clinic.app.session() as session:
            list(await session.scalars(sa.select(Person).where(Person.name == "Bob")))

    exchange(clinic)
    with pytest.raises(Unsealable, match=r"people\.ssn") as told:
        clinic.loop.run_until_complete(load())
    assert OF_BOB not in str(told.value)
    exchange(clinic)
    clinic.loop.run_until_complete(load())
    run(clinic, "UPDATE people SET ssn = (SELECT ssn FROM people WHERE name = 'Ann') WHERE name = 'Bob'")
    with pytest.raises(Unsealable, match=r"people\.ssn") as told:
        clinic.loop.run_until_complete(load())
    assert OF_ANN not in str(told.value)


@allow("read", Person, to="staff")
@allow("create", "update", Person, to="staff")
@allow("read", "create", Ward, Visit, to="staff")
def all_of_it(me: Me) -> Any:
    """The staff sees all."""
    return True


@allow("read", Person)
def of_no_ward(me: Me) -> Any:
    """Everybody else sees whom no ward has."""
    return Person.ward_id.is_(None)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened_wards(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    def make(url: str) -> Backstay:
        settings = Settings(database=url, jwt_secret=SECRET, encryption_keys=KEYS, accounts=False)
        return Backstay(models=Model, policies=[all_of_it, of_no_ward], settings=settings)

    with opened(request.param, tmp_path_factory.mktemp("wards"), make, WARDS, "wards") as found:
        yield found


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened_audited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    def make(url: str) -> Any:
        return made(url, KEYS, accounts=True)

    folder: Path = tmp_path_factory.mktemp("audited")
    with opened(request.param, folder, make, WARDS, "audited") as found:
        yield found


def events(api: Api) -> list[dict[str, Any]]:
    async def settled() -> None:
        # What was told in a thread comes to the loop first.
        await asyncio.sleep(0)
        assert api.app._unreadable is not None
        await api.app._unreadable.settle()

    api.loop.run_until_complete(settled())
    rows = run(api, "SELECT details FROM backstay_audit WHERE event = 'value_unreadable' ORDER BY seq")
    return [json.loads(row[0]) if isinstance(row[0], str) else row[0] for row in rows]


def test_they_are_audited(opened_audited: Api) -> None:
    """A12, AU3: values that do not open are events, of pages, filters, single rows, exports and instances, once each."""
    api = planted(opened_audited.clean())
    run(api, "UPDATE people SET notes = ssn WHERE name = 'Ann'")
    assert [] == events(api)
    assert 200 == api.get("people?select=notes").status
    assert [{"column": "people.notes", "reason": "unreadable", "count": 1}] == events(api)
    # Again and again is one event a minute.
    for _ in range(3):
        assert 500 == api.get(f"people/{ANN}?select=notes").status
    assert 1 == len(events(api))
    exchange(api)
    assert 500 == api.delete(f"people?ssn=eq.{OF_ANN}", as_="dee").status
    assert {"column": "people.ssn", "reason": "exchanged", "count": 1} == events(api)[1]
    run(api, "UPDATE people SET born = ssn, data = ssn WHERE name = 'Ann'")
    assert 500 == api.get("people?select=born", accept="application/x-ndjson").status
    assert "people.born" == events(api)[2]["column"]
    exchange(api)
    run(api, "UPDATE people SET notes = NULL, born = NULL WHERE name = 'Ann'")
    assert 500 == api.get("rpc/find?name=Ann&select=name").status
    found = events(api)
    assert ["people.notes", "people.ssn", "people.born", "people.data"] == [event["column"] for event in found]
    for secret in (OF_ANN, OF_BOB, ANN, BOB):
        assert secret not in json.dumps(found)


def test_an_export_ends_where_a_value_does_not_open(clinic: Api) -> None:
    """A12: what was sent is right, and the stream breaks off: no row is null that was not, and none is left out."""
    many = [{**PEOPLE[0], "id": f"00000000-0000-0000-0001-{n:012}", "email": None} for n in range(600)]
    assert 201 == clinic.post("people", many, as_="dee").status
    run(
        clinic,
        "UPDATE people SET ssn = (SELECT ssn FROM people WHERE name = 'Bob') WHERE id = :id",
        id=_id(clinic, many[-1]),
    )
    sent: list[dict[str, Any]] = []

    async def ask() -> None:
        scope = {
            "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "root_path": "",
            "path": "/rest/v1/people", "raw_path": b"/rest/v1/people", "query_string": b"select=id,ssn&order=id",
            "headers": [HOST, (b"accept", b"application/x-ndjson"), (b"authorization", token("dee"))],
            "client": ("192.0.2.1", 1), "server": ("127.0.0.1", 80), "state": {},
        }  # fmt: skip

        async def receive() -> Any:
            await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        await clinic.app(scope, receive, send)

    with pytest.raises(Exception):  # noqa: B017, PT011 - the server cuts the connection off for any
        clinic.loop.run_until_complete(ask())
    assert 200 == sent[0]["status"]
    assert all(message.get("more_body") for message in sent[1:])
    lines = b"".join(message["body"] for message in sent[1:]).splitlines()
    assert 200 <= len(lines) < 602
    assert all(json.loads(line)["ssn"] is not None for line in lines)


def _id(api: Api, row: dict[str, Any]) -> str:
    id = str(row["id"])
    return (
        id.replace("-", "") if api.name == "sqlite" and not run(api, "SELECT 1 FROM people WHERE id = :i", i=id) else id
    )
