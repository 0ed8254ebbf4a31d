"""Policies that say something else than they read, by whatever Python offers: none of them starts.

Beside `test_expression`: there Python asks the expressions themselves, here it asks about them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay.errors import ConfigError
from tests.policy.written import rules_in, rules_of, sql_of

BEFORE = """\
import inspect, operator, re
from contextlib import suppress
from functools import reduce, partial
from operator import is_not as differs
from types import SimpleNamespace
from sqlalchemy.orm import InstrumentedAttribute, registry
from backstay import Caller, Principal
MINE = SimpleNamespace(ask=isinstance)
has = hasattr
REGISTRY = registry()
@REGISTRY.mapped
class Plain:
    __tablename__ = "plain"
    id = Column(Integer, primary_key=True)
def known(column):
    return isinstance(column, bool)
def first_of(*columns):
    return [each for each in columns if each.key == "public"]
class Kept:
    def __init__(self, column): self.column = column
    def open(self): return callable(self.column)
"""
#: The body of a policy, and what the message quotes.
LIES = [
    # what a value is
    ("return isinstance(Note.public, bool)", "isinstance(Note.public, bool)"),
    ("return not isinstance(Note.public, bool)", "isinstance(Note.public, bool)"),
    ("return not isinstance(Note.public, (bool, int))", "isinstance(Note.public, (bool, int))"),
    ("return Note.public if isinstance(me.role, str) else true()", "isinstance(me.role, str)"),
    ("return Note.public if isinstance(Note.public, bool) else ~Note.public", "isinstance(Note.public, bool)"),
    ("return MINE.ask(Note.public, InstrumentedAttribute | bool)", "MINE.ask("),
    ("return known(Note.public) or Note.loved", "reads Note.public"),
    ("return Note.loved if known(Note.public) else ~Note.loved", "reads Note.public"),
    ("return (lambda c: not isinstance(c, bool))(Note.public)", "reads Note.public"),
    ("return [isinstance(c, bool) for c in (Note.public, Note.loved)][0]", "reads Note.public"),
    ("return or_(*[isinstance(c, bool) for c in (Note.public,)])", "reads Note.public"),
    ("return (lambda who: not isinstance(who, str))(me.role)", "reads me.role"),
    ("return type(Note.public) is bool", "type(Note.public)"),
    ("return type(Note.public) is not bool", "type(Note.public)"),
    ("return type(Note.public) == bool", "type(Note.public)"),
    ("return type(me.id) != type(None)", "type(me.id)"),
    ("return Note.public.__class__ is not bool", "reads Note.public"),
    ('return type(Note.public).__name__ != "bool"', "type(Note.public)"),
    ("return id(me.id) != 0", "id(me.id)"),
    ("return id(Note.public) == id(Note.public)", "id(Note.public)"),
    ("return callable(me.has_role)", "callable(me.has_role)"),
    ("return not callable(Note.public)", "callable(Note.public)"),
    ("return Kept(Note.public).open()", "callable(self.column)"),
    ("column = Note.public\nreturn not callable(column)", "reads Note.public"),
    ("return bool(vars(Note.public))", "vars(Note.public)"),
    ('return "impl" in vars(Note.public)', "vars(Note.public)"),
    ("return bool(vars(me))", "vars(me)"),
    ("return bool(dir(me))", "dir(me)"),
    ('return "role" in dir(me)', "dir(me)"),
    ("return inspect.isclass(Note.public)", "reads Note.public"),
    ("return not inspect.isroutine(me.has_role)", "reads me.has_role"),
    # identity without a word
    ("return operator.is_not(me.id, None)", "operator.is_not(me.id, None)"),
    ("return operator.is_not(Note.team, None)", "operator.is_not(Note.team, None)"),
    ("return differs(Note.team, None)", "differs(Note.team, None)"),
    ("return operator.is_(Note.public, True) or Note.loved", "operator.is_(Note.public, True)"),
    ("return Note.public if differs(me.role, None) else false()", "differs(me.role, None)"),
    ("return partial(operator.is_not, None)(Note.team)", "reads Note.team"),
    ("return (who := me.id) is not None", "(who := me.id) is not None"),
    ("return Note.public if (seen := Note.public) is not None else seen", "(seen := Note.public) is not None"),
    ("return Note.public in [Note.public]", "Note.public in [Note.public]"),
    ("return Note.public not in [Note.public]", "Note.public not in [Note.public]"),
    ("return me in [me]", "me in [me]"),
    ("return Note.public if Note.public in (Note.public, Note.loved) else false()", "Note.public in ("),
    ("return [Note.public].count(Note.public) == 1", "[Note.public].count(Note.public)"),
    ("return not [Note.public].index(Note.public)", "[Note.public].index(Note.public)"),
    ("return operator.countOf([Note.public], Note.public) == 1", "operator.countOf("),
    # what an attribute is called, and whether it is there
    ('return Note.public.key == "public"', "reads Note.public"),
    ('return Note.public.name != "private"', "reads Note.public"),
    ('return Note.public if Note.stars.key == "stars" else false()', "reads Note.stars"),
    ('return or_(Note.public, Note.public.key == "public")', "reads Note.public"),
    ('return or_(Note.public, Note.stars.key == "stars")', "reads Note.stars"),
    ("return bool(first_of(Note.public, Note.loved))", "reads Note.public"),
    ("return Note.stars.type.python_type is int", "reads Note.stars"),
    ("return not Note.team.nullable", "reads Note.team"),
    ("return Note.words.prop.uselist", "reads Note.words"),
    ("return not hasattr(Note.public, 'value')", "hasattr(Note.public, 'value')"),
    ("return hasattr(me, 'id')", "reads me.id"),
    ("return hasattr(me, 'org_id')", "me.org_id"),
    ("return getattr(me, 'org_id', None) is None", "me.org_id"),
    ("return getattr(Note.public, 'value', True)", "getattr(Note.public, 'value', True)"),
    ("return bool(getattr(Note, 'public').key)", "reads Note.public"),
    ("return bool(aliased(Note).public.key)", "reads aliased.public"),
    ("other = aliased(Note)\nother.public\nreturn bool(other.stars.key)", "reads aliased.public"),
    ("return bool(Note.__table__.c.public.name)", "reads table.public"),
    ('return bool(Note.__table__.c["public"].name)', "reads table.public"),
    ('return bool(Note.__table__.c.get("public").name)', "reads table.public"),
    ("return Note().public is None", "Note().public"),
    ("return hasattr(Note, 'pubilc')", "Note has no pubilc"),
    ("return not hasattr(Note, 'pubilc')", "Note has no pubilc"),
    ("return getattr(Note, 'pubilc', True)", "Note has no pubilc"),
    ("return Note.loved if getattr(Note, 'pubilc', None) is None else Note.pubilc", "Note has no pubilc"),
    ("return has(Note, 'pubilc')", "Note has no pubilc"),
    ("return operator.attrgetter('pubilc')(Note) is None", "Note has no pubilc"),
    ("return reduce(getattr, ['pubilc'], Note)", "Note has no pubilc"),
    ("return not any(map(hasattr, [Note], ['pubilc']))", "Note has no pubilc"),
    ("return not [*filter(partial(hasattr, Note), ['pubilc'])]", "Note has no pubilc"),
    ("return partial(getattr, Note, 'pubilc', Note.loved)()", "Note has no pubilc"),
    ("return not hasattr(*iter((Note, 'pubilc')))", "Note has no pubilc"),
    ("try:\n    return Note.pubilc\nexcept AttributeError:\n    return True", "Note has no pubilc"),
    ("with suppress(AttributeError):\n    return Note.pubilc\nreturn True", "Note has no pubilc"),
    ("try:\n    return Note.pubilc\nexcept BaseException:\n    return True", "Note has no pubilc"),
    ("return hasattr(aliased(Note), 'pubilc')", "Note has no pubilc"),
    ("return getattr(aliased(Note), 'pubilc', True)", "Note has no pubilc"),
    ("return hasattr(Note.__table__.c, 'pubilc')", "its table has no column pubilc"),
    ("return Note.__table__.c.get('pubilc') is None", "its table has no column pubilc"),
    ("try:\n    Note.__table__.c['pubilc']\nexcept KeyError:\n    return True", "its table has no column pubilc"),
    ("return hasattr(Plain, 'pubilc')", "Plain has no pubilc"),
    ("return getattr(Plain, 'pubilc', True)", "Plain has no pubilc"),
    ("try:\n    return Plain.pubilc\nexcept AttributeError:\n    return True", "Plain has no pubilc"),
    ("try:\n    return Noet.public\nexcept Exception:\n    return True", "name 'Noet' is not defined"),
    ("with suppress(NameError):\n    return Noet.public\nreturn True", "name 'Noet' is not defined"),
    ("try:\n    return me.org\nexcept AttributeError:\n    return True", "me.org"),
    ("return repr(me) != 'anon'", "is not a value: me"),
    ("return f'{me!r}' != 'anon'", "is not a value: me"),
    ("return bool(re.match('', repr(me)))", "is not a value: me"),
    ("return isinstance(me, Me)", "isinstance(me, Me)"),
    ("return isinstance(me, (Me, str))", "isinstance(me, (Me, str))"),
    ("return isinstance(me, (Caller, str))", "isinstance(me, (Caller, str))"),
    ("return bool(len([Note.public]))", "reads Note.public"),
    ("return bool((Note.public,))", "reads Note.public"),
    ("return bool({'a': Note.public})", "reads Note.public"),
    ("return SimpleNamespace(a=Note.public) != None", "reads Note.public"),
    ("return me.__class__.__name__ != 'Anonymous'", "me.__class__"),
    ("return bool(me.__doc__)", "me.__doc__"),
    # match, try and what is left of them
    ("match Note.public:\n    case bool():\n        return Note.public\nreturn True", "match Note.public"),
    ("match Note.public:\n    case InstrumentedAttribute():\n        return True\nreturn False", "match Note.public"),
    ("match (Note.public, 1):\n    case (bool(), 1):\n        return False\nreturn True", "match (Note.public, 1)"),
    ("match Note.meta:\n    case {}:\n        return False\nreturn True", "match Note.meta"),
    ("match Note.meta:\n    case [_]:\n        return False\nreturn True", "match Note.meta"),
    ("match Note.public:\n    case _:\n        return True", "reads Note.public"),
    ("try:\n    Note.public + {}\nexcept Exception:\n    pass\nreturn True", "reads Note.public"),
    ("try:\n    int(me.id)\nexcept TypeError:\n    return True\nreturn False", "reads me.id"),
    ("try:\n    Note.public()\nexcept TypeError:\n    return True", "reads Note.public"),
    ("try:\n    if Note.public: pass\nexcept BaseException:\n    return True", "if Note.public"),
    ("mine = Note.author_id == Note.author_id\nreturn Note.public", "reads Note.author_id"),
    ("Note.public\nreturn True", "reads Note.public"),
    ("Note.public & Note.loved\nreturn Note.loved", "reads Note.public"),
    ("return reduce(lambda a, b: b, [Note.public, Note.loved])", "reads Note.public"),
    ("return [Note.public, Note.author_id == me.id][0]", "reads me.id"),
    ("return max([Note.public, Note.loved], key=lambda c: c.key)", "reads Note."),
    ("return next(iter((Note.loved, Note.public)))", "reads Note.public"),
    ("return exists().where(Word.note_id == Note.id) if Word.text.key else False", "reads Word.text"),
    # the classes of callers
    ('return Principal.role != "banned"', "Principal.role"),
    ("return Principal.id != None", "Principal.id"),
    ("return Principal.is_service == False", "Principal.is_service"),
    ("return getattr(Principal, 'role') != 'anon'", "Principal.role"),
    ("return Caller.principal != None", "Caller.principal"),
]


@pytest.mark.parametrize(("body", "seen"), LIES, ids=[body for body, _ in LIES])
def test_a_lie_does_not_start(tmp_path: Path, body: str, seen: str) -> None:
    """P1, F6: what Python knows of a symbol is the same for everybody, and is no condition."""
    with pytest.raises(ConfigError) as refused:
        rules_of(tmp_path, body, before=BEFORE)
    fault = refused.value
    assert ("BST-E023", True, True) == (fault.code, seen in fault.message, bool(fault.hint)), fault.message
    assert f"{tmp_path / 'policies.py'}:" in fault.message or "written.py:" in fault.message


#: What Python may be asked of a model, and of plain values.
ASKED = [
    ("return Note.public if 'public' in Note.__table__.c else false()", "notes.public"),
    ("return Note.public if hasattr(Note, 'public') else false()", "notes.public"),
    ("return getattr(Note, 'public', None)", "notes.public"),
    (
        "return Note.public if hasattr(Note, '__table__') and not hasattr(Note, '__missing__') else false()",
        "notes.public",
    ),
    ("try:\n    int('x')\nexcept ValueError:\n    return Note.public", "notes.public"),
    ("try:\n    'x'.nope\nexcept AttributeError:\n    return Note.public", "notes.public"),
    ("try:\n    int.nope\nexcept AttributeError:\n    return Note.public", "notes.public"),
    ("return false() if isinstance(me, Caller) else Note.public", "notes.public"),
]


@pytest.mark.parametrize(("body", "sql"), ASKED, ids=[body for body, _ in ASKED])
def test_what_may_be_asked(tmp_path: Path, body: str, sql: str) -> None:
    """P1: what is there, a table's columns by name, and faults of plain values."""
    assert sql == sql_of(rules_of(tmp_path, body, before=BEFORE))


@pytest.mark.parametrize("name", ["isinstance(Note.public, bool)", "callable(Note.public)", "bool(Note.public)"])
def test_a_constant_that_python_decided(tmp_path: Path, name: str) -> None:
    """P1, F6: in the policy's module, before it ran."""
    with pytest.raises(ConfigError, match="OPEN, which Python decided"):
        rules_in(tmp_path, f'OPEN = {name}\n@allow("read", Note)\ndef policy(me):\n    return Note.loved | OPEN\n')


TYPES = """\
import sqlalchemy as sa
class Elsewhere(sa.TypeDecorator):
    impl, cache_ok = sa.String, True
    def bind_expression(self, value): return sa.text("(SELECT 'x')")
class Beside(sa.TypeDecorator):
    impl, cache_ok = sa.String, True
    def bind_expression(self, value): return sa.select(value).select_from(Word).scalar_subquery()
class Read(sa.TypeDecorator):
    impl, cache_ok = sa.String, True
    def column_expression(self, column): return column.op("+ 1 --")(1)
class Always(sa.TypeDecorator):
    impl, cache_ok = sa.String, True
    class comparator_factory(sa.String.Comparator):
        def __eq__(self, other): return sa.true()
class Lower(sa.TypeDecorator):
    impl, cache_ok = sa.String, True
    def bind_expression(self, value): return sa.func.lower(value)
"""
WORDS = [
    ('return exists(select(table("secrets", column("x")).c.x))', "BST-E080", "table('secrets')"),
    ('return exists().select_from(table("secrets"))', "BST-E080", "table('secrets')"),
    ('t = table("_w", column("id"))\nreturn exists().where(t.c.id == Note.id)', "BST-E080", "table('_w')"),
    ('t = table("sqlite_master", column("name"))\nreturn Note.team.in_(select(t.c.name))', "BST-E080", "sqlite_master"),
    ('t = table("notes", column("id"), schema="other")\nreturn Note.id.in_(select(t.c.id))', "BST-E080", "'notes'"),
    ('t = table("notes", column("nid"))\nreturn Note.id.in_(select(t.c.nid))', "BST-E080", "no column nid"),
    (
        't = table("words").alias("notes")\nreturn exists().select_from(t).where(column("x"))',
        "BST-E027",
        "without a table",
    ),
    ('return exists(select(column("x")).select_from(table("words")))', "BST-E027", "without a table: x"),
    ('return literal_column("public")', "BST-E027", "a text: 'public'"),
    ('return exists(select(text("1")).select_from(text("secrets")))', "BST-E023", "text('1')"),
    ('return Note.id == text("(SELECT 1)")', "BST-E023", "text('(SELECT 1)')"),
    ('return literal("x", Elsewhere()) == Note.team', "BST-E027", "its type leaves out: Elsewhere"),
    ('return type_coerce(Note.team, Elsewhere()) == "x"', "BST-E027", "its type leaves out: Elsewhere"),
    ('return type_coerce(Note.team, Beside()) == "x"', "BST-E027", "a query of the type Beside"),
    (
        't = Table("words", MetaData(), Column("text", Read()))\nreturn Note.team.in_(select(t.c.text))',
        "BST-E027",
        "operator that is a text",
    ),
    ('return type_coerce(Note.team, Always()) == "x"', "BST-E023", "reads Note.team"),
]


@pytest.mark.parametrize(("body", "code", "seen"), WORDS, ids=[body for body, *_ in WORDS])
def test_words_are_no_tables(tmp_path: Path, body: str, code: str, seen: str) -> None:
    """P1, F6: what a text, a name without columns or a type's own SQL would look at is refused."""
    with pytest.raises(ConfigError) as refused:
        rules_of(tmp_path, body, before=TYPES)
    assert (code, True) == (refused.value.code, seen in refused.value.message), refused.value.message


MEANT = [
    (
        't = table("words", column("note_id"), column("text"))\nreturn Note.id.in_(select(t.c.note_id))',
        "notes.id IN (SELECT words_1.note_id FROM words AS words_1)",
    ),
    ('return type_coerce(Note.team, Lower()) == "x"', "notes.team = lower(:param_1)"),
    ('return Note.public.bool_op("is not")(None)', "notes.public is not :public_1"),
]


@pytest.mark.parametrize(("body", "sql"), MEANT, ids=[body for body, _ in MEANT])
def test_words_that_are_known(tmp_path: Path, body: str, sql: str) -> None:
    """P1, F6: a table that is served may be named, and a type may change what it is given."""
    assert sql == sql_of(rules_of(tmp_path, body, before=TYPES))
