"""Encrypted columns through the API: clients see values, the database sees none (EN1, EN3)."""

from __future__ import annotations

import csv
import io
import json
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from tests.http.api import Api, Reply

ANN = "00000000-0000-0000-0000-00000000000a"
BOB = "00000000-0000-0000-0000-00000000000b"
PEOPLE: list[dict[str, Any]] = [
    {"id": ANN, "ward_id": 1, "name": "Ann", "ssn": "078-05-1120", "notes": 'Zoë said "x"\n☃', "born": "1999-12-31",
     "score": 7, "data": {"a": [1, 2.50], "b": None}, "email": "ann@x"},
    {"id": BOB, "ward_id": 1, "name": "Bob", "ssn": "219-09-9999", "notes": None, "born": None,
     "score": None, "data": None, "email": "bob@x"},
]  # fmt: skip
SEEN = "id,ssn,notes,born,score,data"


def planted(api: Api) -> Api:
    reply = api.post("people", PEOPLE, as_="dee")
    assert 201 == reply.status, reply.body
    visits = [
        {"person_id": ANN, "number": 1, "remark": "first"},
        {"person_id": ANN, "number": 2, "remark": "second"},
        {"person_id": BOB, "number": 1, "remark": "only"},
    ]
    assert 201 == api.post("visits", visits, as_="dee").status
    return api


@pytest.fixture
def clinic(ward: Api) -> Api:
    """The clinic with two people."""
    return planted(ward)


def run(api: Api, sql: str, **values: Any) -> list[Any]:
    """What is really there."""

    async def inside() -> list[Any]:
        async with api.app.session() as session:
            result = await session.execute(sa.text(sql), values)
            return list(result) if result.returns_rows else []

    api.dirty = True
    return api.loop.run_until_complete(inside())


def seen(number: int) -> dict[str, Any]:
    return {name: PEOPLE[number][name] for name in SEEN.split(",")}


def test_what_is_written_is_read(clinic: Api) -> None:
    """EN1: text, dates, numbers and JSON come back as they were sent, and null stays null."""
    assert [seen(0), seen(1)] == clinic.get(f"people?select={SEEN}&order=id").json
    raw = clinic.get(f"people?select=data&id=eq.{ANN}").body.decode()
    assert '[{"data":{"a":[1,2.5],"b":null}}]' == raw.replace(" ", "")


def test_the_database_sees_nothing(clinic: Api) -> None:
    """EN1: neither a table's row nor the file holds a plaintext, and no two ciphertexts are alike."""
    clinic.patch(f"people?id=eq.{BOB}", {"notes": PEOPLE[0]["notes"]}, as_="dee")
    rows = run(clinic, "SELECT ssn, notes, born, score, data, ssn_blind FROM people")
    stored = b"".join(bytes(v) if not isinstance(v, str) else v.encode() for row in rows for v in row if v is not None)
    for secret in ("078-05-1120", "219-09-9999", "Zoë", "1999-12-31", "[1,2.5"):
        assert secret.encode() not in stored
    notes = [bytes(row[1]) for row in rows]
    assert 2 == len(set(notes))
    if clinic.name == "sqlite":
        assert clinic.app._given is not None
        path = clinic.app._given.database.removeprefix("sqlite:///")
        for suffix in ("", "-wal"):
            with open(path + suffix, "rb") as file:
                assert b"078-05-1120" not in file.read()


def test_star_and_blind_index(clinic: Api) -> None:
    """EN3: a star has the encrypted columns and not their indexes, which nobody can name."""
    row = clinic.get(f"people?id=eq.{ANN}").json[0]
    assert row["ssn"] == "078-05-1120"
    assert not [name for name in row if "blind" in name]
    for query in ("select=ssn_blind", "ssn_blind=is.null", "order=ssn_blind"):
        assert "42703" == clinic.get(f"people?{query}", as_="svc").code
    assert "PGRST204" == clinic.post("people", {"name": "x", "ssn": "1", "ssn_blind": "x"}, as_="svc").code


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("people?select=s:ssn,name&order=name", [{"s": "078-05-1120", "name": "Ann"}, {"s": "219-09-9999", "name": "Bob"}]),
        ("people?select=ssn,ssn&name=eq.Ann", [{"ssn": "078-05-1120"}]),
        ("people?select=x:ssn,x:name&name=eq.Ann", [{"x": "Ann"}]),
        ("people?select=x:name,x:ssn&name=eq.Ann", [{"x": "078-05-1120"}]),
        ("wards?select=name,people(ssn,score)&people.order=name&id=eq.1",
         [{"name": "North", "people": [{"ssn": "078-05-1120", "score": 7}, {"ssn": "219-09-9999", "score": None}]}]),
        ("wards?select=name,people(ssn)&id=eq.2", [{"name": "South", "people": []}]),
        ("visits?select=remark,people(ssn)&order=person_id,number&limit=1",
         [{"remark": "first", "people": {"ssn": "078-05-1120"}}]),
        ("visits?select=number,...people(ssn,notes)&number=eq.2",
         [{"number": 2, "ssn": "078-05-1120", "notes": PEOPLE[0]["notes"]}]),
        ("people?select=name,...visits(remark)&visits.order=number&order=name",
         [{"name": "Ann", "remark": ["first", "second"]}, {"name": "Bob", "remark": ["only"]}]),
        ("wards?select=people(name,visits(remark))&people.order=name&people.visits.order=number&id=eq.1",
         [{"people": [{"name": "Ann", "visits": [{"remark": "first"}, {"remark": "second"}]},
                      {"name": "Bob", "visits": [{"remark": "only"}]}]}]),
        ("wards?select=...people(name,visits(remark))&people.order=name&people.visits.order=number&id=eq.1",
         [{"name": ["Ann", "Bob"], "visits": [[{"remark": "first"}, {"remark": "second"}], [{"remark": "only"}]]}]),
        ("people?select=visits(count)&order=name", [{"visits": [{"count": 2}]}, {"visits": [{"count": 1}]}]),
    ],
)  # fmt: skip
def test_wherever_it_stands(clinic: Api, query: str, expected: Any) -> None:
    """EN1: aliases, embeds of every kind and spreads are opened in their place."""
    assert expected == clinic.get(query).json


def test_what_looks_like_ciphertext_is_text(clinic: Api) -> None:
    """EN1: what is opened is told by the plan: a plain text that holds a stored value is not opened."""
    stored = bytes(run(clinic, "SELECT ssn FROM people WHERE name = 'Ann'")[0][0]).hex()
    trick = json.dumps([stored, ANN])
    clinic.patch(f"people?id=eq.{ANN}", {"name": trick, "notes": trick}, as_="dee")
    row = clinic.get(f"people?select=name,notes,ssn,x:name&id=eq.{ANN}").json[0]
    assert (trick, trick, "078-05-1120", trick) == (row["name"], row["notes"], row["ssn"], row["x"])


def test_other_forms(clinic: Api) -> None:
    """EN1: CSV, one object, NDJSON, objects without nulls and pages by key hold values too."""
    reply = clinic.get("people?select=name,ssn,born,score&order=name", accept="text/csv")
    assert [
        ["name", "ssn", "born", "score"],
        ["Ann", "078-05-1120", "1999-12-31", "7"],
        ["Bob", "219-09-9999", "", ""],
    ] == list(csv.reader(io.StringIO(reply.body.decode())))
    one = clinic.get(f"people?select=ssn&id=eq.{ANN}", accept="application/vnd.pgrst.object+json")
    assert {"ssn": "078-05-1120"} == one.json
    assert {"ssn": "078-05-1120"} == clinic.get(f"people/{ANN}?select=ssn").json
    lines = clinic.get("people?select=ssn&order=name", accept="application/x-ndjson").body.splitlines()
    assert ["078-05-1120", "219-09-9999"] == [json.loads(line)["ssn"] for line in lines]
    stripped = clinic.get(
        "people?select=name,score&order=name", accept="application/vnd.pgrst.array+json;nulls=stripped"
    )
    assert [{"name": "Ann", "score": 7}, {"name": "Bob"}] == stripped.json
    page = clinic.get("people?select=ssn&order=name&limit=1", prefer="page=keyset")
    assert [{"ssn": "078-05-1120"}] == page.json
    assert page.one("link")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("ssn=eq.078-05-1120", ["Ann"]),
        ("ssn=eq.078-05-1121", []),
        ("ssn=neq.078-05-1120", ["Bob"]),
        ("ssn=not.eq.078-05-1120", ["Bob"]),
        ("ssn=in.(078-05-1120,219-09-9999)", ["Ann", "Bob"]),
        ("ssn=not.in.(078-05-1120)", ["Bob"]),
        ("ssn=in.()", []),
        ("score=eq.7", ["Ann"]),
        ("score=eq.07", ["Ann"]),
        ("score=is.null", ["Bob"]),
        ("notes=not.is.null", ["Ann"]),
        ("or=(ssn.eq.219-09-9999,score.eq.7)", ["Ann", "Bob"]),
    ],
)
def test_filters_by_a_blind_index(clinic: Api, query: str, names: list[str]) -> None:
    """EN3: equality, lists and null; of equal values whatever their spelling."""
    assert names == [row["name"] for row in clinic.get(f"people?select=name&order=name&{query}").json]
    counted = clinic.get(f"people?select=name&{query}", prefer="count=exact")
    assert str(len(names)) == (counted.range or "").partition("/")[2]


def test_filters_in_embeds_and_writes(clinic: Api) -> None:
    """EN3: an embed is filtered by the index, and so are the rows that a write addresses."""
    rows = clinic.get("wards?select=people!inner(name)&people.ssn=eq.219-09-9999").json
    assert [{"people": [{"name": "Bob"}]}] == rows
    changed = clinic.patch(
        "people?ssn=eq.219-09-9999&select=name,ssn", {"name": "Rob"}, as_="dee", prefer="return=representation"
    )
    assert [{"name": "Rob", "ssn": "219-09-9999"}] == changed.json
    clinic.delete(f"visits?person_id=eq.{BOB}", as_="dee")
    gone = clinic.delete("people?ssn=eq.219-09-9999&select=ssn", as_="dee", prefer="return=representation")
    assert (200, [{"ssn": "219-09-9999"}]) == (gone.status, gone.json)


@pytest.mark.parametrize(
    "query",
    [
        "notes=eq.x",
        "notes=like.*x*",
        "ssn=like.078*",
        "ssn=gt.0",
        "ssn=eq(any).{a,b}",
        "ssn=fts.x",
        "ssn=isdistinct.x",
        "order=ssn",
        "order=notes.desc",
        "select=ssn::text",
        "select=notes.count()",
        "select=score.max()",
        "select=ssn,count()",
        "or=(name.eq.x,notes.eq.y)",
    ],
)
def test_what_the_database_cannot_do(clinic: Api, query: str) -> None:
    """EN3: any other filter, order, cast, group or aggregate is refused with the reason."""
    reply = clinic.get(f"people?{query}", as_="svc")
    # Aggregates are off before anybody asks of what.
    aggregate = "count()" in query or "max()" in query
    assert (400, "PGRST123" if aggregate else "PGRST127") == (reply.status, reply.code), reply.body
    if not aggregate:
        assert "encrypted" in reply.json["details"]


def test_related_order_and_paths_are_refused(clinic: Api) -> None:
    """EN3: so is an order by a column of an embed, and a path into JSON that only we can read."""
    assert "PGRST127" == clinic.get("visits?select=number,people(name)&order=people(ssn)").code
    assert "PGRST127" == clinic.get("people?select=data->a").code
    assert "PGRST127" == clinic.get("people?data->>a=eq.x").code
    assert 400 == clinic.get("people?score=eq.x").status


def test_a_hidden_column_stays_missing(clinic: Api) -> None:
    """AC10: to whom a policy hides an encrypted column it looks like one that is not there, in every clause."""
    clinic.patch(f"people?id=eq.{ANN}", {"pin": "1234"}, as_="dee")
    assert [{"pin": "1234"}] == clinic.get(f"people?select=pin&id=eq.{ANN}&pin=eq.1234", as_="dee").json
    for clause in (
        "select={}",
        "{}=eq.1234",
        "{}=is.null",
        "order={}",
        "select={}::text",
        "select={}->a",
        "{}=like.*1*",
    ):
        hidden, missing = (clinic.get("people?" + clause.format(name)) for name in ("pin", "nip"))
        assert (400, "42703") == (hidden.status, hidden.code)
        assert hidden.body.replace(b"pin", b"nip") == missing.body


def test_changes(clinic: Api) -> None:
    """EN1: PATCH by key, PUT, upsert and item writes seal anew, with the index, and send back what was written."""
    reply = clinic.patch(
        f"people?id=eq.{ANN}&select=ssn,score", {"ssn": "111-22-3333"}, as_="dee", prefer="return=representation"
    )
    assert [{"ssn": "111-22-3333", "score": 7}] == reply.json
    assert [] == clinic.get("people?select=id&ssn=eq.078-05-1120").json
    assert [ANN] == clinic.get("people?select=id&ssn=eq.111-22-3333").ids
    assert 204 == clinic.patch(f"people/{ANN}", {"notes": None, "score": 8}, as_="dee").status
    assert {"notes": None, "score": 8} == clinic.get(f"people/{ANN}?select=notes,score").json
    row = {**PEOPLE[1], "ssn": "222-33-4444"}
    assert 204 == clinic.put(f"people?id=eq.{BOB}", row, as_="dee").status
    assert [BOB] == clinic.get("people?select=id&ssn=eq.222-33-4444").ids
    merged = clinic.post(
        "people?select=ssn", [{**PEOPLE[0], "ssn": "333-44-5555"}], as_="dee",
        prefer="return=representation, resolution=merge-duplicates",
    )  # fmt: skip
    assert [{"ssn": "333-44-5555"}] == merged.json
    assert [ANN] == clinic.get("people?select=id&ssn=eq.333-44-5555").ids


def test_announced_columns_take_their_defaults(clinic: Api) -> None:
    """EN1: missing=default seals a default of the model, and what it empties cannot be found by its old value."""
    assert 204 == clinic.patch(f"people?id=eq.{ANN}", {"pin": "1234"}, as_="dee").status
    assert [ANN] == clinic.get("people?select=id&pin=eq.1234", as_="dee").ids
    full = "return=representation, missing=default"
    path = "people?id=eq.{}&columns=notes,score,pin&select=notes,score,pin"
    reply = clinic.patch(path.format(ANN), {"notes": "n"}, as_="dee", prefer=full)
    assert [{"notes": "n", "score": 5, "pin": None}] == reply.json
    assert [ANN] == clinic.get("people?select=id&score=eq.5").ids
    assert [] == clinic.get("people?select=id&pin=eq.1234", as_="dee").ids
    assert [(None, None)] == run(clinic, "SELECT pin, pin_blind FROM people WHERE name = 'Ann'")
    assert 1 == run(clinic, "SELECT count(score) FROM people WHERE length(score) > 16")[0][0]
    moved = clinic.patch(f"people?id=eq.{ANN}&columns=id,notes", {"notes": "m"}, as_="dee", prefer=full)
    assert (400, "PGRST127") == (moved.status, moved.code)


def test_inserts_of_every_kind(clinic: Api) -> None:
    """EN1: defaults in Python, CSV, rows without the column, several key sets, batches and nested rows are sealed."""
    made = clinic.post(
        "people?select=id,ssn,score", {"name": "Cy", "ssn": "1"}, as_="dee", prefer="return=representation"
    )
    assert [("1", 5)] == [(row["ssn"], row["score"]) for row in made.json]
    reply = clinic.send(
        "POST", "people", as_="dee", body=b"name,ssn,score\nDi,2,NULL\nEd,3,9\n", content_type="text/csv"
    )
    assert 201 == reply.status, reply.body
    rows = clinic.get("people?select=name,ssn,score&ssn=in.(2,3)&order=name").json
    assert [{"name": "Di", "ssn": "2", "score": None}, {"name": "Ed", "ssn": "3", "score": 9}] == rows
    mixed = [{"name": "Fay", "ssn": "4"}, {"name": "Gus", "ssn": "5", "notes": "n"}]
    reply = clinic.post(
        "people?select=name,notes,score&columns=name,ssn,notes",
        mixed,
        as_="dee",
        prefer="return=representation, missing=default",
    )
    assert [("Fay", None, 5), ("Gus", "n", 5)] == [(r["name"], r["notes"], r["score"]) for r in reply.json]
    nested = {"name": "Hal", "ssn": "6", "visits": [{"number": 1, "remark": "in"}, {"number": 2, "remark": "out"}]}
    reply = clinic.post("people", nested, as_="dee", prefer="return=representation")
    assert 201 == reply.status, reply.body
    assert ("6", ["in", "out"]) == (reply.json[0]["ssn"], [visit["remark"] for visit in reply.json[0]["visits"]])
    batch = [
        {"method": "POST", "path": "people?select=id,ssn", "body": {"name": "Ida", "ssn": "7"}, "headers": {"Prefer": "return=representation"}},
        {"method": "PATCH", "path": "people?name=eq.Ida", "body": {"ward_id": 2}},
    ]  # fmt: skip
    reply = clinic.post("batch", batch, as_="dee")
    assert 200 == reply.status, reply.body
    assert "7" == clinic.get("people?select=ssn&name=eq.Ida").json[0]["ssn"]


def test_what_needs_the_row(clinic: Api) -> None:
    """EN1: several rows at once, another key and a merge by another column would leave values that do not open."""
    for path, body in (
        ("people?ward_id=eq.1", {"ssn": "9"}),
        (f"people?id=in.({ANN},{BOB})", {"ssn": "9"}),
        (f"people?or=(id.eq.{ANN},id.eq.{BOB})", {"ssn": "9"}),
        (f"people?id=eq.{ANN}", {"id": BOB}),
        (f"people?id=not.eq.{ANN}", {"notes": "x"}),
    ):
        reply = clinic.patch(path, body, as_="dee")
        assert (400, "PGRST127") == (reply.status, reply.code), path
    assert 204 == clinic.patch(f"people?id=eq.{ANN}", {"id": ANN, "notes": "x"}, as_="dee").status
    assert 204 == clinic.patch("people?ward_id=eq.1", {"ward_id": 2}, as_="dee").status
    reply = clinic.post(
        "people?on_conflict=email", [{**PEOPLE[0], "id": BOB}], as_="dee", prefer="resolution=merge-duplicates"
    )
    assert (400, "PGRST127") == (reply.status, reply.code)
    reply = clinic.post(
        "people?on_conflict=email",
        [{"name": "x", "ssn": "1", "email": "ann@x"}],
        as_="dee",
        prefer="resolution=ignore-duplicates",
    )
    assert 201 == reply.status
    assert "078-05-1120" == clinic.get(f"people/{ANN}?select=ssn").json["ssn"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"ssn": "123456789012", "name": "x"}, "22001"),
        ({"ssn": None, "name": "x"}, "23502"),
        ({"name": "x"}, "23502"),
        ({"ssn": "1", "name": "x", "born": "1999-02-30"}, "22008"),
        ({"ssn": "1", "name": "x", "score": "many"}, "22P02"),
        ({"ssn": "1", "name": "x", "score": 2**40}, "22003"),
        ({"ssn": "a\x00b", "name": "x"}, "PGRST102"),
        ({"ssn": "1", "name": "x", "id": None}, "23502"),
    ],
)
def test_values_are_checked_before_they_are_sealed(clinic: Api, body: dict[str, Any], code: str) -> None:
    """What the column's own type refuses is refused, as if the database had."""
    assert code == clinic.post("people", body, as_="dee").code


def test_a_lone_surrogate_is_refused(clinic: Api) -> None:
    """No UTF-8 has it, so it cannot be sealed; a 500 would be a bug."""
    reply = clinic.send(
        "POST", "people", as_="dee", body=b'{"name":"x","ssn":"\\ud800"}', content_type="application/json"
    )
    assert 400 == reply.status


def test_a_value_of_another_row_does_not_open(clinic: Api, caplog: pytest.LogCaptureFixture) -> None:
    """EN1: ciphertext that was copied between rows is an incident: a 500 with an id, and the log names the row."""
    run(clinic, "UPDATE people SET ssn = (SELECT ssn FROM people WHERE name = 'Ann') WHERE name = 'Bob'")
    for reply in (
        clinic.get(f"people/{BOB}"),
        clinic.get("people?select=ssn&name=eq.Bob", accept="application/vnd.pgrst.object+json"),
    ):
        assert (500, "BST500") == (reply.status, reply.code)
        assert "078" not in reply.body.decode()
    assert BOB in caplog.text
    # What is not asked for stays readable, and so do the other rows.
    assert [{"name": "Ann"}, {"name": "Bob"}] == clinic.get("people?select=name&order=name").json
    assert "078-05-1120" == clinic.get(f"people/{ANN}?select=ssn").json["ssn"]


WARNING = '199 - "1 encrypted values cannot be opened, and are shown as null"'


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("people?select=name,ssn&order=name", {}),
        ("people?select=name,ssn&order=name", {"prefer": "page=keyset"}),
        ("people?select=name,ssn&order=name", {"prefer": "count=exact"}),
        ("people?select=name,ssn&order=name", {"accept": "text/csv"}),
        ("wards?select=people(name,ssn)&people.order=name", {}),
        ("wards?select=...people(ssn)&people.order=name", {}),
    ],
)
def test_a_row_does_not_take_its_page(
    clinic: Api, caplog: pytest.LogCaptureFixture, path: str, named: dict[str, str]
) -> None:
    """A12: on a page a value that does not open is null, the answer says so, and the log which; the others are there."""
    clean = clinic.get(path, **named)
    run(clinic, "UPDATE people SET ssn = (SELECT ssn FROM people WHERE name = 'Ann') WHERE name = 'Bob'")
    reply = clinic.get(path, **named)
    assert (200, WARNING, None) == (reply.status, reply.one("warning"), clean.one("warning"))
    changed = (clean.body.replace(b'"219-09-9999"', b"null"), clean.body.replace(b"219-09-9999", b""))
    assert reply.body in changed
    assert reply.body != clean.body
    assert clean.one("content-range") == reply.one("content-range")
    assert BOB in caplog.text
    assert "219-09-9999" not in caplog.text


def test_an_exchanged_index_is_seen(clinic: Api, caplog: pytest.LogCaptureFixture) -> None:
    """A12: where a value is shown, its blind index is compared with it, also where nobody filters by it."""
    ann, bob = (run(clinic, "SELECT ssn_blind FROM people ORDER BY name")[at][0] for at in (0, 1))
    run(clinic, "UPDATE people SET ssn_blind = :other WHERE name = 'Bob'", other=ann)
    reply = clinic.get("people?select=name,ssn&name=eq.Bob")
    assert (200, [{"name": "Bob", "ssn": None}], WARNING) == (reply.status, reply.json, reply.one("warning"))
    assert 500 == clinic.get(f"people/{BOB}?select=ssn").status
    assert "blind index" in caplog.text
    # And a right one is no fault, nor is one that was never made.
    run(clinic, "UPDATE people SET ssn_blind = NULL WHERE name = 'Ann'")
    run(clinic, "UPDATE people SET ssn_blind = :own WHERE name = 'Bob'", own=bob)
    shown = clinic.get("people?select=ssn&order=name")
    assert ([{"ssn": "078-05-1120"}, {"ssn": "219-09-9999"}], None) == (shown.json, shown.one("warning"))


def test_a_value_that_does_not_open_undoes_the_write(clinic: Api) -> None:
    """Nothing is half done: the representation is opened before the transaction ends."""
    run(clinic, "UPDATE people SET ssn = (SELECT ssn FROM people WHERE name = 'Ann') WHERE name = 'Bob'")
    reply = clinic.patch(
        f"people?id=eq.{BOB}&select=ssn", {"email": "new@x"}, as_="dee", prefer="return=representation"
    )
    assert 500 == reply.status
    assert [{"email": "bob@x"}] == clinic.get("people?select=email&name=eq.Bob").json


def test_values_of_another_column_or_altered_do_not_open(clinic: Api) -> None:
    """EN1: each column has its own key, and every bit counts."""
    run(clinic, "UPDATE people SET notes = ssn WHERE name = 'Ann'")
    assert 500 == clinic.get(f"people/{ANN}?select=notes").status
    cut = "substr(ssn, 1, length(ssn) - 1)" if clinic.name == "sqlite" else "substring(ssn FROM 1 FOR length(ssn) - 1)"
    run(
        clinic,
        f"UPDATE people SET ssn = {'CAST(' + cut + ' AS BLOB)' if clinic.name == 'sqlite' else cut} WHERE name = 'Ann'",
    )
    assert 500 == clinic.get(f"people/{ANN}?select=ssn").status


def test_sessions_seal_and_open(clinic: Api) -> None:
    """EN1: instances of the app's own code hold plaintext, and what they write is what the API reads, and conversely."""
    assert '"078-05-1120"' == clinic.post("rpc/read_ssn", {"id": ANN}, as_="dee").body.decode()
    made = clinic.post("rpc/admit?select=id,ssn,bio,data,born,score", {"name": "Jo", "ssn": "8"}, as_="dee")
    assert 200 == made.status, made.body
    assert {"ssn": "8", "bio": "<b>new</b>", "data": {"a": [1]}, "born": "2000-02-29", "score": 5} == {
        name: value for name, value in made.json.items() if name != "id"
    }
    assert ["Jo"] == [row["name"] for row in clinic.get("people?select=name&ssn=eq.8").json]
    changed = clinic.post("rpc/correct?select=ssn", {"id": ANN, "ssn": "88"}, as_="dee")
    assert {"ssn": "88"} == changed.json
    assert [ANN] == clinic.get("people?select=id&ssn=eq.88").ids
    found = clinic.get("rpc/find?name=Jo&select=ssn,name&ssn=eq.8")
    assert [{"ssn": "8", "name": "Jo"}] == found.json
    assert [] == clinic.get("rpc/find?name=Jo&ssn=eq.9").json


def test_a_bare_value_never_reaches_the_database(clinic: Api) -> None:
    """EN1: SQL that knows no row cannot seal, so it is refused instead of writing plaintext."""
    people = clinic.app.metadata.tables["people"]

    async def write() -> None:
        async with clinic.app.session() as session:
            await session.execute(sa.insert(people).values(id=UUID(int=1), name="x", ssn="bare", version=1))

    with pytest.raises(sa.exc.StatementError, match="bare value"):
        clinic.loop.run_until_complete(write())


def test_stored_answers_are_sealed(clinic: Api) -> None:
    """EN1: an answer that is kept for its Idempotency-Key shows nothing, and is given again."""
    for _ in range(2):
        reply = clinic.post(
            "people?select=ssn", {"name": "Kim", "ssn": "555-66-7777"}, as_="dee",
            prefer="return=representation", idempotency_key="k1",
        )  # fmt: skip
        assert (201, [{"ssn": "555-66-7777"}]) == (reply.status, reply.json)
    assert 1 == len(clinic.get("people?select=id&ssn=eq.555-66-7777").json)
    rows = run(clinic, "SELECT body, fingerprint FROM backstay_idempotency")
    assert all(b"555" not in bytes(row[0]) for row in rows)
    other = clinic.post("people", {"name": "Kim", "ssn": "555-66-7778"}, as_="dee", idempotency_key="k1")
    assert 422 == other.status


def test_entity_tags_are_of_the_value(clinic: Api) -> None:
    """The tag of a row depends on what it says, not on how it happens to be sealed."""
    first = tag(clinic.get(f"people/{ANN}?select=ssn"))
    clinic.patch(f"people?id=eq.{ANN}", {"ssn": "1"}, as_="dee")
    assert first != tag(clinic.get(f"people/{ANN}?select=ssn"))
    reply = clinic.patch(f"people/{ANN}?select=ssn", {"ssn": "2"}, as_="dee", if_match=first)
    assert 412 == reply.status
    now = tag(clinic.get(f"people/{ANN}?select=ssn"))
    assert 204 == clinic.patch(f"people/{ANN}?select=ssn", {"ssn": "2"}, as_="dee", if_match=now).status


def tag(reply: Reply) -> str:
    found = reply.one("etag")
    assert found is not None
    return found


def test_the_description_says_so(clinic: Api) -> None:
    """OpenAPI: an encrypted column is what it is to clients, with a note; HTML says that it is."""
    document = clinic.get("", as_="svc").json
    properties = document["components"]["schemas"]["people"]["properties"]
    assert ("string", 11) == (properties["ssn"]["type"], properties["ssn"]["maxLength"])
    assert "eq" in properties["ssn"]["description"]
    assert ["string", "null"] == properties["born"]["type"]
    assert "text/html" == properties["bio"]["contentMediaType"]
    assert not [name for name in properties if "blind" in name]
