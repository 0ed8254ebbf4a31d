"""ID2: what a precondition is about, and what else may refuse the same write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from backstay import Backstay, Me, Settings, Versioned, allow, function
from tests.http.api import Api, opened, quick_folder
from tests.http.shop_app import SECRET


class Base(DeclarativeBase):
    pass


class Crate(Versioned, Base):
    """Its version is for the staff."""

    __tablename__ = "crates"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner: Mapped[int]
    label: Mapped[str] = mapped_column(unique=True)
    items: Mapped[list[Item]] = relationship(back_populates="crate")


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    crate_id: Mapped[int] = mapped_column(sa.ForeignKey("crates.id"))
    crate: Mapped[Crate] = relationship(back_populates="items")


@allow("read", "create", "update", "delete", Crate, columns=["id", "owner", "label"])
def own(me: Me) -> Any:
    """Crates are their owner's."""
    return Crate.owner == me.id


@allow("read", "create", "update", "delete", Crate, to="staff")
@allow("read", "create", "update", "delete", Item)
def everything(me: Me) -> Any:
    """The staff has them all, and items are everybody's."""
    return True


@function
async def pack(db: AsyncSession) -> int:
    """A crate with a key that is taken."""
    db.add(Crate(id=1, owner=1, label="packed"))
    await db.flush()
    return 1


OBJECT: Final = "application/vnd.pgrst.object+json"
ROWS: Final[dict[str, list[dict[str, Any]]]] = {
    "crates": [
        {"id": 1, "owner": 1, "label": "one", "version": 5},
        {"id": 2, "owner": 2, "label": "two", "version": 5},
    ],
    "items": [{"id": 1, "crate_id": 1}],
}


def yard(url: str) -> Backstay:
    return Backstay(
        models=Base,
        policies=[own, everything],
        functions=[pack],
        settings=Settings(database=url, jwt_secret=SECRET),
    )


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened_yard(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, yard, ROWS, "yard") as api:
        yield api


@pytest.fixture
def crates(opened_yard: Api) -> Api:
    return opened_yard.clean()


def crate(id: int, label: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "owner": 1, "label": label, **more}


BARE: Final = "duplicate key value violates unique constraint"


@pytest.mark.parametrize(
    ("who", "row", "status", "code", "message"),
    [
        ("dee", crate(1, "new"), 412, "BST412", None),
        ("dee", crate(9, "one"), 409, "23505", f'{BARE} "crates_label_key"'),
        ("ann", crate(1, "new"), 412, "BST412", None),
        ("ann", crate(9, "one"), 409, "23505", f'{BARE} "crates_label_key"'),
        # Whether it is the key or the label that a hidden row has is not told.
        ("ann", crate(2, "new"), 409, "23505", BARE),
        ("ann", crate(9, "two"), 409, "23505", BARE),
        ("ann", [crate(9, "x"), crate(9, "y")], 409, "23505", BARE),
    ],
)
def test_only_the_key_is_what_is_not_to_be_there(
    crates: Api, who: str, row: Any, status: int, code: str, message: str | None
) -> None:
    """If-None-Match: * is about the row with this key: another constraint is told as it is without it."""
    reply = crates.post("crates", row, as_=who, if_none_match="*")
    assert (status, code) == (reply.status, reply.code), reply.body
    if status == 409:
        plain = crates.post("crates", row, as_=who)
        assert (message, plain.json) == (reply.json["message"], reply.json)
    assert [1, 2] == crates.get("crates?order=id", as_="dee").ids


def test_where_only_the_key_stands_once_it_is_the_key(crates: Api) -> None:
    """An error that names nothing, as within a batch, can be of nothing else there."""
    row = {"id": 1, "crate_id": 1}
    operation = {"method": "POST", "path": "items", "body": row, "headers": {"if-none-match": "*"}}
    assert 412 == crates.post("items", row, as_="ann", if_none_match="*").status
    assert 412 == crates.post("batch", [operation], as_="ann").status


def test_a_function_has_no_row_that_is_not_to_be_there(crates: Api) -> None:
    """What its own statements break is told as that."""
    told = [crates.post("rpc/pack", {}, as_="dee", if_none_match=value) for value in (None, "*")]
    assert [(409, "23505")] * 2 == [(reply.status, reply.code) for reply in told]


def test_a_nested_row_is_created_or_nothing_is(crates: Api) -> None:
    """The precondition is about the uppermost rows; what is inside of them is told as it is."""
    named = {"as_": "dee", "if_none_match": "*"}
    assert 201 == crates.post("crates", crate(3, "three", items=[{"id": 3}]), **named).status
    again = crates.post("crates", crate(3, "four", items=[{"id": 4}]), **named)
    assert (412, "BST412") == (again.status, again.code), again.body
    inner = crates.post("crates", crate(4, "four", items=[{"id": 3}]), **named)
    assert (409, "23505") == (inner.status, inner.code), inner.body
    above = crates.post("items", {"id": 5, "crate": crate(3, "five")}, **named)
    assert (409, "23505") == (above.status, above.code), above.body
    assert [{"id": 1}, {"id": 3}] == crates.get("items?select=id&order=id", as_="dee").json


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("select=label", {"label"}),
        ("%73elect=label", {"label"}),
        ("select=", {"id", "owner", "label", "items"}),
        ("label=eq.select=", {"id", "owner", "label", "items"}),
    ],
)
def test_a_nested_insert_gives_what_is_selected(crates: Api, query: str, shown: set[str]) -> None:
    """However the parameter is spelled, and whatever else the query string says."""
    sent = crate(3, "three", items=[{"id": 3}])
    reply = crates.post(f"crates?{query}", sent, as_="dee", prefer="return=representation")
    assert shown == set(reply.json[0])


@pytest.mark.parametrize("tag", ['"5"', '"5-0123456789abcdef"', '"1234567890123456"'])
@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
def test_a_version_that_is_hidden_matches_nothing(crates: Api, method: str, tag: str) -> None:
    """A tag that is a version, and one of our own that looks like one, is 412 for whoever cannot see it."""
    body = None if method == "DELETE" else crate(1, "new")
    for path in ("crates/1", "crates?id=eq.1"):
        reply = crates._write(method, path, body, {"as_": "ann", "if_match": tag})
        assert (412, "BST412") == (reply.status, reply.code), reply.body


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?select=label",
        "?%73elect=label",
        "?select=label,items(id)&items.id=eq.1",
        "?select=label,items()&items=not.is.null",
        "?select=version:label",
    ],
)
def test_a_version_matches_whatever_is_selected(crates: Api, query: str) -> None:
    """The version alone is good for a change, with every select; another one is not."""
    for number, status in ((4, 412), (5, 204)):
        reply = crates.patch(f"crates/1{query}", {"label": "new"}, as_="dee", if_match=f'"{number}"')
        assert status == reply.status, reply.body


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        (f"{OBJECT};q=0.5, application/json", 412),
        (f"application/json;q=0.5, {OBJECT}", 406),
        (f"{OBJECT};q=0, */*", 412),
        ("application/vnd.pgrst.object", 406),
        (f"{OBJECT};nulls=stripped", 406),
        (None, 412),
    ],
)
def test_what_is_accepted_is_what_the_header_says(crates: Api, accept: str | None, status: int) -> None:
    """A row that is there matches whatever is accepted; one that is not is told as one object only if that is."""
    named = {"as_": "dee", "accept": accept, "if_match": "*"}
    assert status == crates.patch("crates?id=eq.9", {"label": "new"}, **named).status
    found = crates.patch("crates?id=eq.1", {"label": "new"}, **named)
    assert 204 == found.status, found.body


@pytest.mark.parametrize(
    ("accept", "type_"),
    [
        (f"{OBJECT};q=0, application/json", "application/json; charset=utf-8"),
        ("application/vnd.pgrst.object", f"{OBJECT}; charset=utf-8"),
        (f'application/json;x="{OBJECT}"', "application/json; charset=utf-8"),
    ],
)
def test_an_item_has_the_type_that_is_accepted(crates: Api, accept: str, type_: str) -> None:
    """The header is read, and not looked through."""
    assert type_ == crates.get("crates/1", as_="dee", accept=accept).one("content-type")


@pytest.mark.parametrize("prefer", ["xreturn=representation", "return=representation;x", "return=minimal"])
def test_a_change_of_nothing_reads_its_preferences(crates: Api, prefer: str) -> None:
    """It gives the row to whoever prefers it, and to no other."""
    assert 204 == crates.patch("crates/1", {}, as_="dee", prefer=prefer).status
    assert 200 == crates.patch("crates/1", {}, as_="dee", prefer="x, return=representation").status


@pytest.mark.parametrize(("prefer", "status"), [("xresolution=1", 201), ("resolution=merge-duplicates", 400)])
def test_a_resolution_is_a_preference(crates: Api, prefer: str, status: int) -> None:
    assert status == crates.post("crates", crate(3, "three"), as_="dee", prefer=prefer, if_none_match="*").status
