"""S1: rules that look at their own table, where the database or another part of the server makes the row."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column, relationship

from backstay import Backstay, Settings, SoftDeleted, allow, function
from tests.http.api import Api, opened, quick_folder
from tests.http.shop_app import SECRET


class Base(DeclarativeBase):
    pass


class Pair(Base):
    """A composite key, and a number whose order is not that of its text."""

    __tablename__ = "pairs"
    left: Mapped[int] = mapped_column(primary_key=True)
    right: Mapped[str] = mapped_column(primary_key=True)
    price: Mapped[Decimal] = mapped_column(sa.Numeric(20, 2), server_default=sa.text("'9.50'"))
    who: Mapped[int]


class Blob(Base):
    __tablename__ = "blobs"
    id: Mapped[bytes] = mapped_column(primary_key=True)
    team: Mapped[int]
    who: Mapped[int]
    facts: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)


class Parent(Base):
    __tablename__ = "parents"
    id: Mapped[int] = mapped_column(primary_key=True)
    who: Mapped[int]
    children: Mapped[list[Child]] = relationship(back_populates="parent")


class Child(Base):
    """Changes with its parent: the rule of parents reads it."""

    __tablename__ = "children"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int] = mapped_column(sa.ForeignKey("parents.id", onupdate="CASCADE", ondelete="CASCADE"))
    who: Mapped[int]
    parent: Mapped[Parent] = relationship(back_populates="children")


class Moved(Base):
    """Its team is the database's to decide: a trigger makes one of the name."""

    __tablename__ = "moved"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    team: Mapped[int] = mapped_column(server_default=sa.text("0"))
    who: Mapped[int]


class Logged(Base):
    """Each of its rows makes a membership, by a trigger; its rule reads the memberships."""

    __tablename__ = "logged"
    id: Mapped[int] = mapped_column(primary_key=True)
    team: Mapped[int]
    who: Mapped[int]


class Grown(Base):
    __tablename__ = "grown"
    id: Mapped[int] = mapped_column(primary_key=True)
    team: Mapped[int]
    key: Mapped[int] = mapped_column(sa.Computed("team * 10", persisted=True))
    who: Mapped[int]


class Kept(SoftDeleted, Base):
    __tablename__ = "kept"
    id: Mapped[int] = mapped_column(primary_key=True)
    team: Mapped[int]
    who: Mapped[int]


class Named(Base):
    """Merged by a key that is not its primary key."""

    __tablename__ = "named"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    team: Mapped[int]
    who: Mapped[int]


class Guild(Base):
    """Its fellows and its owner see it."""

    __tablename__ = "guilds"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[int]
    fellows: Mapped[list[Fellow]] = relationship(back_populates="guild")


class Fellow(Base):
    __tablename__ = "fellows"
    id: Mapped[int] = mapped_column(primary_key=True)
    guild_id: Mapped[int] = mapped_column(sa.ForeignKey("guilds.id"))
    who: Mapped[int]
    guild: Mapped[Guild] = relationship(back_populates="fellows")


class Node(Base):
    """A tree: whoever owns a row sees it, and what stands below it."""

    __tablename__ = "nodes"
    id: Mapped[int] = mapped_column(primary_key=True)
    above: Mapped[int | None] = mapped_column(sa.ForeignKey("nodes.id"))
    who: Mapped[int]


TRIGGERS: Final = {
    "sqlite": [
        "CREATE TRIGGER move AFTER INSERT ON moved BEGIN UPDATE moved SET team = length(new.name) WHERE id = new.id; END",
        "CREATE TRIGGER again AFTER UPDATE OF name ON moved BEGIN"
        " UPDATE moved SET team = length(new.name) WHERE id = new.id; END",
        "CREATE TRIGGER join_in AFTER INSERT ON logged BEGIN"
        " INSERT INTO kept (id, team, who) VALUES (new.id + 100, new.team, new.who); END",
    ],
    "postgresql": [
        "CREATE FUNCTION move() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN new.team := length(new.name); RETURN new; END'",
        "CREATE TRIGGER move BEFORE INSERT OR UPDATE ON moved FOR EACH ROW EXECUTE FUNCTION move()",
        "CREATE FUNCTION join_in() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO kept (id, team, who) VALUES (new.id + 100, new.team, new.who); RETURN new; END'",
        "CREATE TRIGGER join_in BEFORE INSERT ON logged FOR EACH ROW EXECUTE FUNCTION join_in()",
    ],
}


for _dialect, _statements in TRIGGERS.items():
    for _statement in _statements:
        sa.event.listen(Base.metadata, "after_create", sa.DDL(_statement).execute_if(dialect=_dialect))


@allow("read", Pair, Blob, Parent, Child, Moved, Logged, Grown, Kept, Named)
@allow("create", "update", "delete", Child)
def open_(me: Any) -> Any:
    return True


@allow("create", "update", Pair)
def no_dearer_than_mine(me: Any) -> Any:
    other = aliased(Pair)
    mine = sa.select(sa.func.max(other.price)).where(other.who == me.id).scalar_subquery()
    return Pair.price <= mine


@allow("create", "update", Blob)
def blobs_of_my_teams(me: Any) -> Any:
    return Blob.team.in_(sa.select(Blob.team).where(Blob.who == me.id))


@allow("update", Parent)
def where_a_child_is_mine(me: Any) -> Any:
    return sa.exists().where(Child.parent_id == Parent.id, Child.who == me.id)


@allow("create", "update", Moved)
def moved_of_my_teams(me: Any) -> Any:
    return Moved.team.in_(sa.select(Moved.team).where(Moved.who == me.id))


@allow("create", Logged)
def logged_of_my_teams(me: Any) -> Any:
    return Logged.team.in_(sa.select(Kept.team).where(Kept.who == me.id))


@allow("create", "update", Grown)
def grown_of_my_keys(me: Any) -> Any:
    return Grown.key.in_(sa.select(Grown.key).where(Grown.who == me.id))


@allow("create", "update", "delete", Kept)
def kept_of_my_teams(me: Any) -> Any:
    return Kept.team.in_(sa.select(Kept.team).where(Kept.who == me.id))


@allow("read", Guild)
def guilds_of_mine(me: Any) -> Any:
    return Guild.fellows.any(Fellow.who == me.id) | (Guild.owner == me.id)


@allow("create", Guild)
def any_guild(me: Any) -> Any:
    return True


@allow("read", Fellow)
def every_fellow(me: Any) -> Any:
    return True


@allow("create", "update", Fellow)
def as_myself(me: Any) -> Any:
    return Fellow.who == me.id


@allow("read", Node)
def mine_and_below(me: Any) -> Any:
    upper = aliased(Node)
    return (Node.who == me.id) | sa.exists().where(upper.id == Node.above, upper.who == me.id)


@allow("create", "update", Node)
def any_node(me: Any) -> Any:
    return True


@allow("create", "update", Named)
def named_of_my_teams(me: Any) -> Any:
    return Named.team.in_(sa.select(Named.team).where(Named.who == me.id))


@function(to="authenticated")
async def touch(session: sa.ext.asyncio.AsyncSession) -> int:
    return int(await session.scalar(sa.select(sa.func.count()).select_from(Blob)) or 0)


ROWS: Final = {
    "pairs": [{"left": 1, "right": "a", "price": Decimal("10.00"), "who": 2}],
    "blobs": [{"id": b"\x01", "team": 1, "who": 2, "facts": None}, {"id": b"\x02", "team": 7, "who": 1, "facts": {}}],
    "parents": [{"id": 1, "who": 1}, {"id": 2, "who": 2}],
    "children": [{"id": 1, "parent_id": 1, "who": 2}],
    "moved": [{"id": 1, "name": "a", "team": 1, "who": 2}, {"id": 2, "name": "seven77", "team": 7, "who": 1}],
    "logged": [],
    "grown": [{"id": 1, "team": 1, "who": 2}, {"id": 2, "team": 7, "who": 1}],
    "kept": [{"id": 1, "team": 1, "who": 2}, {"id": 2, "team": 7, "who": 1}],
    "guilds": [{"id": 1, "owner": 3}, {"id": 7, "owner": 1}],
    "fellows": [{"id": 1, "guild_id": 1, "who": 2}, {"id": 2, "guild_id": 7, "who": 1}],
    "nodes": [{"id": 1, "above": None, "who": 2}, {"id": 7, "above": None, "who": 1}],
    "named": [{"id": 1, "name": "a", "team": 1, "who": 2}, {"id": 2, "name": "b", "team": 7, "who": 1}],
}


def kinds(url: str) -> Backstay:
    models = [Pair, Blob, Parent, Child, Moved, Logged, Grown, Kept, Named, Guild, Fellow, Node]
    policies = [open_, no_dearer_than_mine, blobs_of_my_teams, where_a_child_is_mine, moved_of_my_teams]
    policies += [logged_of_my_teams, grown_of_my_keys, kept_of_my_teams, named_of_my_teams, guilds_of_mine, any_guild]
    policies += [every_fellow, as_myself, mine_and_below, any_node]
    settings = Settings(database=url, jwt_secret=SECRET)
    return Backstay(models=models, policies=policies, functions=[touch], settings=settings)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, kinds, ROWS, "kinds") as api:
        yield api


@pytest.fixture
def api(world: Api) -> Api:
    return world.clean()


MERGE: Final = "resolution=merge-duplicates"
IGNORE: Final = "resolution=ignore-duplicates"


@pytest.mark.parametrize(
    ("method", "path", "body", "prefer"),
    [
        ("POST", "pairs", {"left": 2, "right": "b", "price": "11", "who": 2}, ""),
        ("POST", "pairs", {"left": 2, "right": "b", "price": "11", "who": 2}, MERGE),
        ("PATCH", "pairs?left=eq.1", {"price": "100"}, ""),
        ("PATCH", "pairs/1,a", {"price": "100"}, "return=representation"),
        ("PUT", "pairs/1,a", {"left": 1, "right": "a", "price": "100", "who": 2}, ""),
        ("POST", "blobs", {"id": "\\x05", "team": 7, "who": 2}, MERGE),
        ("PATCH", "blobs?team=eq.1", {"team": 7, "facts": {"a": [1, None, 0.1]}}, ""),
        ("PATCH", "parents?id=eq.1", {"id": 3}, "return=representation"),
        ("POST", "moved", {"id": 5, "name": "1234567", "who": 2}, ""),
        ("POST", "moved", {"id": 5, "name": "1234567", "team": 1, "who": 2}, MERGE),
        ("PATCH", "moved?id=eq.1", {"name": "1234567"}, ""),
        ("POST", "logged", {"id": 5, "team": 7, "who": 2}, ""),
        ("POST", "logged", {"id": 5, "team": 7, "who": 2}, IGNORE),
        ("POST", "grown", {"id": 5, "team": 7, "who": 2}, ""),
        ("PATCH", "grown?id=eq.1", {"team": 7}, ""),
        ("POST", "kept", {"id": 5, "team": 7, "who": 2}, IGNORE),
        ("PATCH", "kept?id=eq.1", {"team": 7}, ""),
        ("POST", "named?on_conflict=name", {"name": "a", "team": 7, "who": 2}, MERGE),
        ("POST", "named?on_conflict=name", {"name": "c", "team": 7, "who": 2}, MERGE),
        ("POST", "named?on_conflict=name", {"name": "c", "team": 7, "who": 2}, IGNORE),
    ],
)
def test_refused(api: Api, method: str, path: str, body: Any, prefer: str) -> None:
    """S1: what defaults, triggers, cascades, generated columns and merges make of a row is judged on what was there."""
    before = {name: api.rows(name) for name in ROWS}
    reply = api._write(method, path, body, {"as_": "bob", "prefer": prefer or None})
    assert (403, "42501") == (reply.status, reply.code)
    assert before == {name: api.rows(name) for name in ROWS}


@pytest.mark.parametrize(
    ("method", "path", "body", "prefer"),
    [
        ("POST", "pairs", {"left": 2, "right": "b", "who": 3}, ""),
        ("POST", "pairs", {"left": 2, "right": "b", "price": "9.99", "who": 3}, MERGE),
        ("PATCH", "pairs?left=eq.1", {"price": "2"}, ""),
        ("POST", "blobs", {"id": "\\x05", "team": 1, "who": 3, "facts": {"é": [1, None]}}, MERGE),
        ("PATCH", "blobs?team=eq.1", {"facts": {"a": 0.1}}, "return=representation"),
        ("PATCH", "parents?id=eq.1", {"who": 3}, ""),
        ("POST", "moved", {"id": 5, "name": "b", "who": 3}, ""),
        ("PATCH", "moved?id=eq.1", {"name": "c"}, ""),
        ("POST", "logged", {"id": 5, "team": 1, "who": 2}, ""),
        ("POST", "grown", {"id": 5, "team": 1, "who": 3}, "return=representation"),
        ("PATCH", "kept?id=eq.1", {"who": 3}, ""),
        ("POST", "named?on_conflict=name", [{"name": "a", "team": 1, "who": 3}, {"name": "c", "team": 1, "who": 3}], MERGE),
    ],
)  # fmt: skip
def test_allowed(api: Api, method: str, path: str, body: Any, prefer: str) -> None:
    """S1: what is right on the state before is written, once, whatever makes the row."""
    reply = api._write(method, path, body, {"as_": "bob", "prefer": prefer or None})
    assert (201 if method == "POST" else 200 if prefer else 204) == reply.status, reply.body


def test_a_hidden_teams_row_is_not_merged_into(api: Api) -> None:
    """S1: the old row of a merge is judged before the merge, not beside the rows that it has merged already."""
    rows = [{"name": "a", "team": 1, "who": 2}, {"name": "b", "team": 1, "who": 2}]
    reply = api.post("named?on_conflict=name", rows, as_="bob", prefer=MERGE)
    assert (409, "23505") == (reply.status, reply.code)
    assert [1, 7] == [row["team"] for row in api.rows("named?order=id")]


def test_soft_deletion(api: Api) -> None:
    """S1: rows are deleted by a rule about their table, all of them on the state before."""
    assert 201 == api.post("kept", {"id": 5, "team": 1, "who": 2}, as_="bob").status
    reply = api.delete("kept?id=gt.0&select=id&order=id", as_="bob", prefer="return=representation")
    assert [1, 5] == reply.ids
    assert [7] == [row["team"] for row in api.rows("kept?deleted_at=is.null&order=id")]


def test_inside_of_a_batch_with_a_function(api: Api) -> None:
    """S1: where a function's session is the transaction, the statement is judged all the same."""
    call = {"method": "POST", "path": "rpc/touch", "body": {}}
    refused = api.post("batch", [call, {"method": "PATCH", "path": "blobs?team=eq.1", "body": {"team": 7}}], as_="bob")
    assert (403, "42501") == (refused.status, refused.code)
    fine = api.post("batch", [{"method": "PATCH", "path": "blobs?team=eq.1", "body": {"who": 3}}, call], as_="bob")
    assert 200 == fine.status, fine.body


def test_a_batch_goes_on_from_what_it_has_done(api: Api) -> None:
    """S1: each operation is a statement: the second sees the first."""
    first = {"method": "POST", "path": "kept", "body": {"id": 5, "team": 1, "who": 2}}
    leave = {"method": "PATCH", "path": "kept?id=eq.1", "body": {"who": 3}}
    again = {"method": "POST", "path": "kept", "body": {"id": 6, "team": 1, "who": 3}}
    assert 200 == api.post("batch", [first, leave, again], as_="bob").status
    assert (403, "42501") == (
        (reply := api.post("batch", [{**leave, "path": "kept?id=eq.5"}, {**again, "body": {**again["body"], "id": 8}}], as_="bob")).status,
        reply.code,
    )  # fmt: skip


def test_preconditions_and_repeats(api: Api) -> None:
    """S1: a write with If-Match or an Idempotency-Key goes the same way."""
    etag = api.get("kept/1", as_="bob").one("etag")
    reply = api.patch("kept/1", {"team": 7}, as_="bob", if_match=etag)
    assert (403, "42501") == (reply.status, reply.code)
    for _ in range(2):
        reply = api.patch("kept?id=eq.1", {"team": 7}, as_="bob", idempotency_key="k1")
        assert (403, "42501") == (reply.status, reply.code)
    assert 204 == api.patch("kept/1", {"who": 2}, as_="bob", if_match=etag).status


def test_values_compare_as_their_column_does(api: Api) -> None:
    """S1: what is sent is judged in the order of its column, before it is one: 9.99 is less than 10.00."""
    row = {"left": 2, "right": "b", "price": "9.99", "who": 3}
    assert 201 == api.post("pairs", row, as_="bob").status
    assert 403 == api.post("pairs", {**row, "left": 3, "price": "10.01"}, as_="bob").status


@pytest.mark.parametrize(
    ("method", "path", "body", "prefer"),
    [
        ("POST", "fellows", {"id": 5, "guild_id": 7, "who": 2}, ""),
        ("POST", "fellows", {"id": 5, "guild_id": 7, "who": 2}, "return=representation"),
        ("POST", "fellows", {"id": 5, "guild_id": 7, "who": 2}, MERGE),
        ("POST", "fellows", {"id": 1, "guild_id": 7, "who": 2}, MERGE),
        ("POST", "fellows", {"id": 5, "guild_id": 7, "who": 2}, IGNORE),
        ("PUT", "fellows/5", {"id": 5, "guild_id": 7, "who": 2}, ""),
        ("PATCH", "fellows?id=eq.1", {"guild_id": 7}, ""),
        ("PATCH", "fellows/1", {"guild_id": 7}, "return=representation"),
        ("POST", "nodes", {"id": 5, "above": 7, "who": 2}, ""),
        ("PATCH", "nodes/1", {"above": 7}, ""),
    ],
)
def test_a_parent_is_not_visible_because_of_its_child(
    api: Api, method: str, path: str, body: dict[str, Any], prefer: str
) -> None:
    """S1, AC7: a hidden parent stays hidden for the row that would show it, and looks like one that is not there."""
    key = "above" if "above" in body else "guild_id"
    hidden = api._write(method, path, body, {"as_": "bob", "prefer": prefer or None})
    missing = api._write(method, path, {**body, key: 99}, {"as_": "bob", "prefer": prefer or None})
    assert (409, "23503") == (hidden.status, hidden.code)
    assert (missing.status, missing.body.replace(b"99", b"7")) == (hidden.status, hidden.body)
    assert [1, 7] == [row["guild_id"] for row in api.rows("fellows?order=id")]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("fellows", {"id": 5, "guild_id": 1, "who": 2}),
        ("guilds", {"id": 8, "owner": 2, "fellows": [{"id": 5, "who": 2}]}),
        ("nodes", [{"id": 5, "above": 1, "who": 3}, {"id": 6, "above": 5, "who": 2}]),
        ("nodes", [{"id": 6, "above": 5, "who": 2}, {"id": 5, "above": 1, "who": 2}]),
        ("nodes", {"id": 5, "above": 5, "who": 2}),
    ],
)
def test_a_visible_parent_is_one(api: Api, path: str, body: Any) -> None:
    """S1, AC7: the parents of before, of an earlier statement, and of the same statement where the caller sees them."""
    reply = api.post(path, body, as_="bob")
    assert 201 == reply.status, reply.body
