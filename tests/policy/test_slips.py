"""What is written by mistake is told with file and line, what was seen, and one thing to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay.errors import ConfigError
from tests.policy.written import rules_in, rules_of, sql_of

TAKES = "Write def policy(me), or def policy(me, rows) for the columns of the table that it is about."
ALONE = "and is given me alone, or me and the table's columns"
#: What stands between the brackets of ``def policy()``.
PARAMETERS = [
    ("", f"takes nothing, {ALONE}", TAKES),
    ("*, me", f"takes me=, {ALONE}", TAKES),
    ("me, *, level", f"takes me, level=, {ALONE}", TAKES),
    ("me, rows, more", f"takes me, rows, more, {ALONE}", TAKES),
    (
        "self, me",
        "is a method, whose self nobody gives",
        "Move it out of the class, or give the method of an object: allow(…)(RULES.mine).",
    ),
    (
        "cls, me",
        "is a method, whose cls nobody gives",
        "Move it out of the class, or give the method of an object: allow(…)(RULES.mine).",
    ),
]


@pytest.mark.parametrize(("parameters", "seen", "advice"), PARAMETERS)
def test_parameters_that_nobody_gives(tmp_path: Path, parameters: str, seen: str, advice: str) -> None:
    """P1: a policy takes me, and may take the columns."""
    with pytest.raises(ConfigError) as refused:
        rules_in(tmp_path, f'@allow("read", Note)\ndef policy({parameters}):\n    return Note.public\n')
    assert ("BST-E023", f"{tmp_path / 'policies.py'}:9: the policy policy {seen}", advice) == (
        refused.value.code,
        refused.value.message,
        refused.value.hint,
    )


@pytest.mark.parametrize(
    "parameters", ["me", "me, rows", "me, level=3", "me, rows, level=3", "me, *rows", "*given", "me, **more", "who, /"]
)
def test_parameters_that_are_given(tmp_path: Path, parameters: str) -> None:
    """P1: what may be left out is left out."""
    text = f'@allow("read", Note)\ndef policy({parameters}):\n    return Note.public\n'
    assert "notes.public" == sql_of(rules_in(tmp_path, text))


def test_what_does_not_tell_its_parameters(tmp_path: Path) -> None:
    """P1: a function of C may not."""
    with pytest.raises(ConfigError, match="the policy max does not tell what it takes"):
        rules_in(tmp_path, 'policy = allow("read", Note)(max)\n')


#: Nothing, joined: SQLAlchemy would leave it out, and show every row.
NOTHING = [
    "or_()",
    "and_()",
    "or_(*[])",
    "~or_(*[])",
    "Note.public & or_(*[])",
    "Note.public | and_(*[])",
    "or_(Note.public, or_(*[]))",
    "and_(Note.public, NONE)",
    "Note.public & ~NONE",
    "exists().where(Word.note_id == Note.id, NONE)",
    "exists().where(NONE)",
    "case((NONE, True), else_=False)",
    "Note.words.any(or_(*[]))",
]


@pytest.mark.parametrize("says", NOTHING)
@pytest.mark.filterwarnings("ignore:Invoking")
def test_a_list_of_no_conditions_is_no_condition(tmp_path: Path, says: str) -> None:
    """P1: ``or_(*TEAMS)`` of an empty setting would be left out of the statement, and every row be there."""
    with pytest.raises(ConfigError) as refused:
        rules_of(tmp_path, f"return {says}", before="NONE = or_(*[])")
    assert ("BST-E023", True, "Begin the list: or_(false(), *conditions) or and_(true(), *conditions).") == (
        refused.value.code,
        "the policy policy joins a list of no conditions" in refused.value.message,
        refused.value.hint,
    ), refused.value.message
    assert f"{tmp_path / 'policies.py'}:" in refused.value.message


LISTS = [
    ("or_(false(), *[])", "false"),
    ("and_(true(), *[])", "true"),
    ("or_(false(), *[Note.public])", "notes.public"),
    ("Note.public & or_(false(), *[])", "notes.public AND false"),
    ("exists().where(Word.note_id == Note.id, *[])", None),
]


@pytest.mark.parametrize(("says", "sql"), LISTS)
def test_a_list_that_begins_is_a_condition(tmp_path: Path, says: str, sql: str | None) -> None:
    """P1: what the advice says is what it means."""
    found = sql_of(rules_of(tmp_path, f"return {says}"))
    assert sql is None or sql == found


COLLECTIONS = [
    ("Note.stars == any_(select(Word.note_id).scalar_subquery())", "any_()"),
    ("Note.stars != all_(select(Word.note_id).scalar_subquery())", "all_()"),
    ("Note.stars > all_(select(Word.note_id).scalar_subquery())", "all_()"),
    ("Note.stars == any_([1, 2])", "any_()"),
    ("any_(literal([1, 2])) == Note.stars", "any_()"),
]


@pytest.mark.parametrize(("says", "seen"), COLLECTIONS)
def test_any_and_all_are_written_as_lists(tmp_path: Path, says: str, seen: str) -> None:
    """P1: SQLite has neither; of arrays, which PostgreSQL alone has, they are fine."""
    with pytest.raises(ConfigError) as refused:
        rules_of(tmp_path, f"return {says}")
    assert (
        f"{tmp_path / 'policies.py'}:10: the policy policy asks {seen} of what is no array",
        "Write .in_(…) for == any_(), .not_in(…) for != all_(), else compare with func.min() or func.max().",
    ) == (refused.value.message, refused.value.hint)


ARRAYS = [
    ("me.role == any_(cast(Note.meta, ARRAY(String)))", ":me_role_1 = ANY (CAST(notes.meta AS ARRAY))"),
    ("3 == any_(cast(Note.meta, ARRAY(Integer)))", ":param_1 = ANY (CAST(notes.meta AS ARRAY))"),
    ("Note.stars <= all_(cast(Note.meta, ARRAY(Integer)))", "notes.stars <= ALL (CAST(notes.meta AS ARRAY))"),
]


@pytest.mark.parametrize(("says", "sql"), ARRAYS)
def test_any_and_all_of_arrays(tmp_path: Path, says: str, sql: str) -> None:
    """P1: what is in the array is compared, and has the array's type."""
    assert sql == sql_of(rules_of(tmp_path, f"return {says}"))
