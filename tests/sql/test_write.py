"""S1: which rows a statement that writes judges, on which values, and as they were when."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import apsw
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column

from backstay.catalog import Column, Table, build_catalog
from backstay.catalog.standing import standing
from backstay.plan.intent import ColumnOutput, Node, Operand, SortTerm
from backstay.plan.write import Conflict, DeletePlan, InsertPlan, Parent, UpdatePlan
from backstay.policy import Grant
from backstay.policy.decide import Part
from backstay.request.page import Page
from backstay.sql.write import (
    Waiting,
    alone_sql,
    check_sql,
    columns_of,
    delete_keys_sql,
    delete_sql,
    images_sql,
    insert_sql,
    judges_first,
    key_columns,
    lock_sql,
    parents_sql,
    probe_sql,
    read_sql,
    stands_alone,
    update_sql,
    waiting_of,
)
from tests.sql.memory import POSTGRESQL, SQLITE, asked, memory, written


class Base(DeclarativeBase):
    """The models of this file."""


class Team(Base):
    __tablename__ = "teams"
    id: Mapped[int] = mapped_column(primary_key=True)
    open: Mapped[bool]


class Priced(Base):
    __tablename__ = "priced"
    id: Mapped[int] = mapped_column(primary_key=True)
    price: Mapped[Any] = mapped_column(sa.Numeric(30, 2))


class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[int]
    team: Mapped[int | None] = mapped_column(sa.ForeignKey("teams.id", name="of_team"))
    above: Mapped[int | None] = mapped_column(sa.ForeignKey("notes.id", name="of_note"))
    made: Mapped[int] = mapped_column(server_default="9")


CATALOG: Final = build_catalog(Base)
NOTES, TEAMS = CATALOG.tables["notes"], CATALOG.tables["teams"]
N: Final = Note.__table__
OTHER: Final = aliased(Note)
COLUMNS: Final = frozenset(NOTES.columns)

ALL: Final = sa.true()
OWN: Final = N.c.owner == 1
MADE: Final = N.c.made == 9
#: A row of the team is there: what a rule says of other rows.
MEMBER: Final = standing(sa.exists().where(OTHER.team == Note.team, OTHER.owner == 1), N, "it")
NEW_TEAM: Final = standing(~sa.exists().where(OTHER.team == Note.team), N, "it")

SCRIPT: Final = (
    "CREATE TABLE teams (id INTEGER PRIMARY KEY, open)",
    "CREATE TABLE notes (id INTEGER PRIMARY KEY, owner INTEGER, team INTEGER, above INTEGER, made INTEGER DEFAULT 9)",
    "INSERT INTO teams VALUES (7, 1), (8, 0)",
    "INSERT INTO notes (id, owner, team, above) VALUES (1, 1, 7, NULL), (2, 2, 8, 1), (3, 2, NULL, NULL)",
)


def grant(*rows: Any) -> Grant:
    """What rules with these *rows* say together."""
    return Grant(tuple(Part(each, COLUMNS, "rule", each in (MEMBER, NEW_TEAM)) for each in rows))


def named(*names: str, table: Table = NOTES) -> tuple[Column, ...]:
    return tuple(table.columns[name] for name in names)


def insert(rows: Any, *names: str, conflict: Conflict | None = None, update: Any = ALL, read: Any = ALL) -> InsertPlan:
    return InsertPlan(
        NOTES,
        named(*names),
        (),
        frozenset(names),
        grant(rows),
        None,
        (),
        conflict,
        None if conflict is None or not conflict.merge else grant(update),
        None if conflict is None else grant(read),
    )


def node(read: Any = ALL) -> Node:
    return Node(NOTES, grant(read), (), (), (), Page(), (), frozenset())


def update(rows: Any, *names: str, read: Any = ALL) -> UpdatePlan:
    return UpdatePlan(NOTES, named(*names), (), frozenset(names), grant(rows), node(read), None, ())


def delete(rows: Any, read: Any = ALL) -> DeletePlan:
    return DeletePlan(NOTES, grant(rows), node(read), None)


def sent(*rows: tuple[Any, ...]) -> str:
    (packed,) = SQLITE.pack([[(None, value) for value in row] for row in rows], len(rows[0]))
    return str(packed)


def keys(*numbers: int) -> str:
    return str(SQLITE.pack_keys([(number,) for number in numbers], 1)[0])


@pytest.fixture
def notes() -> Any:
    with memory(*SCRIPT) as connection:
        yield connection


# -- judged from what is sent ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "first"),
    [
        (insert(OWN, "id", "owner"), True),
        (insert(MEMBER, "id", "owner", "team"), True),
        (insert(sa.and_(OWN, MEMBER), "owner", "team"), True),
        # What it asks for is not sent: the database says it.
        (insert(MEMBER, "id", "owner"), False),
        (insert(MADE, "id", "owner"), False),
        (insert(sa.and_(OWN, MADE), "owner"), False),
        (insert(ALL, "id", "owner"), False),
        (insert(OWN), False),
        (insert(OWN, "id", "owner", conflict=Conflict(named("id"), True)), False),
        (insert(OWN, "id", "owner", conflict=Conflict(named("id"), False)), False),
    ],
)
def test_judged_before_it_is_written(plan: InsertPlan, first: bool) -> None:
    """S1, AC5: a row is judged by what is sent where that is all the policy asks for, before any constraint."""
    assert first == judges_first(plan)
    for dialect in (SQLITE, POSTGRESQL):
        assert first == (" AS _n " in written(insert_sql(plan, dialect, 0), dialect))


def test_what_a_rule_asks_for() -> None:
    """S1: columns of the judged row count, in subqueries too; those of the rows that a subquery brings do not."""
    assert ["team"] == [column.name for column in columns_of([MEMBER], NOTES)]
    assert ["owner", "team", "made"] == [column.name for column in columns_of([MADE, MEMBER, OWN], NOTES)]
    assert () == columns_of([ALL, TEAMS.sql.c.id == 5], NOTES)


@pytest.mark.parametrize(
    ("rule", "rows", "kept"),
    [
        (OWN, [(4, 1, 7), (5, 2, 7)], [4]),
        (MEMBER, [(4, 2, 7), (5, 1, 8), (6, 1, None)], [4]),
        # Neither row sees the other: both teams were new.
        (NEW_TEAM, [(4, 1, 9), (5, 1, 9), (6, 1, 7)], [4, 5]),
    ],
)
def test_an_insert_takes_what_may_stand(notes: apsw.Connection, rule: Any, rows: Any, kept: list[int]) -> None:
    """S1: what is refused is not written at all, and rules see the state before the statement."""
    statement = insert_sql(insert(rule, "id", "owner", "team"), SQLITE, 0)
    assert [(key, 1) for key in kept] == list(asked(notes, statement, sent(*rows)))
    assert kept == [key for (key,) in notes.execute("SELECT id FROM notes WHERE id > 3 ORDER BY id")]


PRICED: Final = CATALOG.tables["priced"]
PRICE: Final = PRICED.columns["price"].sql


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        (PRICE < 10, [1]),
        (PRICE <= 10, [1, 2]),
        (PRICE > 10, [3]),
        (PRICE >= Decimal(10), [2, 3]),
        (PRICE == 10, [2]),
        (PRICE != 10.0, [1, 3]),
        (PRICE.in_([9, 100]), [1, 3]),
        (PRICE.in_([Decimal(9)]), [1]),
        (PRICE.between(9.5, 20), [2]),
        (sa.literal(10) > PRICE, [1]),
    ],
    ids=str,
)
def test_values_are_compared_as_in_their_column(rule: Any, kept: list[int]) -> None:
    """S1: a decimal that is kept as text is judged as the number that it is, before it is in its column too."""
    grants = Grant((Part(rule, frozenset(PRICED.columns), "rule"),))
    columns, rows = named("id", "price", table=PRICED), [(1, "9.00"), (2, "10.00"), (3, "100.00")]
    plan = InsertPlan(PRICED, columns, (), frozenset(PRICED.columns), grants, None, ())
    with memory("CREATE TABLE priced (id INTEGER PRIMARY KEY, price DECIMAL_TEXT COLLATE BACKSTAY_DECIMAL)") as there:
        assert [(key, 1) for key in kept] == list(asked(there, insert_sql(plan, SQLITE, 0), sent(*rows)))
        assert [row for row in rows if row[0] in kept] == there.execute("SELECT id, price FROM priced").fetchall()
        for key, price in rows:
            image = str(SQLITE.pack_keys([(price,)], 1)[0])
            allowed, *_ = asked(there, check_sql(Waiting(PRICED, (rule,), ()), SQLITE, 0), image)[0]
            assert (key in kept) == bool(allowed)


# -- judged when it is written -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        (ALL, "RETURNING id AS id, 1"),
        (MADE, "RETURNING id AS id, CASE WHEN (made = ?) THEN 1 ELSE 0 END AS anon_1"),
        # The rows that the statement writes are among those it would see: another statement judges them.
        (MEMBER, "RETURNING id AS id, 1"),
        (NEW_TEAM, "RETURNING id AS id, 1"),
    ],
)
def test_sqlite_judges_what_needs_no_other_row(rule: Any, verdict: str) -> None:
    """S1: SQLite's RETURNING says of a rule what it may, and waits with one that looks at other rows."""
    assert written(insert_sql(insert(rule, "id", "owner"), SQLITE, 0), SQLITE).endswith(verdict)
    assert written(update_sql(update(rule, "owner"), SQLITE, 0), SQLITE).endswith(verdict)


def test_several_grants_are_judged_together() -> None:
    """S1: a merged row must satisfy both the rule for new rows and that for changed ones."""
    conflict = Conflict(named("id"), True)
    plan = insert(MADE, "id", "owner", conflict=conflict, update=N.c.owner == 2)
    said = written(insert_sql(plan, SQLITE, 0), SQLITE)
    assert said.endswith("RETURNING id AS id, CASE WHEN (made = ? AND owner = ?) THEN 1 ELSE 0 END AS anon_1")
    waits = insert(MEMBER, "id", "owner", conflict=conflict, update=N.c.owner == 2)
    assert written(insert_sql(waits, SQLITE, 0), SQLITE).endswith("CASE WHEN (owner = ?) THEN 1 ELSE 0 END AS anon_1")


def test_both_are_judged_by_postgres() -> None:
    """S1: all parts of one statement see the state before it, so the rows it writes are judged in it, as they are."""
    said = written(update_sql(update(MEMBER, "team"), POSTGRESQL, 0))
    assert said.startswith("WITH _w AS (UPDATE notes SET team=CAST($2::VARCHAR AS INTEGER)")
    assert "RETURNING notes.id, notes.owner, notes.team, notes.above, notes.made) SELECT" in said
    assert said.endswith(
        "SELECT CAST(_w.id AS TEXT) AS id, CASE WHEN (EXISTS (SELECT * FROM notes AS notes_1 "
        "WHERE notes_1.team = _w.team AND notes_1.owner = $1::INTEGER)) THEN 1 ELSE 0 END AS anon_1 FROM _w"
    )
    plain = written(update_sql(update(MADE, "team"), POSTGRESQL, 0))
    assert "_w" not in plain
    assert plain.endswith(
        "RETURNING CAST(notes.id AS TEXT) AS id, CASE WHEN (notes.made = $2::INTEGER) THEN 1 ELSE 0 END AS anon_1"
    )


@pytest.mark.parametrize(
    ("rows", "read", "changed"),
    [(ALL, ALL, [1, 2, 3]), (OWN, ALL, [1]), (ALL, OWN, [1]), (N.c.owner == 2, N.c.team == 8, [2]), (sa.false(), ALL, [])],
)  # fmt: skip
def test_old_rows(notes: apsw.Connection, rows: Any, read: Any, changed: list[int]) -> None:
    """AC4: a row is changed or deleted where a rule for that shows it, and one for reading does."""
    assert changed == [row[0] for row in asked(notes, lock_sql(delete(rows, read), SQLITE))]
    found = asked(notes, update_sql(update(rows, "team", read=read), SQLITE, 0), 8)
    assert changed == sorted(row[0] for row in found)
    notes.execute("UPDATE notes SET team = NULL WHERE id = 3; UPDATE notes SET team = 7 WHERE id = 1")
    assert [(key, 1) for key in changed] == sorted(asked(notes, delete_sql(delete(rows, read), SQLITE)))
    assert 3 - len(changed) == notes.execute("SELECT count(*) FROM notes").get


def test_rows_are_locked_by_postgres() -> None:
    """The rows that will be deleted do not change meanwhile."""
    assert written(lock_sql(delete(ALL), POSTGRESQL)).endswith("FROM notes FOR UPDATE OF notes")


def test_deleted_by_their_keys(notes: apsw.Connection) -> None:
    """What has been rendered is what is deleted."""
    assert [(1,), (1,)] == list(asked(notes, delete_keys_sql(delete(ALL), SQLITE, 0), keys(3, 1, 99)))
    assert [2] == [key for (key,) in notes.execute("SELECT id FROM notes")]


# -- judged after it was undone ----------------------------------------------------------------------------------------


def parent(table: Table, constraint: str, here: str, rows: Any) -> Parent:
    return Parent(table, constraint, ((here, "id"),), rows)


OPEN: Final = parent(TEAMS, "of_team", "team", TEAMS.sql.c.open == sa.true())
ABOVE: Final = parent(NOTES, "of_note", "above", OWN)
#: A team that a note of the caller's lies in: visible because of the row that refers to it.
WITH_NOTES: Final = parent(
    TEAMS, "of_team", "team", standing(sa.exists().where(Note.team == Team.id, Note.owner == 1), TEAMS.sql, "it")
)
OTHER_TEAM: Final = aliased(Team)
WITH_TEAMS: Final = parent(
    TEAMS, "of_team", "team", standing(sa.exists().where(OTHER_TEAM.open, OTHER_TEAM.id != Team.id), TEAMS.sql, "it")
)


@pytest.mark.parametrize(
    ("rules", "parents", "dialect", "waits", "early"),
    [
        ((OWN, None), (), SQLITE, (), ()),
        ((MEMBER, None), (), SQLITE, (MEMBER,), ()),
        ((OWN, MEMBER), (), SQLITE, (MEMBER,), ()),
        ((NEW_TEAM, MEMBER), (), SQLITE, (NEW_TEAM, MEMBER), ()),
        ((MEMBER,), (), POSTGRESQL, (), ()),
        ((OWN,), (WITH_TEAMS,), SQLITE, (), ()),
        ((OWN,), (OPEN, ABOVE, WITH_NOTES), SQLITE, (), (WITH_NOTES,)),
        ((MEMBER,), (OPEN, ABOVE, WITH_NOTES), POSTGRESQL, (), (WITH_NOTES,)),
    ],
)
def test_what_waits(rules: Any, parents: Any, dialect: Any, waits: Any, early: Any) -> None:
    """S1: rules that look at other rows wait where a statement sees what it writes; parents whose own rules look at
    the table that is written do everywhere.
    """
    found = waiting_of(NOTES, [r if r is None else grant(r) for r in rules], COLUMNS, parents, dialect)
    assert list(map(str, waits)) == list(map(str, found.rules))
    assert early == found.parents
    assert bool(waits or early) == bool(found)


@pytest.mark.parametrize(
    ("waiting", "names"),
    [
        (Waiting(NOTES, (MEMBER,), ()), ["team"]),
        (Waiting(NOTES, (MEMBER, OWN), ()), ["owner", "team"]),
        (Waiting(NOTES, (), (WITH_NOTES,)), ["team"]),
        # A tree that comes at once: the upper rows are among the images.
        (Waiting(NOTES, (), (ABOVE,)), ["id", "above"]),
        (Waiting(NOTES, (sa.true(),), ()), ["id"]),
    ],
)
def test_images(waiting: Waiting, names: list[str]) -> None:
    """S1: of each row just what will be asked of it, and at least one column, so that there is a row."""
    assert names == [column.name for column in waiting.columns]
    with memory(*SCRIPT) as connection:
        images = asked(connection, images_sql(waiting, SQLITE, 0), keys(3, 1))
        expected = [connection.execute(f"SELECT {', '.join(names)} FROM notes WHERE id = {key}").get for key in (3, 1)]
    assert expected == [image[0] if len(image) == 1 else image for image in images]


@pytest.mark.parametrize(
    ("waiting", "images", "allowed", "broken"),
    [
        (Waiting(NOTES, (MEMBER,), ()), [(7,), (8,), (None,)], 1, []),
        (Waiting(NOTES, (NEW_TEAM,), ()), [(7,), (9,), (None,)], 2, []),
        # Every rule must hold.
        (Waiting(NOTES, (MEMBER, OWN), ()), [(1, 7), (2, 7), (1, 8)], 1, []),
        (Waiting(NOTES, (), (WITH_NOTES,)), [(7,), (8,), (None,), (99,)], 4, [2]),
        (Waiting(NOTES, (MEMBER,), (WITH_NOTES,)), [(7,), (8,)], 1, [1]),
        # Visible above is what was there and is the caller's, and what comes along.
        (Waiting(NOTES, (), (ABOVE,)), [(10, 1), (11, 2), (12, 10), (13, 13), (14, 99), (15, None)], 6, [2]),
        (Waiting(NOTES, (), (ABOVE, WITH_NOTES)), [(10, 7, 2), (11, 8, 1)], 2, [1, 1]),
    ],
)
def test_checked(notes: apsw.Connection, waiting: Waiting, images: Any, allowed: int, broken: list[int]) -> None:
    """S1: how many of the images may stand as things are, and how many refer to a row that the caller cannot see."""
    packed = str(SQLITE.pack_keys(images, len(images[0]))[0])
    assert [(allowed, *broken)] == list(asked(notes, check_sql(waiting, SQLITE, 0), packed))


@pytest.mark.parametrize(
    ("parents", "keys_", "expected"),
    [((OPEN,), (1, 2, 3), (1,)), ((ABOVE,), (1, 2, 3), (0,)), ((OPEN, ABOVE), (2,), (1, 0)), ((OPEN,), (), (0,))],
)
def test_parents(notes: apsw.Connection, parents: Any, keys_: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """AC7: rows that refer to none are not counted, nor those whose parent the caller sees."""
    packed = str(SQLITE.pack_keys([(key,) for key in keys_], 1)[0])
    assert [expected] == list(asked(notes, parents_sql(parents, NOTES, SQLITE, 0), packed))


# -- what collides -----------------------------------------------------------------------------------------------------

MERGE, IGNORE = Conflict(named("id"), True), Conflict(named("id"), False)
LATER: Final = Conflict(named("made"), True)


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        # There, hidden, refused.
        (insert(ALL, "id", "owner", conflict=IGNORE), (2, 0, 0)),
        (insert(ALL, "id", "owner", conflict=IGNORE, read=OWN), (2, 1, 0)),
        (insert(ALL, "id", "owner", conflict=MERGE, read=sa.false()), (2, 2, 0)),
        # A rule about the old row alone is the merge's own to ask.
        (insert(ALL, "id", "owner", conflict=MERGE, update=OWN), (2, 0, 0)),
        # One that looks at others would see them half done.
        (insert(ALL, "id", "owner", conflict=MERGE, update=MEMBER), (2, 1, 0)),
        (insert(ALL, "id", "owner", conflict=MERGE, read=MEMBER), (2, 1, 0)),
        # What is sent is refused before any constraint, but where it is not what would stand there.
        (insert(OWN, "id", "owner", conflict=MERGE), (2, 0, 2)),
        (insert(OWN, "id", "owner", conflict=IGNORE), (2, 0, 2)),
        (insert(MADE, "id", "owner", conflict=MERGE), (2, 0, 0)),
        (insert(MEMBER, "id", "owner", conflict=MERGE), (2, 0, 0)),
        (insert(OWN, "owner", conflict=Conflict(named("owner"), True)), (6, 0, 2)),
        # What collides is known later only.
        (insert(OWN, "id", "owner", conflict=LATER), (0, 0, 2)),
    ],
)
def test_probed(notes: apsw.Connection, plan: InsertPlan, expected: tuple[int, ...]) -> None:
    """AC5: what is said of the packed rows before any of them is written."""
    statement = probe_sql(plan, SQLITE, 0)
    assert statement is not None
    rows = [(1, 1), (2, 2), (5, 2), (6, 1)]
    packed = sent(*(row[-len(plan.packed) :] for row in rows))
    assert [expected] == list(asked(notes, statement, packed))


@pytest.mark.parametrize("plan", [insert(OWN, "id", "owner"), insert(MADE, "id", "owner", conflict=LATER), insert(ALL, "owner", conflict=MERGE)])  # fmt: skip
def test_not_probed(plan: InsertPlan) -> None:
    """Where nothing can be said, nothing is asked."""
    assert probe_sql(plan, SQLITE, 0) is None


def test_merged_by_sqlite(notes: apsw.Connection) -> None:
    """AC5: old rows that the caller may not change are left alone, and are missing from what comes back."""
    plan = insert(ALL, "id", "owner", "team", conflict=MERGE, update=OWN, read=N.c.team == 7)
    assert [(1, 0), (4, 1)] == sorted(asked(notes, insert_sql(plan, SQLITE, 0), sent((1, 5, 8), (2, 5, 8), (4, 1, 8))))
    rows = notes.execute("SELECT owner, team FROM notes ORDER BY id").fetchall()
    assert [(5, 8), (2, 8), (2, None), (1, 8)] == rows
    left = insert(ALL, "id", "owner", "team", conflict=IGNORE)
    assert [(5, 1)] == list(asked(notes, insert_sql(left, SQLITE, 0), sent((1, 6, 7), (5, 6, 7))))


@pytest.mark.parametrize(
    ("update_", "read", "dialect", "condition"),
    [
        (ALL, ALL, SQLITE, None),
        (OWN, ALL, SQLITE, "notes.owner = ?"),
        (OWN, OWN, SQLITE, "notes.owner = ? AND notes.owner = ?"),
        # The row that is met is no FROM of the statement: a subquery names it, and brings no table of its own.
        (MEMBER, ALL, POSTGRESQL, "EXISTS (SELECT * FROM notes AS notes_1 WHERE notes_1.team = notes.team AND"),
        # SQLite has probed it before, on the state before the statement.
        (MEMBER, ALL, SQLITE, None),
        (ALL, MEMBER, SQLITE, None),
    ],
)
def test_merged_where_it_may(update_: Any, read: Any, dialect: Any, condition: str | None) -> None:
    """S1: the condition of a merge is about the row that is met, in its subqueries too."""
    plan = insert(ALL, "id", "owner", conflict=MERGE, update=update_, read=read)
    said = written(insert_sql(plan, dialect, 0), dialect).partition("DO UPDATE SET owner = excluded.owner")[2]
    said = said.partition(" RETURNING ")[0].partition(") SELECT ")[0].removeprefix(" WHERE ").removeprefix("(")
    assert said.startswith(condition or "") if condition else said == ""


# -- one statement -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "checked", "alone"),
    [
        (insert(ALL, "id", "owner"), False, True),
        (insert(ALL, "id", "owner"), True, False),
        (insert(OWN, "id", "owner"), False, False),
        (insert(ALL), False, False),
        (insert(ALL, "id", conflict=MERGE), False, True),
        (insert(ALL, "id", conflict=MERGE, update=OWN), False, False),
        (insert(ALL, "id", conflict=MERGE, read=OWN), False, False),
        (insert(ALL, "id", conflict=IGNORE, read=OWN), False, False),
        (update(ALL, "team"), False, True),
        (update(OWN, "team"), False, False),
        (update(ALL, "team", read=OWN), False, False),
        (delete(ALL), False, True),
        (delete(OWN), False, False),
        (delete(ALL, OWN), False, False),
    ],
)
def test_alone(plan: Any, checked: bool, alone: bool) -> None:
    """A write is one statement where no policy has anything to say of a row, old or new, and never on SQLite."""
    assert alone == stands_alone(plan, POSTGRESQL, checked=checked)
    assert not stands_alone(plan, SQLITE, checked=checked)


def returned(*names: str) -> Node:
    outputs = tuple(ColumnOutput(name, Operand(NOTES.columns[name])) for name in names)
    return replace(node(), outputs=outputs, mentioned=frozenset(names))


@pytest.mark.parametrize(
    ("plan", "begins", "ends"),
    [
        (insert(ALL, "id", "owner"), "WITH _w AS (INSERT INTO notes (id, owner) SELECT", "AS anon_1 FROM _w"),
        (replace(insert(ALL, "id"), returning=returned("id")), "WITH _w AS (INSERT", "FROM _w) AS p1 LIMIT ALL OFFSET 0) AS _b"),
        (replace(update(ALL, "team"), returning=returned("id")), "WITH _w AS (UPDATE", "FROM _w ORDER BY _w.id ASC) AS p1 LIMIT ALL OFFSET 0) AS _b"),
        (delete(ALL), "WITH _w AS (DELETE FROM notes RETURNING notes.id", "AS anon_1 FROM _w"),
    ],
)  # fmt: skip
def test_written_and_rendered(plan: Any, begins: str, ends: str) -> None:
    """New rows come back in the order in which they were sent, others in that of their keys."""
    said = written(alone_sql(plan, POSTGRESQL, 0, "json"))
    assert said.startswith(begins)
    assert said.endswith(ends)
    assert ("SELECT '', count(*)" in said) == (plan.returning is None)
    assert "json_build_array" in said
    assert "LIMIT $" in said


@pytest.mark.parametrize(
    ("as_packed", "sort", "expected"), [(True, (), [3, 1]), (False, (), [1, 3]), (True, ("owner",), [1, 3])]
)
def test_read_again(notes: apsw.Connection, as_packed: bool, sort: tuple[str, ...], expected: list[int]) -> None:
    """What was written is read in the order that is asked for, else as it was sent, else as its keys say."""
    terms = tuple(SortTerm(Operand(NOTES.columns[name]), False, False) for name in sort)
    shown = replace(returned("id"), sort=terms)
    ((body, rows, total),) = asked(notes, read_sql(shown, SQLITE, 0, count=True, as_packed=as_packed), keys(3, 1, 99))
    assert expected == [row["id"] for row in json.loads(body)]
    assert (2, 2) == (rows, total)
    assert asked(notes, read_sql(shown, SQLITE, 0), keys(1))[0][2] is None


def test_nothing_but_defaults(notes: apsw.Connection) -> None:
    """A column that is to get its default gets the database's; where none is to be set, rows stay and are counted."""
    cleared = replace(update(OWN), cleared=named("made", "team"))
    notes.execute("UPDATE notes SET made = 5")
    assert [(1, 1)] == list(asked(notes, update_sql(cleared, SQLITE, 0)))
    assert [(9, None), (5, 8)] == notes.execute("SELECT made, team FROM notes WHERE id < 3 ORDER BY id").fetchall()
    assert "SET team=DEFAULT" in written(update_sql(replace(update(OWN), cleared=named("team")), POSTGRESQL, 0))
    assert [(1, 1)] == list(asked(notes, update_sql(update(OWN), SQLITE, 0)))
    (first, *more) = NOTES.columns.values()
    computed_first = replace(NOTES, columns={first.name: replace(first, generated=True), **{c.name: c for c in more}})
    assert "SET owner=notes.owner" in written(update_sql(replace(update(ALL), table=computed_first), POSTGRESQL, 0))


def kept(**duties: Any) -> Table:
    """Notes, some columns of which the server keeps."""
    return replace(NOTES, columns={n: replace(c, duty=duties.get(n)) for n, c in NOTES.columns.items()})


@pytest.mark.parametrize(
    ("table", "names", "changes"),
    [
        (NOTES, ("id", "owner"), "owner = excluded.owner"),
        (kept(made="version"), ("id", "owner"), "owner = excluded.owner, made = (notes.made + ?)"),
        (kept(made="updated"), ("id", "owner"), "owner = excluded.owner, made = excluded.made"),
        # Whoever may write them has the last word.
        (kept(made="version"), ("id", "owner", "made"), "owner = excluded.owner, made = excluded.made"),
        (kept(made="created"), ("id", "owner"), "owner = excluded.owner"),
        # A conflict is met by its columns, which are equal then; where nothing else is sent, they say that it was.
        (NOTES, ("id",), "id = excluded.id"),
    ],
)
def test_what_a_merge_changes(table: Table, names: tuple[str, ...], changes: str) -> None:
    """A merge is a change: what is sent, and what the server keeps of changes."""
    said = written(insert_sql(replace(insert(ALL, *names, conflict=MERGE), table=table), SQLITE, 0), SQLITE)
    assert changes == said.partition("DO UPDATE SET ")[2].partition(" RETURNING ")[0]


@pytest.mark.parametrize(
    ("table", "begins"),
    [
        (NOTES, "DELETE FROM notes RETURNING id"),
        (kept(above="deleted"), "UPDATE notes SET above=backstay_now() RETURNING id"),
        (kept(above="deleted", made="version"), "UPDATE notes SET above=backstay_now(), made=(notes.made + ?) RETURNING id"),
        (kept(above="deleted", made="updated"), "UPDATE notes SET above=backstay_now(), made=backstay_now() RETURNING id"),
    ],
)  # fmt: skip
def test_rows_that_are_only_marked(table: Table, begins: str) -> None:
    """A table that keeps what is deleted marks it, and counts that as a change."""
    assert written(delete_sql(replace(delete(ALL), table=table), SQLITE), SQLITE).startswith(begins)
    by_keys = written(delete_keys_sql(replace(delete(ALL), table=table), SQLITE, 0), SQLITE)
    assert by_keys.startswith(begins.partition(" RETURNING")[0])


def test_keys() -> None:
    """A table's rows are told apart by its key, else by their number, else by all they hold."""
    assert ["id"] == [column.name for column in key_columns(NOTES)]
    bare = Table("t", N, NOTES.columns, (), ())
    assert list(NOTES.columns) == [column.name for column in key_columns(bare)]
    numbered = Table("t", N, NOTES.columns, (), (), row_number=NOTES.columns["made"])
    assert ["made"] == [column.name for column in key_columns(numbered)]
