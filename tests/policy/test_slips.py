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


GENERAL = "Correct that line: it runs when the app starts, with a symbolic me, and never for a request."
RETURN = "Return a comparison such as Post.author_id == me.id, or True."
JOIN = "Join them: and_(*conditions) where all must hold, or_(*conditions) where one is enough."
NOTES = "It has id, author_id, team, stars, public, meta, words, texts, loved."
#: The body of a policy, what it is told, and what to do.
RAISED = [
    ("return Note.autor_id == me.id", "Note has no autor_id", "Did you mean Note.author_id?"),
    ("return Note.query.filter()", "Note has no query", None),
    (
        "return Note.words.txt == 'x'",
        "Note.words is a relationship, and has no txt",
        "Write Note.words.any(Word.text == …).",
    ),
    ("return Word.note.public", "Word has no note", "Did you mean Word.note_id?"),
    (
        "return Note.words.zzz",
        "Note.words is a relationship, and has no zzz",
        "Write Note.words.any(…): Word has id, note_id, text.",
    ),
    (
        "return Note.team.startwith('x')",
        "Note.team is a column, and has no startwith",
        "Did you mean .startswith?",
    ),
    ("return Note.team.lower() == 'x'", "Note.team is a column, and has no lower", "Write func.lower(…)."),
    ("return Note.team.strip() == 'x'", "Note.team is a column, and has no strip", "Write func.trim(…)."),
    ("return Note.team.zzz", "Note.team is a column, and has no zzz", "Compare it, or give it to a func.…()."),
    (
        "return me.id.hex == 'x'",
        "it is a value of the database, and has no hex",
        "Compare it, or give it to a func.…().",
    ),
    ("return me.id() == Note.author_id", "me.id is called, and is no function", "Leave out the brackets: me.id."),
    ("return Note.public(True)", "Note.public is called, and is no function", "Leave out the brackets: Note.public."),
    ("return Noet.public", "name 'Noet' is not defined", "Did you mean Note?"),
    ("return exist().where()", "name 'exist' is not defined", "Did you mean exists?"),
    ("return qwertz", "name 'qwertz' is not defined", "Import it, or correct its name."),
    ("import math\nreturn math.flor(1)", "the module math has no flor", "Did you mean floor?"),
    ("return 'x'.uper() == Note.team", "a str has no uper", "Did you mean upper?"),
    ("raise ValueError('first\\nsecond')", "ValueError: first", GENERAL),
    ("raise LookupError", "LookupError", GENERAL),
    ("return {}['a']", "KeyError: 'a'", "Python would look for it once, at the start: choose by case()."),
    ("return Note.team.is_not()", "ColumnOperators.is_not() missing 1 required positional argument: 'other'", GENERAL),
    (
        "return Note.id.in_(Word)",
        "IN expression list, SELECT construct, or bound parameter object expected",
        "Write .in_([…]) of values, or .in_(select(Member.team_id).where(…)) of rows.",
    ),
    (
        "return Note.id.in_(Word.note_id)",
        "IN expression list, SELECT construct, or bound parameter object expected",
        "Write .in_([…]) of values, or .in_(select(Member.team_id).where(…)) of rows.",
    ),
    (
        "return or_([Note.public, Note.loved])",
        "SQL expression for WHERE/HAVING role expected",
        "Write or_(*conditions) or and_(*conditions).",
    ),
    (
        "return and_(Note.public, 'stars')",
        "Textual SQL expression 'stars'",
        "Write a comparison of columns: a text is no condition.",
    ),
    ("return Note['public']", "Note is no list and no dict to look in", "Write Note.public."),
    ("return Note.public == Kind.larg", "Kind has no larg", "Did you mean Kind.large?"),
    ("return Note.public == Kind.zz", "Kind has no zz", "It has large, small."),
    (
        "return case([(Note.public, True)])",
        'The "whens" argument to case(), when referring to a sequence of items, is now passed as a series of positional'
        " elements, rather than as a list.",
        "Write case((condition, value), …, else_=…).",
    ),
    (
        "return Note.team[0] == 'x'",
        "Operator 'getitem' is not supported on this expression",
        "Write case((condition, value), …, else_=…).  func.substr() takes a part of a text.",
    ),
    (
        "return exists(Word, Word.note_id == Note.id)",
        "exists() takes from 0 to 1 positional arguments but 2 were given",
        "Write exists().where(…).",
    ),
    (
        "return me.has_role('a', 'b')",
        "Me.has_role() takes 2 positional arguments but 3 were given",
        'Write me.has_role("a") | me.has_role("b").',
    ),
    ("return Note.words.has()", "'has()' not implemented for collections. Use any().", "Write .any(…)."),
    (
        "return and_(Note.public, 7)",
        "SQL expression for WHERE/HAVING role expected",
        "Give it a comparison such as Post.author_id == me.id.",
    ),
]


@pytest.mark.parametrize(("body", "seen", "advice"), RAISED, ids=[body for body, *_ in RAISED])
def test_what_a_policy_raises(tmp_path: Path, body: str, seen: str, advice: str | None) -> None:
    """M: the line of the author's, what is wrong there, and the word that was meant."""
    with pytest.raises(ConfigError) as refused:
        rules_of(tmp_path, body, before="import enum; Kind = enum.Enum('Kind', 'large small')")
    fault, line = refused.value, 11 + body.count("\n")
    assert ("BST-E023", f"{tmp_path / 'policies.py'}:{line}: the policy policy cannot be compiled: {seen}") == (
        fault.code,
        fault.message,
    )
    assert advice is None or advice == fault.hint


def test_a_policy_that_calls_itself(tmp_path: Path) -> None:
    """M: without a traceback of a thousand lines."""
    with pytest.raises(ConfigError, match="cannot be compiled: maximum recursion depth exceeded") as refused:
        rules_of(tmp_path, "return policy(me)")
    assert "It calls itself: leave that out." == refused.value.hint


def test_what_a_model_has_is_told(tmp_path: Path) -> None:
    """M: where no name is near; of the table's columns too."""
    with pytest.raises(ConfigError) as refused:
        rules_of(tmp_path, "return Note.query.filter()")
    told = (refused.value.hint or "").removeprefix("It has ").removesuffix(".").split(", ")
    assert ["author_id", "id", "loved", "meta", "public", "stars", "team", "texts", "words"] == sorted(told)
    for name, advice in (
        ("publik", "Did you mean public?"),
        ("zz", "It has id, author_id, team, stars, public, meta."),
    ):
        with pytest.raises(ConfigError) as refused:
            rules_in(tmp_path, f'@allow("read", Note)\ndef policy(me, rows):\n    return rows.{name}\n')
        assert (
            f"{tmp_path / 'policies.py'}:10: the policy policy cannot be compiled: its table has no column {name}",
            advice,
        ) == (refused.value.message, refused.value.hint)


#: What a policy returns, how that is told, and what to do.
RETURNED = [
    ("None", "returned None: a return is missing", RETURN),
    (
        "[Note.public, Note.stars > 3]",
        "returned [Note.public, notes.stars > :stars_1] (list), which is not a SQL expression",
        JOIN,
    ),
    ("Note.public,", "returned (Note.public) (tuple), which is not a SQL expression", JOIN),
    ("(c for c in ())", "returned <genexpr> (generator), which is not a SQL expression", JOIN),
    (
        "'public'",
        "returned 'public' (str), which is not a SQL expression",
        "Return the column, and not its name: rows.public of def policy(me, rows), or that of the model.",
    ),
    ("'x'", "returned 'x' (str), which is not a SQL expression", RETURN),
    ("1", "returned 1 (int), which is not a SQL expression", RETURN),
    ("Note", "returned the class Note, which is not a SQL expression", RETURN),
    ("object()", "returned a object, which is not a SQL expression", RETURN),
    (
        "print",
        "returned print (builtin_function_or_method), which is not a SQL expression",
        "Call it, and return what it gives.",
    ),
    ("func.now", "returned a _FunctionGenerator, which is not a SQL expression", "Call it, and return what it gives."),
    (
        "select(Note.id).where",
        "returned where (method), which is not a SQL expression",
        "Call it, and return what it gives.",
    ),
    (
        "select(Note.id).where(Note.public)",
        "returned SELECT notes.id FROM notes WHERE notes.public (Select), which is no condition",
        "Return what stands in its where(…), without the select: that is asked of each row.",
    ),
    (
        "select(Word.id)",
        "returned SELECT words.id FROM words (Select), which is no condition",
        f"{RETURN}  Rows of other tables are asked for by exists().where(…).",
    ),
    (
        "Note.public & Note.stars",
        "takes notes.stars for a condition, and it is of the type Integer",
        "Compare what is no condition, and put brackets around each side, since &, | and ~ bind before == and <:"
        " (a > 0) & (b == c).",
    ),
    (
        "Note.id.in_(select(Word))",
        "looks in a subquery of 3 columns for one value",
        "Select the column that is compared, as in .in_(select(Member.team_id)).",
    ),
    (
        "Word.text == 'x'",
        "is about notes, and looks at words beside it",
        "Look at other tables by exists().where(…), a subquery, or relationship.any(…).",
    ),
]


@pytest.mark.parametrize(("says", "seen", "advice"), RETURNED, ids=[says for says, *_ in RETURNED])
def test_what_a_policy_returns(tmp_path: Path, says: str, seen: str, advice: str) -> None:
    """M: what is no condition is told by its name, and not by where it lies in memory."""
    with pytest.raises(ConfigError) as refused:
        rules_of(tmp_path, f"return {says}")
    assert ("BST-E023", f"{tmp_path / 'policies.py'}:10: the policy policy {seen}", advice) == (
        refused.value.code,
        refused.value.message,
        refused.value.hint,
    )


EXAMPLE = 'For example @allow("read", Post); the actions are read, create, update and delete.'
#: What stands above ``def policy(me)``, the code, what is told behind the place, and what to do.
ALLOWED = [
    (
        "@allow",
        "BST-E020",
        "allow() stands above policy (function) without its brackets, and says nothing of what is allowed",
        EXAMPLE,
    ),
    ("@allow()", "BST-E020", "allow() takes actions, then models; got ()", EXAMPLE),
    ("@allow('read')", "BST-E020", "allow() takes actions, then models; got ('read')", EXAMPLE),
    ("@allow(Note)", "BST-E020", "allow() takes actions, then models; got (Note)", EXAMPLE),
    ("@allow(Note, 'read')", "BST-E020", "allow() takes actions, then models; got (Note, 'read')", EXAMPLE),
    (
        "@allow('read', [Note, Word])",
        "BST-E020",
        "allow() takes one model after the other; got [Note, Word] (list)",
        "Leave out the brackets around them.",
    ),
    (
        "@allow('read', Note.id)",
        "BST-E022",
        "the policy policy is about Note.id (InstrumentedAttribute)",
        "Name the model, Note, and the column in columns=[…].",
    ),
    (
        "@allow('read', Note())",
        "BST-E022",
        "the policy policy is about a Note, which is no model and no table",
        "Name a model that the app serves.",
    ),
    (
        "@allow('read', UUID)",
        "BST-E022",
        "the policy policy is about the class UUID, which is no model and no table",
        "Name a model that the app serves.",
    ),
]


@pytest.mark.parametrize(("above", "code", "seen", "advice"), ALLOWED, ids=[above for above, *_ in ALLOWED])
def test_what_stands_in_allow(tmp_path: Path, above: str, code: str, seen: str, advice: str) -> None:
    """M: the line, and what stands there by its name."""
    with pytest.raises(ConfigError) as refused:
        rules_in(tmp_path, f"{above}\ndef policy(me):\n    return Note.public\n")
    line = 9 if code == "BST-E022" else 8
    assert (code, f"{tmp_path / 'policies.py'}:{line}: {seen}", advice) == (
        refused.value.code,
        refused.value.message,
        refused.value.hint,
    )


def test_a_policy_that_was_not_decorated(tmp_path: Path) -> None:
    """M: where it stands."""
    with pytest.raises(ConfigError) as refused:
        rules_in(tmp_path, "def policy(me):\n    return Note.public\n")
    assert (
        "BST-E020",
        f"{tmp_path / 'policies.py'}:8: policies= takes functions that are decorated with @allow, and got policy (function)",
    ) == (refused.value.code, refused.value.message)


VALUES = [
    (
        "Note.author_id == 'me.id'",
        "notes.author_id, which is uuid, with 'me.id' (str)",
        "Write me.id without quotation marks.",
    ),
    ("Note.author_id == 'x'", "notes.author_id, which is uuid, with 'x' (str)", "Compare it with a UUID."),
    ("Note.public.is_(true)", "notes.public, which is boolean, with true (function)", "Compare it with True or False."),
    ("Note.stars == 'x'", "notes.stars, which is integer, with 'x' (str)", "Compare it with a number."),
]


@pytest.mark.parametrize(("says", "seen", "advice"), VALUES)
def test_a_value_of_another_kind(tmp_path: Path, says: str, seen: str, advice: str) -> None:
    """M: what it is compared with, and what was wanted."""
    with pytest.raises(ConfigError) as refused:
        rules_of(tmp_path, f"return {says}")
    assert ("BST-E081", f"{tmp_path / 'policies.py'}:10: the policy policy compares {seen}", advice) == (
        refused.value.code,
        refused.value.message,
        refused.value.hint,
    )


#: Policies that a loop makes; ``policy`` is the list of them.
LOOPS = [
    "for level in (1, 2):\n    @allow('read', Note)\n    def one(me):\n        return Note.stars <= level\n    policy.append(one)\n",
    "def made():\n    for level in (1, 2):\n        yield allow('read', Note)(lambda me: Note.stars <= level)\npolicy = list(made())\n",
    "policy = [allow('read', Note)(lambda me: Note.stars <= level) for level in (1, 2)]\n",
    "policy = [allow('read', Note)(lambda me: or_(*(Note.stars <= level for _ in '1'))) for level in (1, 2)]\n",
]


@pytest.mark.parametrize("text", LOOPS)
def test_policies_of_a_loop_that_share_its_last_value(tmp_path: Path, text: str) -> None:
    """P1: each of them would say what the last one says."""
    with pytest.raises(ConfigError) as refused:
        rules_in(tmp_path, f"policy = []\n{text}")
    assert (
        True,
        "Keep the value of each turn of the loop by a default: (me, level=level).",
    ) == (
        " names level, which was 1 (int) when it was decorated and is 2 (int) when it is called"
        in refused.value.message,
        refused.value.hint,
    )


TURNS = [
    "for level in (1, 2):\n    @allow('read', Note)\n    def one(me, level=level):\n        return Note.stars <= level\n    policy.append(one)\n",
    "for stars in (1, 2):\n    @allow('read', Note)\n    def one(me, level=stars):\n        return Note.stars <= level\n    policy.append(one)\n",
    "policy = [allow('read', Note)(lambda me, level=level: Note.stars <= level) for level in (1, 2)]\n",
    "def made(level):\n    return allow('read', Note)(lambda me: Note.stars <= level)\npolicy = [made(1), made(2)]\nlevel = 7\n",
    "def made(level):\n    return allow('read', Note)(lambda me: Note.stars <= later(level))\npolicy = [made(1), made(2)]\ndef later(n): return n\n",
    "from functools import partial\ndef one(level, me):\n    return Note.stars <= level\n"
    "policy = [allow('read', Note)(partial(one, level)) for level in (1, 2)]\n",
    "class One:\n    def __init__(self, level): self.level = level\n    def rule(self, me): return Note.stars <= self.level\n"
    "policy = [allow('read', Note)(One(level).rule) for level in (1, 2)]\n",
]


@pytest.mark.parametrize("text", TURNS)
def test_policies_of_a_loop_that_keep_their_values(tmp_path: Path, text: str) -> None:
    """P1: defaults, closures of a function's own, `partial` and objects."""
    rules = rules_in(tmp_path, f"policy = []\n{text}")
    assert [1, 2] == [rule.rows.right.value for rule in rules]  # type: ignore[attr-defined]


OF_ME = [
    ("me.claim('level', 3) > 1", "BST-E023", "me.claim() takes the names that lead to a claim, as texts"),
    ("me.has_role(['a'])", "BST-E023", "me.has_role() takes the name of one role, as a text"),
    (
        "me.claim('user_metadata', 'a') == 'b'",
        "BST-E021",
        "a policy cannot rely on the claim 'user_metadata.a': its owner may edit it",
    ),
]


@pytest.mark.parametrize(("says", "code", "seen"), OF_ME)
def test_what_is_asked_of_me(tmp_path: Path, says: str, code: str, seen: str) -> None:
    """M: with the line where it is asked."""
    with pytest.raises(ConfigError) as refused:
        rules_of(tmp_path, f"return {says}")
    assert (code, f"{tmp_path / 'policies.py'}:11: {seen}") == (refused.value.code, refused.value.message)


def test_what_is_printed(tmp_path: Path) -> None:
    """M: a line that is left from looking for a fault."""
    with pytest.raises(ConfigError, match=r"print\(Note\.public\)") as refused:
        rules_of(tmp_path, "print(Note.public)\nreturn Note.public")
    assert "Leave it out: while the app starts there is no value to print." == refused.value.hint
