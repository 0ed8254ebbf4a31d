"""What a policy says is what it reads, or the app does not start."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.sql import visitors

from backstay.errors import ConfigError
from backstay.policy import Caller, Me, MeParameter, Principal, allow, compile_rules
from tests.policy.written import CATALOG, Note, rules_in, rules_of, sql_of

#: Bodies that Python and SQL read differently: what the message quotes, and what the hint says to write.
MISREAD = [
    # what sorts and sifts the rows of a query
    ("return Note.public.desc()", "which is an order and no condition", "Leave it out"),
    ("return Note.public.nulls_last()", "which is an order and no condition", "Leave it out"),
    ("return distinct(Note.public)", "which is a DISTINCT and no condition", "Leave it out"),
    ("return Note.public.desc() & (Note.stars > 1)", "for a condition, and it is an order", "Compare what is"),
    # asking an expression whether it is true
    ("return Note.author_id == me.id and Note.public", "Note.author_id == me.id and Note.public", "(…) & (…)"),
    ("return Note.public and Note.author_id == me.id", "Note.public and Note.author_id == me.id", "(…) & (…)"),
    ("return Note.public or Note.author_id == me.id", "Note.public or Note.author_id == me.id", "(…) | (…)"),
    ("return Note.public and Note.stars", "Note.public and Note.stars", "(…) & (…)"),
    ("return True and Note.public and True", "True and Note.public and True", "(…) & (…)"),
    ("return exists(Note.id) and Note.public", "exists(Note.id) and Note.public", "(…) & (…)"),
    ("return Note.words.any() and Note.public", "Note.words.any() and Note.public", "(…) & (…)"),
    ("return Note.loved and Note.public", "Note.loved and Note.public", "(…) & (…)"),
    ("return Note.texts and Note.public", "Note.texts and Note.public", "(…) & (…)"),
    ("return aliased(Note).public and Note.public", "aliased(Note).public and Note.public", "(…) & (…)"),
    ("return true() and Note.public", "true() and Note.public", "(…) & (…)"),
    ("return not Note.public", "not Note.public", "~(…)"),
    ("return not (Note.author_id == me.id)", "not (Note.author_id == me.id)", "~(…)"),
    ("if Note.public:\n    return True\nreturn False", "if Note.public", "case()"),
    ('if me.role != "anon":\n    return True\nreturn Note.public', 'if me.role != "anon"', "authenticated"),
    ('if me.has_role("x"):\n    return True\nreturn Note.public', 'if me.has_role("x")', "authenticated"),
    ('if me.claim("x"):\n    return True\nreturn Note.public', 'if me.claim("x")', "authenticated"),
    ("if me.id:\n    return True\nreturn Note.public", "if me.id", "authenticated"),
    ("return True if me.id else Note.public", "True if me.id else Note.public", "authenticated"),
    ("while Note.public:\n    return True\nreturn False", "while Note.public", "case()"),
    ("assert me.id\nreturn True", "assert me.id", "authenticated"),
    ("return [c for c in (Note.public,) if c][0]", "[c for c in (Note.public,) if c]", "&"),
    ("return any([Note.public, Note.stars == 1])", "any([Note.public, Note.stars == 1])", "or_("),
    ("return all([Note.public, Note.stars == 1])", "all([Note.public, Note.stars == 1])", "and_("),
    ("return next(filter(None, [Note.public]))", "filter(None, [Note.public])", "&"),
    ("return bool(Note.author_id == me.id)", "bool(Note.author_id == me.id)", "Return the condition itself"),
    ("return 1 < Note.stars < 5", "1 < Note.stars < 5", "between"),
    ('return me.role == "a" == Note.team', 'me.role == "a" == Note.team', "between"),
    ("return max(Note.stars, 3) == 3", "max(Note.stars, 3)", "&"),
    ('return (me.role, 1) == ("anon", 1)', '(me.role, 1) == ("anon", 1)', "&"),
    ('match me.role:\n    case "anon":\n        return False\nreturn True', "match me.role", "case()"),
    # looking for an expression among Python's values
    ('return me.role in ["a", "b"]', 'me.role in ["a", "b"]', ".in_("),
    ('return me.role in ("a", "b")', 'me.role in ("a", "b")', ".in_("),
    ('return me.role in {"a", "b"}', 'me.role in {"a", "b"}', ".in_("),
    ('return me.role not in {"a": 1}', 'me.role not in {"a": 1}', ".in_("),
    ('return Note.team in {"a"}', 'Note.team in {"a"}', ".in_("),
    ('return "a" in Note.team', '"a" in Note.team', ".in_("),
    ('return "a" in me.claim("roles")', '"a" in me.claim("roles")', ".in_("),
    ('return ["a"].count(me.role) > 0', '["a"].count(me.role)', ".in_()"),
    ('return {"a": True}.get(me.role, False)', '{"a": True}.get(me.role, False)', "&"),
    ('return {"a": True}[me.role]', '{"a": True}[me.role]', "case()"),
    ("return {Note.public: True}", "{Note.public: True}", "case()"),
    ("return or_(*set([Note.public]))", "set([Note.public])", "&"),
    ("return or_(*[each for each in Note.meta])", "[each for each in Note.meta]", "&"),
    ("first, *_ = Note.meta\nreturn first", "goes through an expression", "&"),
    # making Python's text or number of an expression
    ('return Note.team == f"{me.id}"', 'f"{me.id}"', "func.concat()"),
    ('return Note.team == f"{Note.stars!r}"', 'f"{Note.stars!r}"', "func.concat()"),
    ("return Note.team == str(me.id)", "str(me.id)", "func.concat()"),
    ("return Note.team == format(me.role)", "format(me.role)", "func.concat()"),
    ('return Note.team == "%s" % me.role', '"%s" % me.role', "func.concat()"),
    ('return Note.team == "{}".format(me.role)', '"{}".format(me.role)', "&"),
    ("return len(Note.team) > 3", "has no len()", "func.length()"),
    ("return Note.stars == int(me.id)", "int()", "cast(value, Integer)"),
    ('return Note.stars == float(me.claim("x"))', "float()", "cast(value, Float)"),
    ("return [Note.public][me.id]", "list indices must be integers", "case()"),
    ("return Note.stars in range(me.id)", "cannot be interpreted as an integer", ".in_("),
    # asking what an expression is
    ("return me.id is not None", "me.id is not None", ".is_not(None)"),
    ("return Note.team is None", "Note.team is None", ".is_(None)"),
    ("return (Note.team is None) | Note.public", "Note.team is None", ".is_(None)"),
    ("return Note.public is True", "Note.public is True", ".is_("),
    ("who = me.id\nreturn (Note.author_id == who) if who is not None else True", "who is not None", ".is_not(None)"),
    ('return me.claim("x") is None', 'me.claim("x") is None', ".is_(None)"),
    ("return or_(*[each is None for each in (Note.team,)])", "each is None", ".is_(None)"),
    ("match me.id:\n    case None:\n        return False\nreturn Note.public", "match me.id", "case()"),
    ("return me is None", "me is None", ".is_("),
    # me itself, and what it does not offer
    ("if me:\n    return True\nreturn False", "me", "authenticated"),
    ("return me", "me itself", "Post.author_id == me.id"),
    ("return Note.author_id == me", "me", "me.id"),
    ("return me == Note.author_id", "me", "me.id"),
    ("return me.user_id == Note.author_id", "me.user_id", "me.id"),
    ("return me.is_anonymous", "me.is_anonymous", "me.id"),
    ('return Note.team == f"{me}"', "me", "me.id"),
    ("return me.has_role and Note.public", "me.has_role without a call", 'me.has_role("editor")'),
    ("return me.has_role", "me itself", "Post.author_id == me.id"),
    ("return me.claim == Note.team", "me.claim without a call", 'me.claim("org_id")'),
    ("return Note.team == me.claim", "me.claim without a call", 'me.claim("org_id")'),
    ("return ~me.has_role", "me.has_role without a call", 'me.has_role("editor")'),
    ('return me.claim(Note.team) == "x"', "me.claim()", 'me.claim("org", "id")'),
    # the class of me
    ('return Me.role != "banned"', "asks the class of me, which is no caller: Me.role", "Write me.role"),
    ("return Me.id != None", "Me.id", "Write me.id"),
    ("return Me.id is not None", "Me.id", "Write me.id"),
    ("return True if Me.id else Note.public", "Me.id", "Write me.id"),
    ('return Note.public if Me.role == "anon" else True', "Me.role", "Write me.role"),
    ("return Me.claim != None", "Me.claim", "Write me.claim"),
    ("return Me.aal != 'aal1'", "Me.aal", "Write me.aal"),
    ("return Note.author_id == Me.id", "Me.id", "Write me.id"),
    ("return getattr(Me, 'id', None) != Note.author_id", "Me.id", "Write me.id"),
    ("return Me.has_role('a')", "Me.has_role", "Write me.has_role"),
    ("return Note.public if Me is None else True", "Me is None", "is"),
    ("return Note.public if not Me else True", "Me", "me.id"),
    ("return Me != None", "Me", "me.id"),
    ("from backstay import Caller\nreturn Caller.role != 'x'", "Caller.role", "Write me.role"),
    ("try:\n    return Me.id != None\nexcept Exception:\n    return True", "Me.id", "Write me.id"),
    ('return me.has_role(["a", "b"])', "me.has_role() takes the name of one role", "me.has_role("),
    ("return me.has_role(Note.team)", "me.has_role() takes the name of one role", "me.has_role("),
    # values of me that were read and lost
    ("return or_(true(), Note.author_id == me.id)", "reads me.id", "joined by & and |"),
    ("return and_(false(), me.role == 'a')", "reads me.role", "joined by & and |"),
    ("mine = Note.author_id == me.id\nreturn Note.public", "reads me.id", "joined by & and |"),
    ('me.claim("org", "id")\nreturn True', "reads me.claim('org', 'id')", "joined by & and |"),
    ('return type(me.id).__name__ == "x"', "type(me.id)", "case()"),
    ("return isinstance(me.id, UUID)", "reads me.id", "joined by & and |"),
    ("return hasattr(me.id, 'x') | Note.public", "hasattr(me.id, 'x')", "case()"),
    # a value of me that would have to be a list, or JSON
    ("return Note.team.in_(me.claim('teams'))", "looks in me.claim('teams')", "me.has_role("),
    ("return Note.team.not_in(me.claim('teams'))", "looks in me.claim('teams')", "me.has_role("),
    ("return Note.meta['team'] == me.claim('team')", "compares me.claim('team') with JSON", ".as_string()"),
    ("return Note.meta == me.claim('team')", "compares me.claim('team') with JSON", ".as_string()"),
    # what is no condition
    ("Note.author_id == me.id", "returned None", "Return"),
    ("return", "returned None", "Return"),
    ("return 'public'", "'public' (str)", "Return"),
    ("return 'x' * 100", f"returned '{'x' * 78}… (str)", "Return"),
    ("return 'x' * 78", f"returned '{'x' * 78}' (str)", "Return"),
    ("return 1", "1 (int)", "Return"),
    ("return 0", "0 (int)", "Return"),
    ("return (Note.public, True)", "(Note.public, True) (tuple)", "Join them: and_("),
    ("return Note.public, ", "(Note.public) (tuple)", "Join them: and_("),
    ("return [Note.public]", "[Note.public] (list)", "Join them: and_("),
    ("return {1, 2}", "{1, 2} (set)", "Join them: and_("),
    ("return {}", "(dict)", "Return"),
    ("return (c for c in [Note.public])", "(generator)", "Join them: and_("),
    ("return lambda: True", "<lambda> (function)", "Call it"),
    ("return Note", "the class Note", "Return"),
    ("return Note.__table__", "notes (Table)", "Return"),
    ("return select(Note.id)", "(Select)", "without the select"),
    ("return select(Note.id).subquery()", "(Subquery)", "exists().where("),
    ("return text('public')", "public (TextClause)", "Return"),
    ("return text('1')", "1 (TextClause)", "Return"),
    ("return and_(Note.public, text('stars = 1'))", "text('stars = 1')", "SQLAlchemy expression"),
    ("return Note.stars", "Integer", "Compare it"),
    ("return Note.team", "String", "Compare it"),
    ("return Note.stars + 1", "Integer", "Compare it"),
    ("return func.lower(Note.team, type_=String)", "String", "Compare it"),
    ("return literal(1)", "Integer", "Compare it"),
    ("return me.id", "a value and no condition", "Compare it"),
    ("return me.role", "String", "Compare it"),
    ("return Note.words", "looks at words", "relationship.any("),
    ("yield Note.public", "yields", "or_(*conditions)"),
    # &, | and ~ bind before a comparison
    ('return Note.public & me.role != "banned"', "compares an AND or OR", "brackets"),
    ('return Note.public & me.claim("banned") != "yes"', "compares an AND or OR", "brackets"),
    ("return Note.public & Note.stars < 3", "compares an AND or OR", "brackets"),
    ("return Note.public | Note.stars < 3", "compares an AND or OR", "brackets"),
    ("return Note.public & Note.stars >= 0", "compares an AND or OR", "brackets"),
    ('return Note.public & Note.team != "x"', "compares an AND or OR", "brackets"),
    ("return Note.public & Note.loved != True", "compares an AND or OR", "brackets"),
    ("return Note.author_id != me.id & Note.public", "compares an AND or OR", "brackets"),
    ("return Note.author_id == me.id | Note.public", "compares an AND or OR", "brackets"),
    ("return Note.team != me.claim('x') & Note.public", "compares an AND or OR", "brackets"),
    ("return ~Note.public != Note.team", "compares a condition with what is none", "brackets"),
    ("return ~Note.public < 3", "compares a condition with what is none", "brackets"),
    ("return (Note.stars > 1) != 'x'", "compares a condition with what is none", "brackets"),
    ("return (Note.stars > 1) != me.role", "compares a condition with what is none", "brackets"),
    ("return false() & Note.team != 'x'", "compares a condition with what is none", "brackets"),
    ("return Note.public & Note.public != Note.public", "compares an AND or OR", "brackets"),
    ("return false() & Note.public != True", "compares a condition with what is none", "brackets"),
    ("return not_(Note.stars)", "takes notes.stars for a condition", "brackets"),
    ("return and_(Note.public, Note.stars)", "takes notes.stars for a condition", "brackets"),
    ("return or_(Note.public, Note.team)", "takes notes.team for a condition", "brackets"),
    ("return or_(Note.public, Note.stars + 1)", "takes notes.stars", "brackets"),
    ("return or_(Note.public, me.aal)", "takes :me_aal_1 for a condition", "brackets"),
    ("return or_(Note.public, literal('x'))", "for a condition", "brackets"),
    ("return case((Note.stars, True), else_=False)", "takes notes.stars for a condition", "brackets"),
    ("return case((Note.public & Note.stars < 3, True), else_=False)", "compares an AND or OR", "brackets"),
    ("return exists().where(Word.note_id == Note.id, Word.id)", "takes words.id for a condition", "brackets"),
    ("return exists().where(Note.public & Word.id < 3)", "compares an AND or OR", "brackets"),
    ("return Note.words.any(Note.public & Word.id < 3)", "compares an AND or OR", "brackets"),
    ("return Note.id.in_(select(Word.note_id).where(not_(Word.id)))", "for a condition", "brackets"),
    ("return Note.id.in_(select(Word.note_id).group_by(Word.note_id).having(func.max(Word.id)))", "for a cond", "brac"),
    (
        "return Note.id.in_(select(Word.note_id).select_from(join(Word, aliased(Note), Word.id)))",
        "takes words.id for",
        "brackets",
    ),
    ("return exists(select(func.count(Word.id).filter(Word.id)).scalar_subquery())", "for a condition", "brackets"),
    # about something else
    ("return Word.text == 'x'", "looks at words", "exists()"),
    ("return aliased(Note).public", "looks at notes", "exists()"),
    ("return and_(Note.public, Word.text == 'x')", "looks at words", "exists()"),
    # not the same each time
    ("import random\nreturn Note.stars == random.random()", "something else each time", "func.now()"),
    ("import datetime\nreturn literal(datetime.datetime.now()) > func.now()", "something else each time", "func.now()"),
    ("import uuid\nreturn Note.author_id == uuid.uuid4()", "something else each time", "func.now()"),
    ("import time\nreturn Note.stars < int(time.time())", "time.time()", "func.now()"),
    ("import datetime\nreturn Note.stars < datetime.date.today().year", "something else each time", "func.now()"),
    ("import datetime\nreturn Note.team != datetime.datetime.now().strftime('%Y')", "each time", "func.now()"),
    (
        "from datetime import datetime as d\nreturn Note.team != d.now().replace(microsecond=0)",
        "each time",
        "func.now()",
    ),
    ("import time\nreturn Note.team != time.strftime('%Y')", "something else each time", "func.now()"),
    ("import time\nreturn Note.stars < time.localtime().tm_year", "something else each time", "func.now()"),
    ("import random\nreturn Note.stars < random.randint(0, 0)", "something else each time", "func.now()"),
    ("import secrets\nreturn Note.team != secrets.token_hex(1)[:0]", "something else each time", "func.now()"),
    ("import os\nreturn Note.stars < len(os.urandom(3))", "something else each time", "func.now()"),
    ("import uuid\nreturn Note.stars < uuid.uuid4().version", "something else each time", "func.now()"),
    (
        "import time\ntry:\n    time.time()\nexcept Exception: pass\nreturn True",
        "something else each time",
        "func.now()",
    ),
    # failing
    ("return Note.autor_id == me.id", "Note has no autor_id", "Did you mean Note.author_id?"),
    ("return 1 / 0", "division by zero", "app starts"),
    ("raise LookupError", "LookupError", "app starts"),
]


@pytest.mark.parametrize(("body", "seen", "advice"), MISREAD, ids=[body for body, *_ in MISREAD])
def test_what_sql_cannot_mean_is_refused(tmp_path: Path, body: str, seen: str, advice: str) -> None:
    """P1: the app does not start; the message names file, line and what stands there, the hint what to write."""
    with pytest.raises(ConfigError) as refused:
        rules_of(tmp_path, body)
    fault = refused.value
    assert ("BST-E023", True, True) == (fault.code, seen in fault.message, advice in (fault.hint or "")), (
        fault.message,
        fault.hint,
    )
    assert "()" in seen or f"{tmp_path / 'policies.py'}:" in fault.message


@pytest.mark.parametrize("body", ["return ~Note.author_id != me.id", "return not_(me.role)"])
def test_what_sqlalchemy_warns_of_is_refused(tmp_path: Path, body: str) -> None:
    """P1: NOT of what is no condition, where SQLAlchemy only warns."""
    with warnings.catch_warnings(), pytest.raises(ConfigError, match="for a condition"):
        warnings.simplefilter("ignore")
        rules_of(tmp_path, body)


@pytest.mark.parametrize("name", ["id", "role", "aal", "has_role", "claim", "is_anonymous", "principal"])
def test_the_class_of_me_is_no_caller(name: str) -> None:
    """P1: outside of policies too, where a module's constant is made of it."""
    with pytest.raises(ConfigError, match=rf"test_expression\.py:\d+: Caller\.{name} is asked of the class"):
        getattr(Caller, name)


def test_the_class_of_me_is_a_class() -> None:
    """P1: all else of it is as of every class."""
    assert (True, True, "me", "Me", {Me}) == (bool(Me), Me == Me, Me.injected_as, Me.__name__, {Me})
    assert ("7", True) == (Caller(Principal(id="7")).id, issubclass(Caller, Me))


def test_the_message_is_whole(tmp_path: Path) -> None:
    """P1: file and line, the policy, what was seen; and one thing to do."""
    with pytest.raises(ConfigError) as refused:
        rules_of(tmp_path, "mine = Note.author_id == me.id\nreturn (\n    mine\n    and Note.public\n)")
    assert (
        f"{tmp_path / 'policies.py'}:13: the policy policy asks Python whether an expression is true, which only the"
        " database knows, for each caller and row: mine and Note.public"
    ) == refused.value.message
    assert "Write (…) & (…), or and_(…, …)." == refused.value.hint


@pytest.mark.parametrize(("length", "shown"), [(100, "not {name}"), (101, "not {name}…")])
def test_long_words_are_cut(tmp_path: Path, length: int, shown: str) -> None:
    """P1: a hundred characters of what stands there."""
    name = "n" * (length - len("not "))
    with pytest.raises(ConfigError) as refused:
        rules_of(tmp_path, f"{name} = Note.public\nreturn not {name}")
    assert refused.value.message.endswith(f": {shown.format(name=name[:95] if length > 100 else name)}")


def test_what_was_refused_stays_refused(tmp_path: Path) -> None:
    """P1: a policy that catches the refusal is refused all the same."""
    body = "try:\n    return Note.public and True\nexcept Exception:\n    return True"
    with pytest.raises(ConfigError, match=r"Note\.public and True"):
        rules_of(tmp_path, body)


def test_identity_without_source_is_refused() -> None:
    """P1: where nobody can see what is compared by ``is``, nobody can say that it is no column."""
    space: dict[str, Any] = {"Note": Note}
    exec("def policy(me):\n    return Note.team is None", space)
    with pytest.raises(ConfigError, match="the source of that cannot be read"):
        compile_rules([allow("read", Note)(space["policy"])], CATALOG)


HELPERS = [
    ("def mine(me):\n    return me.id is not None", "return mine(me)", ":9:", "me.id is not None"),
    ("def known(who):\n    return who is not None", "return known(me.id)", ":9:", "who is not None"),
    ("def both(a, b):\n    return a and b", "return both(Note.public, Note.author_id == me.id)", ":9:", "a and b"),
    ("both = lambda a, b: a and b", "return both(Note.public, Note.stars > 1)", ":8:", "a and b"),
    ("class Side:\n    def own(self, me):\n        return not me.id", "return Side().own(me)", ":10:", "not me.id"),
    (
        "def pick(*c):\n    yield from (x for x in c if x)",
        "return or_(*pick(Note.public))",
        ":9:",
        "(x for x in c if x)",
    ),
]


@pytest.mark.parametrize(("helper", "body", "line", "seen"), HELPERS, ids=[body for _, body, *_ in HELPERS])
def test_helpers_are_watched_too(tmp_path: Path, helper: str, body: str, line: str, seen: str) -> None:
    """P1: the line is the helper's."""
    with pytest.raises(ConfigError) as refused:
        rules_of(tmp_path, body, before=helper)
    assert ("BST-E023", True, True) == (
        refused.value.code,
        line in refused.value.message,
        seen in refused.value.message,
    ), refused.value.message


CONSTANTS = [
    ("OPEN = Note.public and Note.loved", "Note.public and Note.loved", "(…) & (…)"),
    ("OPEN = (Note.stars > 1) & (Note.public or Note.loved)", "Note.public or Note.loved", "(…) | (…)"),
    ("OPEN: Any = not Note.public", "not Note.public", "~(…)"),
    ("OPEN = Note.team is None", "Note.team is None", ".is_(None)"),
    ("OPEN = Note.public if Note.team == 'x' else Note.loved", "if Note.team", "case()"),
    ("OPEN = Note.team is not None", "Note.team is not None", ".is_(None)"),
    ("OPEN = Note.team in [Note.meta]", "Note.team in [Note.meta]", ".in_("),
    ("OPEN = Note.team not in [Note.meta]", "Note.team not in [Note.meta]", ".in_("),
    ("OPEN = 'x' in [Note.team, 'x']", "'x' in [Note.team, 'x']", ".in_("),
    ("OPEN = 1 == Note.stars != 5", "1 == Note.stars != 5", "between"),
    ("A = B = OPEN = not Note.public", "not Note.public", "~(…)"),
    ("OPEN = Note.team == 'x' and Note.public", "Note.team == 'x' and Note.public", "(…) & (…)"),
]


@pytest.mark.parametrize(("before", "seen", "advice"), CONSTANTS)
def test_constants_of_the_module_are_looked_at(tmp_path: Path, before: str, seen: str, advice: str) -> None:
    """P1: what was decided when the module was imported is refused where a policy uses it."""
    rules_of(tmp_path, "return Note.public", before=before)
    with pytest.raises(ConfigError, match=r"policies\.py:8: the policy policy uses OPEN") as refused:
        rules_of(tmp_path, "return and_(OPEN, Note.public)", before=before)
    assert (True, True) == (seen in refused.value.message, advice in (refused.value.hint or "")), refused.value


MOMENTS = [
    ("import datetime\nTHEN = datetime.datetime.now().isoformat()", "Note.team > THEN"),
    ("from datetime import date\nTHEN = date.today()", "Note.team > literal(THEN)"),
    ("import time\nTHEN: int = int(time.time())", "Note.stars > THEN"),
    ("import uuid\nTHEN = str(uuid.uuid4())", "Note.team == THEN"),
]


@pytest.mark.parametrize(("before", "used"), MOMENTS)
def test_moments_of_the_module_are_refused(tmp_path: Path, before: str, used: str) -> None:
    """P1: a constant that a clock gave is that of the start for ever."""
    rules_of(tmp_path, "return Note.public", before=before)
    with pytest.raises(ConfigError, match=r"policies\.py:9: the policy policy uses THEN, which is a moment"):
        rules_of(tmp_path, f"return {used}", before=before)


def test_moments_in_helpers_are_refused(tmp_path: Path) -> None:
    """P1: with the line of the helper."""
    with pytest.raises(ConfigError, match=r"policies\.py:10: .*date\.today\(\)"):
        rules_of(
            tmp_path,
            "return Note.team < day()",
            before="from datetime import date\ndef day():\n    return str(date.today())",
        )


def test_plain_constants_are_fine(tmp_path: Path) -> None:
    """P1: so are those that are made of plain values."""
    before = "A = None\nB = A is None and 'x' in {'x'} or not A\nC = Note.public if B else Note.loved"
    assert "notes.public" == sql_of(rules_of(tmp_path, "return C if B else False", before=before))


def test_values_of_me_that_were_made_before_are_looked_at(tmp_path: Path) -> None:
    """P1: one that a module keeps has its shapes, and its place, as one that the policy asked for itself."""
    before = "TEAMS = Me().claim('teams')"
    for body, seen in (
        ("return Note.team.in_(TEAMS)", "looks in me.claim('teams') as in a list"),
        ("return Note.meta == TEAMS", "compares me.claim('teams') with JSON"),
    ):
        with pytest.raises(ConfigError, match=r"policies\.py:8: the policy policy ") as refused:
            rules_of(tmp_path, body, before=before)
        assert seen in refused.value.message
    assert "notes.team = :me_claim_1" == sql_of(rules_of(tmp_path, "return Note.team == TEAMS", before=before))


DEFERRED = [
    ('@allow("read", Note)\nasync def policy(me):\n    return Note.public', "is async"),
    ('@allow("read", Note)\nasync def policy(me):\n    yield Note.public', "is async"),
    ('policy = allow("read", Note)(lambda me: Note.public and me.id)', "Note.public and me.id"),
    ('policy = allow("read", Note)(lambda me: me.id is not None)', "me.id is not None"),
    ('policy = allow("read", Note)(lambda me: None)', "returned None"),
    ('async def later():\n    return True\npolicy = allow("read", Note)(lambda me: later())', "(coroutine)"),
    ('class Rule:\n    def __call__(self, me):\n        return\npolicy = allow("read", Note)(Rule())', "returned None"),
    (
        'import functools\npolicy = allow("read", Note)(functools.partial(lambda side, me: side and me.id, Note.public))',
        "side and me.id",
    ),
]


@pytest.mark.parametrize(("text", "seen"), DEFERRED)
def test_other_ways_to_write_a_policy_are_watched_too(tmp_path: Path, text: str, seen: str) -> None:
    """P1: coroutines, lambdas, objects that are called, partial functions."""
    with pytest.raises(ConfigError) as refused:
        rules_in(tmp_path, text)
    assert ("BST-E023", True) == (refused.value.code, seen in refused.value.message), refused.value.message
    assert f"{tmp_path / 'policies.py'}:" in refused.value.message


#: Bodies that say what they read, and their SQL.
MEANT = [
    ("return True", "true"),
    ("return False", "false"),
    ("return true()", "true"),
    ("return Note.public", "notes.public"),
    ("return ~Note.public", "NOT notes.public"),
    ("return Note.loved", "notes.stars > :stars_1"),
    ("return Note.author_id == me.id", "notes.author_id = :me_id_1"),
    ("return me.id == Note.author_id", ":me_id_1 = notes.author_id"),
    ("return (Note.author_id == me.id) & Note.public", "notes.author_id = :me_id_1 AND notes.public"),
    ("return or_(Note.public, Note.author_id == me.id)", "notes.public OR notes.author_id = :me_id_1"),
    ("return not_(Note.author_id == me.id)", "notes.author_id != :me_id_1"),
    ("return or_(false(), Note.public)", "notes.public"),
    ("return me.id.is_not(None)", ":me_id_1 IS NOT NULL"),
    ("return me.claim('sub') == Note.author_id", ":me_id_1 = notes.author_id"),
    ("return me.id.is_(None)", ":me_id_1 IS NULL"),
    ("return me.id == None", ":me_id_1 IS NULL"),
    ('return me.role == "staff"', ":me_role_1 = :param_1"),
    ('return ~me.has_role("staff")', ":me_has_role_1 != true"),
    ('return me.claim("admin")', ":me_claim_1"),
    ('return me.claim("plan").in_(["a", "b"])', ":me_claim_1 IN (__[POSTCOMPILE_param_1])"),
    (
        "return Note.words.any(Word.text == me.role)",
        "EXISTS (SELECT 1 FROM words AS words_1, notes WHERE notes.id = words_1.note_id AND words_1.text = :me_role_1)",
    ),
    ("return Note.texts.contains('x')", None),
    ("return Note.public == me.claim('x')", "notes.public = :me_claim_1"),
    ("return Note.public == True", "notes.public = true"),
    ("return Note.public != Note.loved", None),
    ("return (Note.stars > 1) == Note.public", None),
    ("return (Note.stars > 1) == True", None),
    ("return ~Note.public == Note.loved", None),
    ("return (Note.public & Note.loved).is_(True)", None),
    ("return me.has_role('a') & Note.public", None),
    ("return or_(Note.public, me.claim('a')) & ~me.claim('b')", None),
    ("return or_(Note.public, func.may_see(Note.id), null())", None),
    ("return or_(Note.public, Note.team.op('~')('x'))", None),
    ("return and_(Note.public, True)", "notes.public"),
    ("return exists().where(Word.note_id == Note.id)", None),
    ("return exists(select(text('1')).where(Word.note_id == Note.id))", None),
    ("return Note.id.in_(select(Word.note_id).where(Word.text == me.role))", None),
    ("other = aliased(Note)\nreturn exists().where(other.author_id == me.id, other.id == Note.id)", None),
    ("known = select(Note.id).where(Note.public).cte()\nreturn Note.id.in_(select(known.c.id))", None),
    ("return case((Note.public, True), else_=Note.author_id == me.id)", None),
    ("return select(Note.public).where(Note.author_id == me.id).scalar_subquery()", None),
    ("return cast(me.claim('n'), Integer) == Note.stars", None),
    ("return Note.stars.between(me.claim('low'), me.claim('high'))", None),
    ("return Note.meta['team'].as_string() == me.claim('team')", None),
    ("return Note.meta['public'].as_boolean()", None),
    ("return Note.team.op('~')('x')", "notes.team ~ :team_1"),
    ("return func.may_see(Note.id)", "may_see(notes.id)"),
    (
        "return tuple_(Note.team, Note.stars).in_([(me.role, 1)])",
        "(notes.team, notes.stars) IN ((:me_role_1, :param_1))",
    ),
    ("return func.lower(Note.team) + func.trim(me.role) == 'a'", "lower(notes.team) || trim(:me_role_1) = :param_1"),
    ("return Note.team + me.role == 'x'", None),
    ("import datetime\nreturn func.now() > literal(datetime.datetime(2020, 1, 1))", None),
    ("return or_(*[Note.stars == n for n in range(3)])", None),
    ("cond = Note.public\nfor n in (1, 2):\n    cond |= Note.stars == n\nreturn cond", None),
    ("conditions = [Note.public]\nif conditions:\n    return or_(*conditions)", "notes.public"),
    ("return SETTING is None or Note.public", "true"),
    ("return Note.public if SETTING is None else False", "notes.public"),
    ("if SETTING:\n    return True\nreturn Note.public", "notes.public"),
    ("if 'a' in PLANS and not SETTING:\n    return Note.public\nreturn False", "notes.public"),
    ("return optional(Note.public)", "notes.public"),
    ("return optional()", "false"),
    ("return Side(Note.public).column", "notes.public"),
    ("return Note.public if Side(1) == Side(1) else False", "notes.public"),
    ("return keyed(column=Note.public)", "notes.public"),
    ("import datetime\nreturn literal(datetime.date(2026, 1, 1)) > func.now()", None),
    ("import time\nstart = time.perf_counter()\nreturn Note.public", "notes.public"),
    ("import uuid\nreturn Note.author_id == uuid.UUID(int=7)", None),
    ("import os\nreturn Note.team == os.environ.get('HOME', 'x')", None),
    ("return Note.team == func.to_char(func.now(), 'YYYY')", None),
    ("print(f'compiled for {PLANS}')\nreturn Note.public", "notes.public"),
    ("import logging\nlogging.getLogger('x').warning('it is %s', Note.public)\nreturn Note.public", "notes.public"),
]
PLAIN = """\
from dataclasses import dataclass, field
SETTING = None
PLANS = {"a": 1}
def optional(column=None):
    if column is None:
        return false()
    return column
def keyed(*, column=None):
    return false() if column is None else column
@dataclass
class Side:
    column: Any
    more: list[int] = field(default_factory=list)
"""


@pytest.mark.parametrize(("body", "sql"), MEANT, ids=[body for body, _ in MEANT])
def test_what_is_meant_starts(tmp_path: Path, body: str, sql: str | None) -> None:
    """P1: plain Python over plain values, helpers, loops and every expression of SQLAlchemy stay right."""
    found = sql_of(rules_of(tmp_path, body, before=PLAIN))
    assert sql is None or sql == found


TYPES = [
    ("return Note.author_id == me.id", ["CHAR(32)"]),
    ("return me.id.is_(None)", ["VARCHAR"]),
    ("return me.id.in_(['a'])", ["VARCHAR"]),
    ("return me.id.in_([1, 2])", ["INTEGER"]),
    ("return me.id.in_(select(Note.author_id))", ["CHAR(32)"]),
    ("return me.claim('n') > 3", ["INTEGER"]),
    ("return Note.stars >= me.claim('n')", ["INTEGER"]),
    ("return Note.stars.between(me.claim('a'), me.claim('b'))", ["INTEGER", "INTEGER"]),
    ("return me.claim('n').between(1, 3)", ["INTEGER"]),
    ("return me.claim('a') == me.claim('b')", ["VARCHAR", "VARCHAR"]),
    ("return me.claim('a').is_distinct_from(Note.stars)", ["INTEGER"]),
    ("return me.claim('admin')", ["BOOLEAN"]),
    ("return ~me.claim('admin')", ["BOOLEAN"]),
    ("return me.claim('admin').is_(True)", ["BOOLEAN"]),
    ("return Note.public & me.claim('admin')", ["BOOLEAN"]),
    ("return or_(me.claim('admin'), me.claim('b'))", ["BOOLEAN", "BOOLEAN"]),
    ("return cast(me.claim('n'), Integer) == 1", ["INTEGER"]),
    ("return func.coalesce(me.id, Note.author_id) == Note.author_id", ["CHAR(32)"]),
    ("return func.lower(me.claim('n')) == 'x'", ["VARCHAR"]),
    ("return me.claim('n').like('x%')", ["VARCHAR"]),
    ("return cast(Note.stars, Integer) == me.role", ["VARCHAR"]),
    ("return Note.stars.in_([me.claim('a'), me.claim('b')])", ["INTEGER", "INTEGER"]),
    ("return me.claim('a').in_([Note.stars])", ["INTEGER"]),
    ("return Note.stars > me.claim('n') + 1", ["INTEGER"]),
    ("return tuple_(Note.stars, me.claim('n')) == tuple_(me.claim('a'), 2)", ["INTEGER", "INTEGER"]),
    ("return tuple_(me.claim('n'), me.claim('a')) == tuple_(Note.stars, 2)", ["INTEGER", "INTEGER"]),
    ("return Note.public & (me.claim('a') == me.claim('b'))", ["VARCHAR", "VARCHAR"]),
    ("return or_(Note.public, me.claim('n').is_(None))", ["VARCHAR"]),
    ("return case((Note.public, me.claim('n')), else_=3) == Note.stars", ["INTEGER"]),
    ("return case((Note.public, 3), else_=me.claim('n')) == Note.stars", ["INTEGER"]),
    ("return case((me.claim('a'), 3), else_=4) == Note.stars", ["BOOLEAN"]),
    ("return case({1: 'a'}, value=me.claim('n')) == Note.team", ["INTEGER"]),
    ("return case((Note.stars == 1, 'a'), else_='b') == me.claim('n')", ["VARCHAR"]),
]


@pytest.mark.parametrize(("body", "types"), TYPES, ids=[body for body, _ in TYPES])
def test_each_value_of_me_has_a_type(tmp_path: Path, body: str, types: list[str]) -> None:
    """P1: that of what it is compared with; a parameter without one is NULL to SQLite and refused by PostgreSQL."""
    (rule,) = rules_of(tmp_path, body)
    assert types == [str(each.type) for each in visitors.iterate(rule.rows) if isinstance(each, MeParameter)]
