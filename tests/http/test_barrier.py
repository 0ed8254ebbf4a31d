"""AC4, S2: a client's expression that may fail, or take its time, is never tried on rows that the policy hides."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any
from unittest import mock

import pytest
import sqlalchemy as sa

from backstay.pipeline.surface import Surface
from tests.http.api import Api, Reply, opened, quick_folder
from tests.http.ledger_app import LEDGER, ledger

#: What fails when it is looked at: for `share` on both databases, for JSON on PostgreSQL.
BOMB = {"divisor": -1, "raw": {"a": "\0", "b": ["\0"]}, "day": "x" * 5000}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened_ledger(request: pytest.FixtureRequest) -> Iterator[Api]:
    summing = mock.patch("backstay.app.Surface", partial(Surface, aggregates=None))
    with summing, quick_folder() as folder, opened(request.param, folder, ledger, LEDGER, "barrier") as api:
        yield api


@pytest.fixture
def books(opened_ledger: Api) -> Api:
    """The ledger with its first rows, on SQLite and on PostgreSQL."""
    return opened_ledger.clean()


def change(books: Api, key: int, **values: Any) -> None:
    """Another row of entries, past all policies; without *values*, none."""
    books.dirty = True
    entries = books.app.metadata.tables["entries"]
    same = entries.c["id"] == key

    async def run() -> None:
        async with books.app.session() as session:
            await session.execute(
                sa.update(entries).where(same).values(values) if values else sa.delete(entries).where(same)
            )

    books.loop.run_until_complete(run())


def told(reply: Reply) -> Any:
    left_out = {b"date", b"x-request-id"}
    return reply.status, [header for header in reply.headers if header[0] not in left_out], reply.body


FILTERS = [
    "share=gt.0",
    "share=not.eq.5",
    "share=in.(1,2)",
    "share=is.null",
    "or=(share.gt.0,kind.eq.a)",
    "not.and=(share.lt.0,kind.eq.a)",
    "share=eq(any).{1,2}",
    "raw->>a=eq.1",
    "raw->a=eq.1",
    "raw->>a=like.1*",
    "raw->b->0=is.null",
    "raw=cs.{}",
    "or=(raw->>a.eq.1,id.eq.2)",
    "day=match.^x",
    "day=imatch.^(x+)+$",
]
#: The filter stands at the rows themselves, at embeds of every kind, and where rows are only counted.
PLACES = [
    "entries?select=id&{}",
    "entries?select=id,kind&order=kind&{}",
    "entries?select=count&{}",
    "clerks?select=id,entries(id)&entries.{}",
    "clerks?select=id,entries!inner(id)&entries.{}",
    "clerks?select=id,entries()&entries=not.is.null&entries.{}",
    "clerks?select=id,entries(count)&entries.{}",
    "labels?select=id,entries!inner(id)&entries.{}",
    "labels?select=id,entries(id)&entries.{}",
    "entry_labels?select=label_id,entries(id)&entries.{}",
    "entry_labels?select=label_id,entries!inner(id)&entries.{}",
]


def _placed(place: str, asked: str) -> str:
    """A tree of conditions is negated in front of its own name."""
    if "entries.{}" in place and asked.startswith("not."):
        return place.replace("entries.{}", f"entries.{asked}")
    return place.format(asked)


@pytest.mark.parametrize("asked", FILTERS)
def test_hidden_rows_are_not_asked(books: Api, asked: str) -> None:
    """AC4, S2: answers, counts and errors are the same whether a hidden row would fail or not."""
    paths = [_placed(place, asked) for place in PLACES]
    before = [told(books.get(path, as_="ann", prefer="count=exact")) for path in paths]
    assert {200} == {status for status, _, _ in before}, before
    for key in (9, 10):
        change(books, key, **BOMB)
    for path, expected in zip(paths, before, strict=True):
        assert expected == told(books.get(path, as_="ann", prefer="count=exact")), path


@pytest.mark.parametrize("asked", FILTERS)
def test_hidden_rows_are_not_asked_by_writes(books: Api, asked: str) -> None:
    """S2: a PATCH or DELETE finds its rows behind the same barrier."""
    change(books, 9, **BOMB)
    for prefer, status in (("return=minimal", 204), ("return=representation", 200)):
        patched = books.patch(f"entries?{asked}", {"kind": "c"}, as_="ann", prefer=prefer)
        assert status == patched.status, patched.body
    assert books.delete(f"entries?id=gt.3&{asked}", as_="ann").status == 204
    assert [{"id": 9}] == books.rows("entries?select=id&id=eq.9")


@pytest.mark.parametrize(
    "asked", ["select=share", "order=share", "select=raw->>a", "select=raw->b&order=raw->>a", "select=day::int"]
)
def test_what_is_shown_is_made_of_what_is_seen(books: Api, asked: str) -> None:
    """S2: what is selected, cast and ordered by is made of visible rows alone."""
    for key in range(1, 9):
        change(books, key, day="5")
    before = told(books.get(f"entries?{asked}", as_="ann"))
    assert 200 == before[0]
    change(books, 9, **BOMB)
    assert before == told(books.get(f"entries?{asked}", as_="ann"))


def test_ones_own_row_still_fails(books: Api) -> None:
    """S2: the barrier hides no error of a row that may be read."""
    change(books, 3, divisor=-1)
    assert books.get("entries?share=gt.0", as_="ann").status == 400


ORDERLESS = [
    "entries?select=id&share=gt.0",
    "entries?select=share.sum()",
    "entries?select=share.max(),kind",
    "entries?select=id&order=share",
    "clerks?select=id,entries(share.sum())",
    "clerks?select=id,entries!inner(id)&entries.share=gt.0",
    "entries?select=day::int.sum()",
    "entries?select=kind,day::int.max()",
    "clerks?select=id,entries(day::int.min())",
    "entries?select=raw->>a::int.sum()",
    "entries?select=day::int,count()",
    "entries?select=day::int,count",
    "entries?select=kind,at:day::int,id.max()&limit=1",
    "entries?select=raw->>a::int,id.min()",
    "entries?select=kind,day.max()::int",
    "clerks?select=id,entries(day::int,count())",
    "clerks?select=id,entries(kind,day.min()::int)",
    "entries?select=count(),...clerks(handle::int)",
    "entries?select=count(),clerks(handle::int)",
    "clerks?select=id,entries(raw->>a::int,id.max())&entries.limit=1",
    'entries?select=id&order="sh\\are"',
]


@pytest.mark.parametrize("path", ORDERLESS)
def test_no_error_tells_which_row_was_found_first(books: Api, path: str) -> None:
    """S2: of several rows that fail in ways of their own, none is told: the first that is found moves with what is hidden."""
    change(books, 3, divisor=-1, day="x", raw={"a": "x"})
    change(books, 4, divisor=-2, day="y" * 9, raw={"a": "99999999999"})
    replies = [books.get(path, as_="ann", prefer="count=exact")]
    if "select=id&share" in path:
        replies += [
            books.patch("entries?share=gt.0", {"kind": "c"}, as_="ann"),
            books.delete("entries?share=gt.0", as_="ann"),
        ]
    assert {(400, "22000", "a value cannot be computed for one of the rows")} == {
        (reply.status, reply.code, reply.json["message"]) for reply in replies
    }


@pytest.mark.parametrize("first", [3, 4])
def test_of_the_rows_of_a_page_the_first_is_told(books: Api, first: int) -> None:
    """S2: whichever of them was changed last, in what is read, embedded and sent back."""
    for key in (first, 7 - first):
        change(books, key, clerk_id=1, day={3: "x", 4: "yyy"}[key])
    shown, path = "select=id,day::int", "entries?id=in.(3,4)"
    replies = [
        books.get(f"{path}&{shown}", as_="ann", prefer="count=exact"),
        books.get(f"clerks?{shown.replace('id,day::int', 'id,entries(day::int)')}", as_="ann"),
        books.get("clerks?select=id,...entries(day::int)", as_="ann"),
        books.patch(f"{path}&{shown}", {"kind": "c"}, as_="ann", prefer="return=representation"),
        books.delete(f"{path}&{shown}", as_="ann", prefer="return=representation"),
    ]
    assert [(400, "22P02", 'invalid input syntax for type integer: "x"')] * 5 == [
        (reply.status, reply.code, reply.json["message"]) for reply in replies
    ]


UNREADABLE = [
    "raw->>a=eq.x",
    "order=raw->>a",
    "order=raw",
    "select=id,raw->>a",
    "select=raw->>a::int,count()",
    "day=fts.x",
]


@pytest.mark.parametrize("asked", UNREADABLE)
def test_no_error_tells_which_text_was_read_first(books: Api, asked: str) -> None:
    """S2: nor is it told of texts that only PostgreSQL cannot read, each for a reason of its own."""
    if books.name == "sqlite":
        pytest.skip("SQLite reads them all")
    for key, fault, more in ((3, "\0", 0), (4, "\ud800", 1000)):
        change(books, key, raw={"a": fault}, day=" ".join(f"w{n}" for n in range(200_000 + more)))
    reply = books.get(f"entries?{asked}", as_="ann")
    assert (400, "22000", "a value cannot be computed for one of the rows") == (
        reply.status,
        reply.code,
        reply.json["message"],
    )


FLAWS = ["made_on=eq.soon", "made_on=in.(2024-01-01,soon)", "made_on=gt(any).{soon}", "raw=cs.{", "raw->a=eq.{"]


@pytest.mark.parametrize("asked", FLAWS)
def test_flawed_values_are_refused_whatever_the_rows(books: Api, asked: str) -> None:
    """S2: a value that is none of its type is refused alike over rows, hidden rows and no rows, however often asked."""
    replies = [books.get(f"entries?select=id&id=eq.9&{asked}", as_="ann") for _ in range(8)]
    change(books, 9)
    replies += [books.get(f"entries?select=id&id=eq.9&{asked}", as_="ann") for _ in range(8)]
    replies += [books.patch(f"entries?id=eq.9&{asked}", {"kind": "c"}, as_="ann")]
    replies += [books.delete(f"entries?id=eq.9&{asked}", as_="ann")]
    assert {400} == {reply.status for reply in replies}
    assert 1 == len({(reply.code, reply.body) for reply in replies})
