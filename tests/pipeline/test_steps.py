"""What a write asks of the database, statement by statement, and what it makes of the answers: no database is here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from backstay.db.transaction import drive
from backstay.errors import BackstayError
from backstay.pipeline.script import Bulk, Demands, Script, delete_steps, write_steps
from backstay.pipeline.sealed import Opener
from backstay.policy import ANONYMOUS
from backstay.response.written import Written
from backstay.sql.prepared import Prepared
from backstay.sql.statement import Rows, Statement, Steps

WRITE = ("write", ("v",))
FIRST, SECOND = [(1, True)], [(2, True)]
NOTHING = Demands()
Asked = list[tuple[str, tuple[Any, ...]]]


def statement(sql: str, width: int) -> Prepared:
    """*sql*, with the first *width* values as they come."""
    return Prepared(sql, (None,) * width, tuple((at, at, lambda value: value) for at in range(width)), ())


class Referred:
    """A foreign key to ``users``."""

    pairs = (("author", "id"),)
    constraint = "posts_author"
    table = type("Table", (), {"name": "users"})


class Opens:
    """An opener that says what it was given."""

    looks = ()

    def body(self, body: str) -> str:
        return f"opened {body}"


PARENT = cast("Any", Referred())
BARE = Script(
    table="posts",
    key_names=("id",),
    write=statement("write", 1),
    probe=None,
    check=None,
    parents=None,
    referred=(),
    read=None,
    pack_keys=lambda rows, width: (list(rows), width),
    ordered_keys=("id",),
)
READ = replace(BARE, read=statement("read", 3))
PARENTS = replace(BARE, parents=statement("parents", 3), referred=(PARENT,))
PROBED = replace(BARE, probe=statement("probe", 1))
JUDGED = replace(BARE, check=statement("check", 3), images=statement("images", 3))
#: `JUDGED` that also looks for a parent in its check.
AWAITS = replace(JUDGED, awaited=(PARENT,))
ALONE = replace(BARE, alone=statement("alone", 1))
KEYLESS = replace(ALONE, ordered_keys=())


def one(script: Script, expected: int | None = None, value: str = "v") -> Bulk:
    return Bulk(script, (value,), expected)


def played(steps: Steps[Written], answers: Sequence[Rows]) -> tuple[Asked, Written | str]:
    """What *steps* ask, being told *answers* one after the other, and what they end with: or its code."""
    asked: Asked = []
    told = iter(answers)

    def run(asks: Statement) -> Rows:
        asked.append((asks.sql, tuple(asks.args)))
        return [] if asks.sql in (*KEPT, UNDO) else next(told)

    try:
        ended: Written | str = drive(steps, run)
    except BackstayError as error:
        ended = error.code
    assert next(told, None) is None, "more was expected to be asked"
    return asked, ended


BEFORE, UNDO, KEEP = "SAVEPOINT judged", "ROLLBACK TO judged", "RELEASE judged"
KEPT = (BEFORE, KEEP)


def written(
    batches: Sequence[Bulk], *answers: Rows, order: Sequence[int] | None = None, demands: Demands = NOTHING
) -> tuple[Asked, Written | str]:
    return played(write_steps(batches, order, ("q",), ANONYMOUS, demands), answers)


def test_a_write_tells_its_rows_and_the_key_of_the_first() -> None:
    """The verdict is no part of a key, and a table without a key has none."""
    assert ([WRITE], Written(2, None, (("id", 1),))) == written([one(BARE)], [*FIRST, *SECOND])
    assert ([WRITE], Written(1)) == written([one(replace(BARE, ordered_keys=()))], FIRST)
    assert ([WRITE], Written(0, None, inserted=False)) == written([one(BARE)], [])


def test_a_representation_is_of_the_rows_written() -> None:
    """It is asked for behind the request's values; of no rows it is not asked, and of hidden ones refused."""
    read = ("read", ("q", [(1,)], 1))
    assert ([WRITE, read], Written(1, "[…]", (("id", 1),), form="f")) == written(
        [one(replace(READ, form="f"))], FIRST, [("[…]", 1, None)]
    )
    assert ([WRITE], Written(0, "[]", inserted=False)) == written([one(READ)], [])
    assert ([WRITE, read], "42501") == written([one(READ)], FIRST, [("[]", 0, None)])
    opened = replace(READ, opener=cast("Opener", Opens()))
    assert Written(1, "opened […]", (("id", 1),)) == written([one(opened)], FIRST, [("[…]", 1, None)])[1]


def test_rows_of_several_statements_come_back_in_the_order_of_the_client() -> None:
    """Where none was ignored: those that are left keep the order of their statements."""
    batches = [one(READ, value="a"), one(READ, value="b")]
    body = [("[…]", 2, None)]
    asked, ended = written(batches, SECOND, FIRST, body, order=[1, 0])
    assert ([("write", ("a",)), ("write", ("b",)), ("read", ("q", [(1,), (2,)], 1))]) == asked
    assert Written(2, "[…]", (("id", 1),)) == ended
    same, _ = written(batches, SECOND, FIRST, body, order=[0, 1])
    assert ("read", ("q", [(2,), (1,)], 1)) == same[-1]
    some, _ = written(batches, SECOND, FIRST, body, order=[2, 1, 0])
    assert ("read", ("q", [(2,), (1,)], 1)) == some[-1]


@pytest.mark.parametrize(
    ("script", "expected", "rows", "code"),
    [
        (BARE, 1, [], "23505"),
        (BARE, 2, FIRST, "23505"),
        (replace(BARE, judged_first=True), 1, [], "42501"),
        (BARE, None, [(1, False)], "42501"),
        (BARE, None, [(1, True), (2, False)], "42501"),
        (BARE, 1, [(1, False)], "42501"),
        # Too few, and one that is refused: what is told is what would be found first.
        (BARE, 2, [(1, False)], "23505"),
        (BARE, 1, FIRST, None),
        (BARE, 0, FIRST, None),
    ],
)
def test_what_may_not_be_written_is_refused(script: Script, expected: int | None, rows: Rows, code: str | None) -> None:
    """A row that is missing met another one that must not be seen; one of a policy's own INSERT, the policy."""
    asked, ended = written([one(script, expected)], rows)
    assert ([WRITE], code or Written(1, None, (("id", 1),))) == (asked, ended)


def test_the_first_refusal_is_told_after_every_statement() -> None:
    """What the database refuses in a later one comes before."""
    asked, ended = written([one(BARE, 1), one(replace(BARE, judged_first=True), 1)], [], [])
    assert ([WRITE, WRITE], "23505") == (asked, ended)
    assert ([WRITE, WRITE], "42501") == written([one(replace(BARE, judged_first=True), 1), one(BARE, 1)], [], [])


def test_a_parent_that_cannot_be_seen_is_missing() -> None:
    """Also where the row is refused anyway: else the parent would be told by which of the two comes."""
    parents = ("parents", ("q", [(1,)], 1))
    assert ([WRITE, parents], "23503") == written([one(PARENTS)], FIRST, [(1,)])
    assert ([WRITE, parents], Written(1, None, (("id", 1),))) == written([one(PARENTS)], FIRST, [(0,)])
    assert ([WRITE, parents], "23503") == written([one(PARENTS)], [(1, False)], [(1,)])
    assert ([WRITE, parents], "42501") == written([one(PARENTS)], [(1, False)], [(0,)])
    assert ([WRITE], Written(0, inserted=False)) == written([one(PARENTS)], [])


def test_old_rows_are_asked_for_before_a_merge() -> None:
    """How many there are, how many are hidden, and whether a policy refuses one."""
    probe = ("probe", ("v",))
    assert ([probe], "42501") == written([one(PROBED)], [(0, 0, 1)])
    assert ([probe], "42501") == written([one(PROBED)], [(1, 1, 1)])
    assert ([probe], "23505") == written([one(PROBED)], [(1, 1, 0)])
    for there, inserted in ((0, True), (1, True), (2, False)):
        ended = written([one(PROBED)], [(there, 0, 0)], [*FIRST, *SECOND])
        assert ([probe, WRITE], Written(2, None, (("id", 1),), inserted=inserted)) == ended
    both = [one(PROBED), one(PROBED)]
    ended = written(both, [(1, 0, 0)], FIRST, [(1, 0, 0)], SECOND)
    assert ([probe, WRITE] * 2, Written(2, None, (("id", 1),), inserted=False)) == ended


@pytest.mark.parametrize("script", [BARE, ALONE], ids=["steps", "alone"])
def test_the_number_of_rows_is_what_the_client_demands(script: Script) -> None:
    """Counted when everything is written, and before anything is rendered."""

    def ended(rows: int, demands: Demands) -> str | int:
        told = [("[]", rows, None)] if script.alone else [(at, True) for at in range(rows)]
        _, end = written([one(script)], told, demands=demands)
        return end.rows if isinstance(end, Written) else end

    assert [0, 1, 2, "PGRST124"] == [ended(rows, Demands(max_affected=2)) for rows in range(4)]
    assert ["PGRST116", 1, "PGRST116"] == [ended(rows, Demands(single=True)) for rows in range(3)]
    asked, _ = written([one(READ)], [*FIRST, *SECOND], demands=Demands(single=True))
    assert [WRITE] == asked


def test_a_policy_that_looks_at_other_rows_judges_before_them() -> None:
    """S1: written, looked at, undone, judged, written again; and what came of it twice is what was judged."""
    images = ("images", ("q", [(1,)], 1))
    once = [(BEFORE, ()), WRITE, images]
    judged = [*once, (UNDO, ()), (KEEP, ()), ("check", ("q", [("new", 5)], 2))]
    asked, ended = written([one(JUDGED)], FIRST, [["new", 5]], [(1,)], FIRST, [("new", 5)])
    assert ([*judged, *once, (KEEP, ())], Written(1, None, (("id", 1),))) == (asked, ended)
    assert (judged, "42501") == written([one(JUDGED)], FIRST, [("new", 5)], [(0,)])
    assert (judged, "42501") == written([one(JUDGED)], FIRST, [("new", 5)], [(2,)])
    assert (judged, "23503") == written([one(AWAITS)], FIRST, [("new", 5)], [(1, 1)])
    passed, _ = written([one(AWAITS)], FIRST, [("new", 5)], [(1, 0)], FIRST, [("new", 5)])
    assert [*judged, *once, (KEEP, ())] == passed
    nothing = [(BEFORE, ()), WRITE, (KEEP, ())]
    assert (nothing, Written(0, inserted=False)) == written([one(JUDGED)], [])


def test_a_row_that_comes_out_differently_each_time_is_refused() -> None:
    """S1: what was judged would not be what is written; three times are enough."""
    told = [part for at in range(3) for part in (FIRST, [("new", at)], [(1,)])]
    asked, ended = written([one(JUDGED)], *told)
    assert ("42501", 3) == (ended, asked.count(WRITE))
    settled = [FIRST, [("new", 0)], [(1,)], FIRST, [("new", 1)], [(1,)], FIRST, [("new", 1)]]
    asked, ended = written([one(JUDGED)], *settled)
    assert (Written(1, None, (("id", 1),)), 3, (KEEP, ())) == (ended, asked.count(WRITE), asked[-1])


def test_a_parent_is_looked_for_while_the_row_is_there() -> None:
    """S1: before it is undone."""
    script = replace(PARENTS, check=JUDGED.check, images=JUDGED.images)
    asked, ended = written([one(script)], FIRST, [("new", 5)], [(1,)])
    assert ("23503", ("parents", ("q", [(1,)], 1))) == (ended, asked[-1])
    # A row that came out as nothing is judged as such.
    asked, _ = written([one(JUDGED)], FIRST, [], [(0,)])
    assert ("check", ("q", [], 0)) == asked[-1]


def test_one_statement_writes_and_renders() -> None:
    """Its keys come in the order of the table, and its body is opened."""
    told = [("[…]", 2, '[1, "a"]')]
    script = replace(ALONE, ordered_keys=("id", "name"), form="f")
    first = (("id", 1), ("name", "a"))
    assert ([("alone", ("v",))], Written(2, "[…]", first, form="f")) == written([one(script)], told)
    assert Written(1, "[…]") == written([one(KEYLESS)], [("[…]", 1, None)])[1]
    assert Written(0, "[]", inserted=False) == written([one(ALONE)], [("[]", 0, None)])[1]
    opened = replace(ALONE, opener=cast("Opener", Opens()))
    assert Written(1, "opened […]") == written([one(opened)], [("[…]", 1, None)])[1]


def test_one_statement_counts_what_was_there() -> None:
    """A merge of rows that were all there has inserted none."""
    script = replace(ALONE, probe=statement("probe", 1))
    for there, inserted in ((0, True), (1, True), (2, False)):
        asked, ended = written([one(script)], [(there, 0, 0)], [("[]", 2, None)])
        assert ([("probe", ("v",)), ("alone", ("v",))], Written(2, "[]", inserted=inserted)) == (asked, ended)
    both = [one(replace(script, ordered_keys=()))] * 2
    asked, ended = written(both, [(1, 0, 0)], [("[1]", 1, None)], [(1, 0, 0)], [("[2]", 1, None)])
    assert Written(2, "[1, 2]", inserted=False) == ended


@pytest.mark.parametrize(
    ("form", "bodies", "glued"),
    [
        ("json", ["[1]", "[2, 3]", "[4]"], "[1, 2, 3, 4]"),
        ("json", ["[1]", "[]", "[2]"], "[1, 2]"),
        ("json", ["[]", "[]"], "[]"),
        ("json", ["", ""], "[]"),
        ("json", ["[1]"], "[1]"),
        ("csv", ["a,b\n1,2", "a,b\n3,4\n5,6", "a,b\n7,8"], "a,b\n1,2\n3,4\n5,6\n7,8"),
        ("csv", ["a,b\n1,2"], "a,b\n1,2"),
    ],
)
def test_bodies_of_several_statements_are_one(form: str, bodies: list[str], glued: str) -> None:
    """Rows of other sets of keys are written by statements of their own; the answer is one."""
    told: list[Rows] = [[(body, 1, None)] for body in bodies]
    asked, ended = written([one(replace(KEYLESS, form=form))] * len(bodies), *told)
    assert (len(bodies), Written(len(bodies), glued, form=form)) == (len(asked), ended)


@pytest.mark.parametrize(
    ("scripts", "order", "alone"),
    [
        ([ALONE], None, True),
        ([ALONE, ALONE], None, False),
        ([ALONE, ALONE], [1, 0], False),
        ([KEYLESS, KEYLESS], [1, 0], True),
        ([KEYLESS, KEYLESS], None, True),
        ([ALONE, BARE], None, False),
        ([KEYLESS, replace(BARE, ordered_keys=())], [1, 0], False),
    ],
)
def test_an_order_needs_keys(scripts: list[Script], order: list[int] | None, alone: bool) -> None:
    """What each statement renders cannot be sorted; rows without a key cannot be asked for again."""
    told: list[Rows] = [[("[]", 1, None)] if alone else FIRST for _ in scripts]
    asked, _ = written([one(script) for script in scripts], *told, order=order)
    assert (["alone" if alone else "write"] * len(scripts)) == [sql for sql, _ in asked]


def test_rows_are_rendered_before_they_are_deleted() -> None:
    """And counted last, as where they are not sent back; parents of what goes are nobody's business but the read's."""

    def deleted(script: Script, *answers: Rows, demands: Demands = NOTHING) -> tuple[Asked, Written | str]:
        lock = Statement("lock", ("v",))
        return played(delete_steps(lock, script, ("q",), ANONYMOUS, demands), answers)

    script = replace(READ, write=statement("write", 3), form="f")
    read, write = ("read", ("q", [(1,)], 1)), ("write", ("q", [(1,)], 1))
    assert ([("lock", ("v",)), read, write], Written(1, "[…]", form="f")) == deleted(
        script, [(1,)], [("[…]", 1, None)], []
    )
    assert ([("lock", ("v",))], Written(0, "[]", form="f")) == deleted(script, [])
    assert ([("lock", ("v",)), read], "42501") == deleted(script, [(1,)], [("[]", 0, None)])
    few = deleted(script, [(1,)], [("[…]", 1, None)], [], demands=Demands(max_affected=0))
    assert ([("lock", ("v",)), read, write], "PGRST124") == few


def test_every_statement_weighs() -> None:
    """What is remembered is bounded by what it takes: each statement of a script counts."""
    names = ("write", "probe", "check", "images", "parents", "read", "alone")
    assert [100] * len(names) == [
        replace(BARE, **{name: statement("x" * 45, 0)}).room - replace(BARE, **{name: statement("x" * 35, 0)}).room
        for name in names
    ]
