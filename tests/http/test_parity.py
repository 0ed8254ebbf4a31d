"""A reflected database answers as PostgREST does: status, headers and JSON (PostgREST 14, references/api)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import apsw
import pytest

from backstay import Backstay, Me, Settings, allow
from tests.http.api import Api, Reply, database
from tests.http.harbour import PORTABLE, POSTGRESQL
from tests.http.shop_app import SECRET

OBJECT = "application/vnd.pgrst.object+json"


class Case(NamedTuple):
    """One request and what it must give; *body* is JSON, or text where the answer is none."""

    path: str
    body: Any
    status: int = 200
    ask: Mapping[str, str] = MappingProxyType({})
    told: Mapping[str, str | None] = MappingProxyType({})


def plant(kind: str, url: str, loop: asyncio.AbstractEventLoop) -> None:
    if kind == "sqlite":
        connection = apsw.Connection(url.removeprefix("sqlite:///"))
        connection.execute(PORTABLE)
        connection.close()
        return
    import asyncpg

    async def run() -> None:
        own = await asyncpg.connect(url)
        await own.execute(f"CREATE SCHEMA harbour; SET search_path TO harbour; {PORTABLE} {POSTGRESQL}")
        await own.close()

    loop.run_until_complete(run())


def served(kind: str, folder: Path, name: str, **options: Any) -> Iterator[Api]:
    with closing(asyncio.new_event_loop()) as loop, database(kind, folder, loop, name) as url:
        plant(kind, url, loop)
        asked = {"schema": ("harbour", "yard"), "open_to": "anon", "allow_aggregates": True, **options}
        if kind == "sqlite" and "schema" not in options:
            asked["schema"] = "harbour"
        app = Backstay.reflect(url, settings=Settings(jwt_secret=SECRET), **asked)
        started = app.started()
        loop.run_until_complete(started.__aenter__())
        yield Api(kind, app, loop, lambda: None)
        loop.run_until_complete(started.__aexit__(None, None, None))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def harbour(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    yield from served(request.param, tmp_path_factory.mktemp("harbour"), "harbour")


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    """A harbour of one's own, to write into."""
    yield from served(request.param, tmp_path, "fresh_harbour")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The harbour on PostgreSQL alone."""
    yield from served("postgresql", tmp_path_factory.mktemp("whole"), "whole_harbour")


def body_of(reply: Reply, expected: Any) -> Any:
    text = reply.body.decode()
    return text if isinstance(expected, str) else json.loads(text)


def told_by(reply: Reply, told: Mapping[str, str | None]) -> dict[str, str | None]:
    return {name: reply.one(name) for name in told}


READS = [
    Case("ships?select=id,name&order=id&limit=2", [{"id": 1, "name": "Albatross"}, {"id": 2, "name": "Bittern"}]),
    Case("ships?select=id&sunk=is.true", [], told={"content-range": "*/*"}),
    Case("ships?select=sunk&id=eq.1", [{"sunk": False}]),
    Case("ships?select=id&tons=gt.100&order=id.desc", [{"id": 3}, {"id": 1}], told={"content-range": "0-1/*"}),
    Case("ships?select=id&order=tons.asc", [{"id": 2}, {"id": 1}, {"id": 3}, {"id": 4}]),
    Case("ships?select=id&order=tons.desc", [{"id": 4}, {"id": 3}, {"id": 1}, {"id": 2}]),
    Case("ships?select=id&order=tons.desc.nullslast&limit=1", [{"id": 3}]),
    # embedding
    Case(
        "ships?select=name,owners(name)&order=id",
        [
            {"name": "Albatross", "owners": {"name": "Ann"}},
            {"name": "Bittern", "owners": {"name": "Ann"}},
            {"name": "Curlew", "owners": {"name": "Bob"}},
            {"name": "Dunlin", "owners": None},
        ],
    ),
    Case("owners?select=id,ships(id)&id=eq.3", [{"id": 3, "ships": []}]),
    Case("ships?select=owner:owner_id(name)&id=eq.1", [{"owner": {"name": "Ann"}}]),
    Case("ships?select=owner:ships_owner_id_fkey(name)&id=eq.1", [{"owner": {"name": "Ann"}}]),
    Case("owners?select=ships!ships_owner_id_fkey(id)&id=eq.2", [{"ships": [{"id": 3}]}]),
    Case("ships?select=papers(stamp)&id=in.(1,2)&order=id", [{"papers": {"stamp": "red"}}, {"papers": None}]),
    Case("papers?select=ships(name)&id=eq.1", [{"ships": {"name": "Albatross"}}]),
    Case("sailors?select=name,ships(name)&id=eq.1", [{"name": "Kit", "ships": [{"name": "Albatross"}]}]),
    Case("owners?select=name,owners(name)&id=eq.1", [{"name": "Ann", "owners": [{"name": "Bob"}, {"name": "Cy"}]}]),
    Case("owners?select=name,boss_id(name)&id=eq.2", [{"name": "Bob", "boss_id": {"name": "Ann"}}]),
    Case("owners?select=crew:owners!boss_id(id)&id=eq.1", [{"crew": [{"id": 2}, {"id": 3}]}]),
    Case(
        "voyages?select=voyage_start(name),to:to_id(name)&id=eq.1",
        [{"voyage_start": {"name": "Hull"}, "to": {"name": "Oslo"}}],
    ),
    Case("ports?select=voyages!voyage_end(id)&id=eq.1", [{"voyages": [{"id": 2}]}]),
    Case("ships?select=id,owners!inner(name)&owners.name=eq.Bob", [{"id": 3, "owners": {"name": "Bob"}}]),
    Case(
        "ships?select=id,owners(name)&owners.name=eq.Bob&id=lt.3",
        [{"id": 1, "owners": None}, {"id": 2, "owners": None}],
    ),
    Case("ships?select=id,owners()&owners=is.null", [{"id": 4}]),
    Case("owners?select=id,ships()&ships=not.is.null&order=id", [{"id": 1}, {"id": 2}]),
    Case("ships?select=id,owners()&or=(owners.is.null,id.eq.1)&order=id", [{"id": 1}, {"id": 4}]),
    Case("owners?select=id,fleet:ships(id)&ships.id=eq.2&id=eq.1", [{"id": 1, "fleet": [{"id": 2}]}]),
    Case("owners?select=id,ships(id)&ships.order=id.desc&ships.limit=1&id=eq.1", [{"id": 1, "ships": [{"id": 2}]}]),
    Case(
        "owners?select=id,ships(id)&ships.or=(id.eq.2,id.eq.3)&order=id&limit=2",
        [{"id": 1, "ships": [{"id": 2}]}, {"id": 2, "ships": [{"id": 3}]}],
    ),
    Case(
        "ships?select=id,owners(name)&order=owners(name).desc,id&limit=2",
        [{"id": 4, "owners": None}, {"id": 3, "owners": {"name": "Bob"}}],
    ),
    # spreading
    Case(
        "ships?select=id,...owners(owner:name)&id=gte.3&order=id", [{"id": 3, "owner": "Bob"}, {"id": 4, "owner": None}]
    ),
    Case(
        "owners?select=id,...ships(name)&id=lt.3&ships.order=id&order=id",
        [{"id": 1, "name": ["Albatross", "Bittern"]}, {"id": 2, "name": ["Curlew"]}],
    ),
    # views
    Case(
        "big_ships?select=name,owners(name)&order=id",
        [{"name": "Albatross", "owners": {"name": "Ann"}}, {"name": "Curlew", "owners": {"name": "Bob"}}],
    ),
    Case(
        "people?select=number,ships(id),big_ships(id)&number=eq.1",
        [{"number": 1, "ships": [{"id": 1}, {"id": 2}], "big_ships": [{"id": 1}]}],
    ),
    Case("big_ships?select=voyages(id)&id=eq.3", [{"voyages": [{"id": 2}]}]),
    # aggregates
    Case("ships?select=count()", [{"count": 4}]),
    Case(
        "ships?select=owner_id,tons.sum(),most:tons.max()&owner_id=not.is.null&order=owner_id",
        [{"owner_id": 1, "sum": 200, "most": 120}, {"owner_id": 2, "sum": 300, "most": 300}],
    ),
    Case(
        "owners?select=name,ships(count)&order=id&limit=2",
        [{"name": "Ann", "ships": [{"count": 2}]}, {"name": "Bob", "ships": [{"count": 1}]}],
    ),
    Case(
        "ships?select=...owners(name),id.count()&owners=not.is.null&order=owners(name)",
        [{"name": "Ann", "count": 2}, {"name": "Bob", "count": 1}],
    ),
    # casts, patterns, lists
    Case("ships?select=id::text&id=eq.1", [{"id": "1"}]),
    Case("ships?select=id&name=like.*t*&order=id", [{"id": 1}, {"id": 2}]),
    Case("ships?select=id&name=ilike(any).{*CURL*,dun*}&order=id", [{"id": 3}, {"id": 4}]),
    Case('rumours?select=teller&said=in.("gold, \\"much\\" of it")', [{"teller": "Kit"}, {"teller": "Kit"}]),
    Case("ships?id=in.()", []),
    Case("ships?select=id&id=not.in.(1,2,3)", [{"id": 4}]),
    Case("ships?select=id&owner_id=isdistinct.1&order=id", [{"id": 3}, {"id": 4}]),
    Case("ships?select=id&not.or=(id.eq.1,and(id.gt.1,id.lt.4))", [{"id": 4}]),
    # names
    Case('Log; Book?select="what, exactly"&"Page No."=eq.1', [{"what, exactly": "calm"}]),
    # what is empty, and what is too much
    Case("ports?select=&id=eq.1", [{"id": 1, "name": "Hull"}]),
    Case("owners?select=id,ships(papers())&id=eq.1", [{"id": 1}]),
    Case(
        "sailors?select=name,berths(ships(owners(),papers()),rank)&id=eq.1",
        [{"name": "Kit", "berths": [{"rank": "mate"}]}],
    ),
    Case("ships?select=id&and=(id.eq.1,tons.eq.120))", [{"id": 1}]),
    Case("ships?select=id&name=ilike.%lba%25", [{"id": 1}]),
    # a column and a relation of one name
    Case("pennants?select=id,colours(name)&colours=eq.red", [{"id": 1, "colours": {"name": "red"}}]),
    Case("pennants?select=id,colours()&colours=not.is.null&order=id", [{"id": 1}, {"id": 2}]),
    Case(
        "ships?select=...owners(boss:name,count())&owners=not.is.null&order=owners(boss).desc",
        [{"boss": "Bob", "count": 1}, {"boss": "Ann", "count": 2}],
    ),
    # pages of a relation with one row
    Case("ships?select=id,owners(name)&owners.offset=1&id=eq.1", [{"id": 1, "owners": None}]),
    Case("ships?select=id,owners(name)&owners.limit=0&id=eq.1", [{"id": 1, "owners": None}]),
    Case("ships?select=id,owners(name)&owners.limit=7&owners.offset=0&id=eq.1", [{"id": 1, "owners": {"name": "Ann"}}]),
    # times and documents, which SQLite keeps as texts
    Case(
        "sightings?select=seen,log->>spots,log->>by&id=eq.1",
        [{"seen": "2024-03-01T05:06:07.5", "spots": "[1,2]", "by": "Kit"}],
    ),
    Case("sightings?select=id&seen=eq.2024-03-01 05:06:07.5", [{"id": 1}]),
    Case("sightings?select=id&seen=gt.2024-03-01T05:00:00&seen=lt.2024-03-01 06:00:00", [{"id": 1}]),
    Case("sightings?select=id&seen=in.(2024-03-01T05:06:07.5)", [{"id": 1}]),
    Case("sightings?select=id&seen=isdistinct.2024-03-01T05:06:07.5", [{"id": 2}]),
    # pages and counts
    Case(
        "ships?select=id&limit=2&offset=1",
        [{"id": 2}, {"id": 3}],
        206,
        {"prefer": "count=exact"},
        {"content-range": "1-2/4", "preference-applied": "count=exact"},
    ),
    Case("ships?select=id", [{"id": 2}, {"id": 3}], ask={"range": "1-2"}, told={"content-range": "1-2/*"}),
    Case("ships?limit=0", [], told={"content-range": "*/*"}),
    Case("ships?select=id&id=gt.1&id=lt.3", [{"id": 2}], told={"content-location": "/ships?id=gt.1,lt.3&select=id"}),
    # representations
    Case(
        "ships?select=id,owner_id&id=gte.3&order=id",
        [{"id": 3, "owner_id": 2}, {"id": 4}],
        ask={"accept": "application/vnd.pgrst.array+json;nulls=stripped"},
        told={"content-type": "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8"},
    ),
    Case(
        "ships?select=id&id=eq.2", {"id": 2}, ask={"accept": OBJECT}, told={"content-type": OBJECT + "; charset=utf-8"}
    ),
    Case(
        "ships?select=id,sunk,tons&id=gte.3&order=id",
        "id,sunk,tons\n3,f,300\n4,f,",
        ask={"accept": "text/csv"},
        told={"content-type": "text/csv; charset=utf-8"},
    ),
    Case("rumours?select=teller,said&teller=is.null", "teller,said\n,fog", ask={"accept": "text/csv"}),
    Case("rumours?select=said&limit=1", 'said\n"gold, ""much"" of it"', ask={"accept": "text/csv"}),
    Case("ships?id=eq.99", "\n", ask={"accept": "text/csv"}),
    Case('Log; Book?"Page No."=eq.1', '"Page No.","what, exactly"\n1,calm', ask={"accept": "text/csv"}),
]


@pytest.mark.parametrize("case", READS, ids=lambda case: case.path)
def test_reads(harbour: Api, case: Case) -> None:
    """A read of a reflected table, view or relation is PostgREST's."""
    reply = harbour.get(case.path, headers=case.ask)
    assert (case.status, case.body) == (reply.status, body_of(reply, case.body))
    assert case.told == told_by(reply, case.told)


def problem(code: str, message: str, details: Any = None, hint: str | None = None) -> dict[str, Any]:
    return {"code": code, "message": message, "details": details, "hint": hint}


REFUSALS = [
    Case(
        "ship",
        problem(
            "PGRST205",
            "Could not find the table 'harbour.ship' in the schema cache",
            hint="Perhaps you meant the table 'harbour.ships'",
        ),
        404,
    ),
    Case("zzz", problem("PGRST205", "Could not find the table 'harbour.zzz' in the schema cache"), 404),
    Case("ships/1/2", problem("PGRST125", "Invalid path specified in request URL"), 404),
    Case("ships/1", problem("PGRST125", "Invalid path specified in request URL"), 404),
    Case("ships?select=id&cursor=eq.1", problem("42703", "column ships.cursor does not exist"), 400),
    Case(
        "ships?select=nam",
        problem(
            "42703", "column ships.nam does not exist", hint='Perhaps you meant to reference the column "ships.name".'
        ),
        400,
    ),
    Case("ships?nowhere=eq.1", problem("42703", "column ships.nowhere does not exist"), 400),
    Case(
        "ships?select=owners(wage)",
        problem(
            "42703",
            "column owners_1.wage does not exist",
            hint='Perhaps you meant to reference the column "owners_1.name".',
        ),
        400,
    ),
    Case("ships?id=eq.x", problem("22P02", 'invalid input syntax for type integer: "x"'), 400),
    Case(
        "ships?id=like.1",
        problem(
            "42883",
            "operator does not exist: integer ~~ unknown",
            hint="No operator matches the given name and argument types. You might need to add explicit type casts.",
        ),
        404,
    ),
    Case("ships?select=id::nope", problem("42704", 'type "nope" does not exist'), 400),
    Case(
        "ships?select=owner(*)",
        problem(
            "PGRST200",
            "Could not find a relationship between 'ships' and 'owner' in the schema cache",
            "Searched for a foreign key relationship between 'ships' and 'owner' in the schema 'harbour', but no matches were found.",
            "Perhaps you meant 'owners' instead of 'owner'.",
        ),
        400,
    ),
    Case(
        "ships?select=owners!nope(*)",
        problem(
            "PGRST200",
            "Could not find a relationship between 'ships' and 'owners' in the schema cache",
            "Searched for a foreign key relationship between 'ships' and 'owners' using the hint 'nope' in the schema 'harbour', but no matches were found.",
        ),
        400,
    ),
    Case(
        "voyages?select=ports(*)",
        problem(
            "PGRST201",
            "Could not embed because more than one relationship was found for 'voyages' and 'ports'",
            [
                {
                    "cardinality": "many-to-one",
                    "embedding": "voyages with ports",
                    "relationship": "voyage_end using voyages(to_id) and ports(id)",
                },
                {
                    "cardinality": "many-to-one",
                    "embedding": "voyages with ports",
                    "relationship": "voyage_start using voyages(from_id) and ports(id)",
                },
            ],
            "Try changing 'ports' to one of the following: 'ports!voyage_end', 'ports!voyage_start'. "
            "Find the desired relationship in the 'details' key.",
        ),
        300,
    ),
    Case(
        "ships?owners.id=eq.1",
        problem(
            "PGRST108",
            "'owners' is not an embedded resource in this request",
            hint="Verify that 'owners' is included in the 'select' query parameter.",
        ),
        400,
    ),
    Case(
        "owners?select=ships(*)&order=ships(id)",
        problem(
            "PGRST118",
            "A related order on 'ships' is not possible",
            "'owners' and 'ships' do not form a many-to-one or one-to-one relationship",
        ),
        400,
    ),
    Case(
        "owners?select=fleet:ships(*)&order=fleet(id)",
        problem(
            "PGRST118",
            "A related order on 'fleet' is not possible",
            "'owners' and 'fleet' do not form a many-to-one or one-to-one relationship",
        ),
        400,
    ),
    Case(
        "sightings?select=log->>spots->1",
        problem(
            "42883",
            "operator does not exist: text -> integer",
            hint="No operator matches the given name and argument types. You might need to add explicit type casts.",
        ),
        404,
    ),
    Case(
        "sightings?select=log->>by->>all",
        problem(
            "42883",
            "operator does not exist: text ->> unknown",
            hint="No operator matches the given name and argument types. You might need to add explicit type casts.",
        ),
        404,
    ),
    Case(
        "ships?id=1",
        problem(
            "PGRST100",
            '"failed to parse filter (1)" (line 1, column 1)',
            'unexpected "1" expecting "not" or operator (eq, gt, ...)',
        ),
        400,
    ),
    Case(
        "ships?id=is.nil",
        problem(
            "PGRST100",
            '"failed to parse filter (is.nil)" (line 1, column 4)',
            'unexpected "n" expecting isVal: (null, not_null, true, false, unknown)',
        ),
        400,
    ),
    Case(
        "ships?id=foo.1",
        problem(
            "PGRST100",
            '"failed to parse filter (foo.1)" (line 1, column 1)',
            'unexpected "f" expecting "not" or operator (eq, gt, ...)',
        ),
        400,
    ),
    Case(
        "ships?order=id.desc.nullslaststs",
        problem(
            "PGRST100",
            '"failed to parse order (id.desc.nullslaststs)" (line 1, column 18)',
            "unexpected 's' expecting \",\" or end of input",
        ),
        400,
    ),
    Case(
        "ships?order=id.descx",
        problem(
            "PGRST100",
            '"failed to parse order (id.descx)" (line 1, column 8)',
            'unexpected "x" expecting ".nullsfirst", ".nullslast", "," or end of input',
        ),
        400,
    ),
    Case(
        "ships?or=(id.eq.1,)",
        problem(
            "PGRST100",
            '"failed to parse logic tree ((id.eq.1,))" (line 1, column 12)',
            'unexpected ")" expecting field name (* or [a..z0..9_$]), negation operator (not) or logic operator (and, or)',
        ),
        400,
    ),
    Case(
        "ships?and=(id.eq.1,or(name.foo.x,id.eq.2))",
        problem(
            "PGRST100",
            '"failed to parse logic tree ((id.eq.1,or(name.foo.x,id.eq.2)))" (line 1, column 21)',
            'unexpected "f" expecting "not" or operator (eq, gt, ...)',
        ),
        400,
    ),
    Case(
        "sightings?select=log->--1",
        problem(
            "PGRST100",
            '"failed to parse select parameter (log->--1)" (line 1, column 7)',
            'unexpected "-" expecting digit',
        ),
        400,
    ),
    Case(
        "sightings?select=log->>(x",
        problem(
            "PGRST100",
            '"failed to parse select parameter (log->>(x)" (line 1, column 7)',
            'unexpected "(" expecting "-", digit or any non reserved character different from: .,>()',
        ),
        400,
    ),
    Case(
        "owners?select=ships(*)&ships=eq.1",
        problem(
            "PGRST120",
            "Bad operator on the 'ships' embedded resource",
            "Only is null or not is null filters are allowed on embedded resources",
        ),
        400,
    ),
    Case(
        "owners?select=...ships(count())",
        problem(
            "PGRST127",
            "Feature not implemented",
            "Aggregates are not implemented for one-to-many or many-to-many spreads.",
        ),
        400,
    ),
    Case(
        "ships",
        problem("PGRST116", "Cannot coerce the result to a single JSON object", "The result contains 4 rows"),
        406,
        {"accept": OBJECT},
    ),
    Case(
        "ships", problem("PGRST107", "None of these media types are available: image/png"), 406, {"accept": "image/png"}
    ),
    Case(
        "ships?offset=9",
        problem(
            "PGRST103", "Requested range not satisfiable", "An offset of 9 was requested, but there are only 4 rows."
        ),
        416,
        {"prefer": "count=exact"},
        {"content-range": "*/4"},
    ),
    Case(
        "ships?limit=-1",
        problem("PGRST103", "Requested range not satisfiable", "Limit should be greater than or equal to zero."),
        416,
    ),
    Case(
        "ships",
        problem("PGRST122", "Invalid preferences given with handling=strict", "Invalid preferences: x=1"),
        400,
        {"prefer": "handling=strict, x=1"},
    ),
    Case(
        "ships",
        problem(
            "PGRST122", "Invalid preferences given with handling=strict", "Invalid preferences: timezone=Mars/Base"
        ),
        400,
        {"prefer": "handling=strict, timezone=Mars/Base"},
    ),
]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case.path)
def test_refusals(harbour: Api, case: Case) -> None:
    """A refused read says what PostgREST says, hints at near names included, and nothing more."""
    reply = harbour.get(case.path, headers=case.ask)
    assert (case.status, case.body) == (reply.status, reply.json)
    assert case.told == told_by(reply, case.told)
    assert f"PostgREST; error={case.body['code']}" == reply.one("proxy-status")


FULL = {"prefer": "return=representation"}

WRITES: list[tuple[str, Case]] = [
    ("POST", Case("ports", {"id": 3, "name": "Riga"}, 201, FULL, {"content-range": "*/*"})),
    (
        "POST",
        Case(
            "ports", {"id": 4, "name": "Kiel"}, 201, {"prefer": "return=headers-only"}, {"location": "/ports?id=eq.4"}
        ),
    ),
    (
        "POST",
        Case(
            "berths",
            {"sailor_id": 3, "ship_id": 2},
            201,
            {"prefer": "return=headers-only"},
            {"location": "/berths?sailor_id=eq.3&ship_id=eq.2"},
        ),
    ),
    ("POST", Case("rumours", [{"teller": "Mo", "said": "x"}, {"teller": "Mo", "said": "x"}], 201, FULL)),
    (
        "POST",
        Case("rumours", {"teller": "Mo", "said": "x"}, 201, {"prefer": "return=headers-only"}, {"location": None}),
    ),
    (
        "PATCH",
        Case("rumours?teller=eq.Kit", {"said": "none"}, 204, {}, {"content-range": "0-1/*", "content-type": None}),
    ),
    ("PATCH", Case("ports?id=eq.99", {"name": "x"}, 204, {}, {"content-range": "*/*"})),
    ("PATCH", Case("ports?id=eq.1", {}, 204, {}, {"content-range": "*/*"})),
    ("DELETE", Case("rumours?teller=is.null", None, 204, {"prefer": "count=exact"}, {"content-range": "*/1"})),
    ("PUT", Case("ports?id=eq.7", {"id": 7, "name": "Gent"}, 201, FULL, {"content-range": None})),
    ("PUT", Case("ports?id=eq.1", {"id": 1, "name": "Hull"}, 200, FULL)),
    ("PUT", Case("ports?id=eq.1", {"id": 1, "name": "Hull"}, 204)),
]


@pytest.mark.parametrize(("method", "case"), WRITES, ids=lambda value: value if isinstance(value, str) else value.path)
def test_writes(fresh: Api, method: str, case: Case) -> None:
    """A write has PostgREST's status and headers, and sends back what was written where that is asked for."""
    reply = fresh._write(method, case.path, case.body, {"headers": case.ask})
    assert case.status == reply.status, reply.body
    assert case.told == told_by(reply, case.told)
    if case.ask == FULL:
        rows = case.body if isinstance(case.body, list) else [case.body]
        assert rows == reply.json
    else:
        assert b"" == reply.body


def test_written_rows_come_with_their_relations(fresh: Api) -> None:
    """An embed of a write's representation sees the row as it was written."""
    made = fresh.post(
        "ships?select=name,owners(name),voyages(id)", {"id": 9, "name": "Egret", "owner_id": 2}, headers=FULL
    )
    assert (201, [{"name": "Egret", "owners": {"name": "Bob"}, "voyages": []}]) == (made.status, made.json)
    changed = fresh.patch("ships?id=eq.9&select=name,owners(name)", {"owner_id": 1}, headers=FULL)
    assert [{"name": "Egret", "owners": {"name": "Ann"}}] == changed.json
    gone = fresh.delete("ships?id=eq.9&select=name,owners(name)", headers=FULL)
    assert [{"name": "Egret", "owners": {"name": "Ann"}}] == gone.json


def test_announced_columns_that_are_left_out(fresh: Api) -> None:
    """An update sets what ``columns`` announces and the body lacks to null, or, with missing=default, to its default."""
    path = "ships?id=eq.1&columns=tons,sunk&select=tons,sunk"
    kept = fresh.patch(path, {"tons": 5}, headers={"prefer": "return=representation, missing=default"})
    assert [{"tons": 5, "sunk": False}] == kept.json
    assert [{"tons": 6, "sunk": None}] == fresh.patch(path, {"tons": 6, "name": "x"}, headers=FULL).json


def test_duplicates_are_merged_or_ignored(fresh: Api) -> None:
    """Upserts tell 201 where a row is new and 200 where all were there, and where nothing can collide no resolution."""
    both = [{"id": 1, "name": "Hull"}, {"id": 8, "name": "Nice"}]
    merge = {"prefer": "resolution=merge-duplicates, return=representation"}
    first, second = fresh.post("ports", both, headers=merge), fresh.post("ports", both, headers=merge)
    assert (201, 200, both) == (first.status, second.status, second.json)
    assert "resolution=merge-duplicates, return=representation" == second.one("preference-applied")
    ignore = {"prefer": "resolution=ignore-duplicates, return=representation"}
    assert (201, [{"id": 9, "name": "x"}]) == (
        (left := fresh.post("ports", [*both, {"id": 9, "name": "x"}], headers=ignore)).status,
        left.json,
    )
    by_name = fresh.post(
        "ships?on_conflict=name&select=id,tons", {"id": 1, "name": "Albatross", "tons": 7}, headers=merge
    )
    assert (200, [{"id": 1, "tons": 7}]) == (by_name.status, by_name.json)
    assert None is fresh.post("rumours", {"said": "y"}, headers={"prefer": "resolution=merge-duplicates"}).one(
        "preference-applied"
    )
    none = fresh.post("ships?on_conflict=tons", {"id": 1, "name": "x", "tons": 1}, headers=merge)
    assert (400, "42P10") == (none.status, none.code)


BAD_WRITES: list[tuple[str, str, Any, int, dict[str, Any]]] = [
    (
        "POST",
        "ports",
        {"id": 1, "name": "x"},
        409,
        problem("23505", 'duplicate key value violates unique constraint "ports_pkey"', "Key (id)=(1) already exists."),
    ),
    (
        "POST",
        "ships",
        {"id": 9, "name": "x", "owner_id": 77},
        409,
        problem(
            "23503",
            'insert or update on table "ships" violates foreign key constraint "ships_owner_id_fkey"',
            'Key (owner_id)=(77) is not present in table "owners".',
        ),
    ),
    (
        "DELETE",
        "owners?id=eq.2",
        None,
        409,
        problem(
            "23503",
            'update or delete on table "owners" violates foreign key constraint "ships_owner_id_fkey" on table "ships"',
            'Key (id)=(2) is still referenced from table "ships".',
        ),
    ),
    (
        "POST",
        "owners",
        {"id": 9, "name": "x" * 21},
        400,
        problem("22001", "value too long for type character varying(20)"),
    ),
    (
        "POST",
        "ports",
        {"id": 9},
        400,
        problem(
            "23502",
            'null value in column "name" of relation "ports" violates not-null constraint',
            "Failing row contains (9, null).",
        ),
    ),
    (
        "POST",
        "ports",
        {"id": 9, "nome": "x"},
        400,
        problem("PGRST204", "Could not find the 'nome' column of 'ports' in the schema cache"),
    ),
    (
        "POST",
        "ports?columns=id,nome",
        {"id": 9},
        400,
        problem("PGRST204", "Could not find the 'nome' column of 'ports' in the schema cache"),
    ),
    ("POST", "ports", [{"id": 8, "name": "x"}, {"id": 9}], 400, problem("PGRST102", "All object keys must match")),
    (
        "PUT",
        "ports?id=eq.1&name=eq.x",
        {"id": 1, "name": "x"},
        405,
        problem("PGRST105", "Filters must include all and only primary key columns with 'eq' operators"),
    ),
    (
        "PUT",
        "rumours?teller=eq.Kit",
        {"teller": "Kit"},
        405,
        problem("PGRST105", "Filters must include all and only primary key columns with 'eq' operators"),
    ),
    (
        "PUT",
        "ports?id=eq.1&limit=1",
        {"id": 1, "name": "x"},
        400,
        problem("PGRST114", "limit/offset querystring parameters are not allowed for PUT"),
    ),
    (
        "PUT",
        "ports?id=eq.1",
        {"id": 2, "name": "x"},
        400,
        problem("PGRST115", "Payload values do not match URL in primary key column(s)"),
    ),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "expected"), BAD_WRITES)
def test_refused_writes(harbour: Api, method: str, path: str, body: Any, status: int, expected: dict[str, Any]) -> None:
    """A refused write says what PostgREST says, and leaves nothing behind."""
    before = [harbour.rows(table, as_=None) for table in ("ports", "ships", "owners")]  # type: ignore[arg-type]
    reply = harbour._write(method, path, body, {})
    assert (status, expected) == (reply.status, reply.json)
    assert before == [harbour.rows(table, as_=None) for table in ("ports", "ships", "owners")]  # type: ignore[arg-type]


def test_csv_comes_in_and_goes_out(fresh: Api) -> None:
    """A CSV body is rows, its NULL is null; a write's rows can be had as CSV."""
    reply = fresh.send(
        "POST",
        "rumours",
        body=b'teller,said\nLou,"a, b"\nNULL,c',
        headers={**FULL, "accept": "text/csv"},
        content_type="text/csv",
    )
    assert (201, 'teller,said\nLou,"a, b"\n,c') == (reply.status, reply.body.decode())


def test_what_only_backstay_has_is_off(fresh: Api) -> None:
    """Paths of rows, a batch and relations in a body mean to PostgREST's clients what they mean to PostgREST."""
    path = problem("PGRST125", "Invalid path specified in request URL")
    changed = fresh.patch("ports/1", {"name": "x"}), fresh.delete("ports/1"), fresh.options("ports/1")
    assert [(404, path)] * 3 == [(reply.status, reply.json) for reply in changed]
    assert (404, "PGRST205") == ((reply := fresh.post("batch", {"operations": []})).status, reply.code)
    nested = fresh.post("owners", {"id": 9, "name": "Di", "ships": [{"id": 9, "name": "Egret"}]})
    assert problem("PGRST204", "Could not find the 'ships' column of 'owners' in the schema cache") == nested.json
    assert [] == fresh.get("owners?id=eq.9").json
    paged = fresh.get("ships?select=id&order=id&limit=3", headers={"prefer": "page=keyset"})
    assert (200, "page=keyset", True) == (
        paged.status,
        paged.one("preference-applied"),
        'rel="next"' in (paged.one("link") or ""),
    )


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("ships", "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"),
        ("rumours", "OPTIONS,GET,HEAD,POST,PATCH,DELETE"),
    ],
)
def test_options(harbour: Api, path: str, allow: str) -> None:
    """OPTIONS lists what the relation takes: PUT only with a key."""
    reply = harbour.options(path)
    assert (200, allow) == (reply.status, reply.one("allow"))


WHOLE = [
    Case(
        "weather?select=mood,tags,wind,host,price,code,bits,label,seen,big,doubled&id=eq.1",
        [
            {
                "mood": "grim",
                "tags": ["a", "b c", None],
                "wind": "[1,5)",
                "host": "10.0.0.1",
                "price": "$1,234.50",
                "code": "ab ",
                "bits": "1010",
                "label": "low",
                "seen": "\\x89ff",
                "big": 9007199254740993,
                "doubled": 14,
            }
        ],
    ),
    Case("weather?select=kn:facts->gust->kn,facts->log->>0,notes->a&id=eq.1", [{"kn": 30, "log": "1", "a": [2]}]),
    Case("weather?select=id&facts->gust->>kn=eq.30", [{"id": 1}]),
    Case('weather?select=id&facts=cs.{"gust":{"kn":30}}', [{"id": 1}]),
    Case("weather?select=id&tags=cs.{a}", [{"id": 1}]),
    Case("weather?select=id&tags=ov.{a,z}", [{"id": 1}]),
    Case("weather?select=id&wind=cs.[2,3]", [{"id": 1}]),
    Case("weather?select=id&wind=adj.[5,9)", [{"id": 1}]),
    Case("weather?select=id&words=fts(english).fog", [{"id": 1}]),
    Case("weather?select=id&mood=eq.fair", [{"id": 2}]),
    Case("weather?select=id&code=eq.ab", [{"id": 1}]),
    Case("weather?select=id&host=eq.10.0.0.1", [{"id": 1}]),
    Case("weather?select=at&id=eq.1", [{"at": "2024-01-01T00:00:00+00:00"}]),
    Case(
        "weather?select=at&id=eq.1",
        [{"at": "2024-01-01T01:00:00+01:00"}],
        ask={"prefer": "timezone=Europe/Oslo"},
        told={"preference-applied": "timezone=Europe/Oslo"},
    ),
    Case("weather?select=id::numeric(10,2)&id=eq.1", [{"id": 1.0}]),
    Case("weather?select=tags::_varchar&id=eq.1", [{"tags": ["a", "b c", None]}]),
    Case(
        "weather?select=tags,seen,facts,at&id=eq.1",
        'tags,seen,facts,at\n"{a,""b c"",NULL}","\\\\x89ff","{""log"": [1, null], ""gust"": {""kn"": 30}}","2024-01-01 00:00:00+00"',
        ask={"accept": "text/csv"},
    ),
    Case("docked?select=name,owners(name)&id=eq.3", [{"name": "Curlew", "owners": {"name": "Bob"}}]),
    Case("insured?select=ships(name)", [{"ships": {"name": "Curlew"}}]),
    Case("ships?select=insured(id)&id=eq.3", [{"insured": [{"id": 1}]}]),
    Case("fleet?select=ships&owner_id=eq.1", [{"ships": 2}]),
    Case("cranes", [{"id": 1, "name": "Goliath"}], ask={"accept-profile": "yard"}, told={"content-profile": "yard"}),
    Case("ships?select=id&limit=1", [{"id": 1}], told={"content-profile": "harbour"}),
    Case(
        "cranes",
        problem("PGRST106", "Invalid schema: moon", hint="Only the following schemas are exposed: harbour, yard"),
        406,
        {"accept-profile": "moon"},
    ),
    Case("weather?mood=eq.odd", problem("22P02", 'invalid input value for enum mood: "odd"'), 400),
    Case(
        "weather?host=like.10*",
        problem(
            "42883",
            "operator does not exist: inet ~~ unknown",
            hint="No operator matches the given name and argument types. You might need to add explicit type casts.",
        ),
        404,
    ),
]


@pytest.mark.parametrize("case", WHOLE, ids=lambda case: case.path)
def test_postgresql_types_and_schemas(whole: Api, case: Case) -> None:
    """Every type of PostgreSQL, views of other schemas and profiles answer as PostgREST's do."""
    reply = whole.get(case.path, headers=case.ask)
    assert (case.status, case.body) == (reply.status, body_of(reply, case.body))
    assert case.told == told_by(reply, case.told)


def test_postgresql_writes(whole: Api) -> None:
    """Rows without a comparable key come back, computed columns refuse values, and views are written as they allow."""
    made = whole.post(
        "weather?select=tags,shape,notes", {"tags": ["x", None], "shape": "(3,4)", "notes": {"q": [1]}}, headers=FULL
    )
    assert (201, [{"tags": ["x", None], "shape": "(3,4)", "notes": {"q": [1]}}]) == (made.status, made.json)
    assert (
        problem(
            "428C9",
            'cannot insert a non-DEFAULT value into column "id"',
            'Column "id" is an identity column defined as GENERATED ALWAYS.',
            "Use OVERRIDING SYSTEM VALUE to override.",
        )
        == whole.post("weather", {"id": 5}).json
    )
    assert (
        problem("428C9", 'column "doubled" can only be updated to DEFAULT', 'Column "doubled" is a generated column.')
        == whole.patch("weather?id=eq.1", {"doubled": 5}).json
    )
    null = whole.post("hull_parts", {"ship_id": None, "part": "keel"})
    assert (
        problem(
            "23502",
            'null value in column "ship_id" of relation "hull_parts" violates not-null constraint',
            "Failing row contains (null, keel, null).",
        )
        == null.json
    )
    assert [{"id": 70, "whose": 1}] == whole.post(
        "big_ships?select=id,whose", {"id": 70, "name": "Heron", "whose": 1}, headers=FULL
    ).json
    assert 204 == whole.delete("ships?id=eq.70").status
    assert "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE" == whole.options("big_ships").one("allow")
    assert "OPTIONS,GET,HEAD" == whole.options("fleet").one("allow")
    refused = whole.post("fleet", {"owner_id": 1})
    assert (400, "55000", 'cannot insert into view "fleet"') == (refused.status, refused.code, refused.json["message"])


def test_aggregates_are_refused_by_default(tmp_path: Path) -> None:
    """PGRST123 unless allowed; counting visible rows in the old way is no aggregate, as in PostgREST."""
    for api in served("sqlite", tmp_path, "plain", allow_aggregates=False):
        assert problem("PGRST123", "Use of aggregate functions is not allowed") == api.get("ships?select=id.sum()").json
        assert [{"count": 4}] == api.get("ships?select=count").json


def test_without_policies_only_the_service_role_sees_anything(tmp_path: Path) -> None:
    """AC1: a reflected table without a policy does not exist for anybody else."""
    for api in served("sqlite", tmp_path, "shut", open_to=None):
        assert (404, "PGRST205") == ((reply := api.get("ships")).status, reply.code)
        assert None is reply.json["hint"]
        assert 4 == len(api.rows("ships"))


def test_a_page_is_bounded_where_asked(tmp_path: Path) -> None:
    """``max_rows`` bounds every page; by default none does."""
    for api in served("sqlite", tmp_path, "bounded", max_rows=2):
        assert 2 == len(api.get("ships").json)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_policies_attach_to_names(kind: str, tmp_path: Path) -> None:
    """AC1, AC4: a rule about a reflected table shows its rows and columns, also through views' and tables' relations."""

    @allow("read", "ships", to="anon", columns=["id", "name", "owner_id"])
    def small_ships(me: Me, rows: Any) -> Any:
        """Anyone sees small ships."""
        return rows.tons < 200

    @allow("read", "owners", to="anon")
    @allow("create", "update", "ships", to="anon")
    def everything(me: Me) -> bool:
        """Anyone sees owners, and writes ships."""
        return True

    options = {"open_to": None, "policies": [small_ships, everything], "schema": "harbour"}
    for api in served(kind, tmp_path, f"ruled_{kind}", **options):
        assert [{"id": 1, "name": "Albatross", "owner_id": 1}, {"id": 2, "name": "Bittern", "owner_id": 1}] == api.get(
            "ships?order=id"
        ).json
        assert ("42703", None) == ((reply := api.get("ships?select=tons")).code, reply.json["hint"])
        assert [{"ships": [{"id": 1}, {"id": 2}]}, {"ships": []}, {"ships": []}] == api.get(
            "owners?select=ships(id)&order=id&ships.order=id"
        ).json
        assert "PGRST205" == api.get("papers").code
        assert (401, "42501") == ((reply := api.delete("ships?id=eq.1")).status, reply.code)
        # What a writer may not read back is not written either.
        hidden = api.post("ships?select=id", {"id": 30, "name": "Grebe", "tons": 900}, headers=FULL)
        assert (401, "42501") == (hidden.status, hidden.code)
        assert [] == api.rows("ships?id=eq.30")
        assert [{"id": 31}] == api.post("ships?select=id", {"id": 31, "name": "Gull", "tons": 9}, headers=FULL).json
