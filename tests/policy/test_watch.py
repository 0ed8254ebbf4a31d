"""The watch is in force for the policy that is compiled, in its thread, and nowhere else."""

from __future__ import annotations

import contextlib
import cProfile
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context
from threading import Event, Thread
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.associationproxy import AssociationProxyInstance
from sqlalchemy.orm.attributes import InstrumentedAttribute, QueryableAttribute
from sqlalchemy.orm.decl_api import DeclarativeAttributeIntercept
from sqlalchemy.orm.util import AliasedClass
from sqlalchemy.sql import elements, operators, schema
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from backstay.catalog.noted import asked_places, forget_asked
from backstay.errors import ConfigError
from backstay.policy.identity import call_traced
from backstay.policy.moment import call_at_no_moment
from backstay.policy.watch import operations_replaced, unwatched, watched, watching
from tests.policy.written import Note

OWNERS = (
    QueryableAttribute,
    AssociationProxyInstance,
    elements.ClauseElement,
    elements.CompilerElement,
    elements.BinaryExpression,
    elements.BindParameter,
    operators.ColumnOperators,
    schema.Column,
    InstrumentedAttribute,
    DeclarativeAttributeIntercept,
    AliasedClass,
    ReadOnlyColumnCollection,
    elements.BooleanClauseList,
    Thread,
    ThreadPoolExecutor,
)


def _methods() -> list[dict[str, Any]]:
    return [dict(vars(owner)) for owner in OWNERS]


def _usual() -> list[Any]:
    """What SQLAlchemy says outside policies."""
    return [
        bool(Note.public),
        bool(Note.author_id == Note.team),
        bool(Note.author_id != Note.team),
        Note.public in {Note.public},
        Note.__table__.c.team in [Note.__table__.c.team],
        str(Note.public),
        str(Note.__table__.c.public),
        f"{sa.bindparam('x')}",
        Note.meta["a"].key if hasattr(Note.meta["a"], "key") else None,
    ]


def test_nothing_is_left_behind() -> None:
    """P1: SQLAlchemy's classes are after a policy what they were before, also where it is refused."""
    before, said = _methods(), _usual()
    with watched("one"), watched("two"):
        assert _methods() != before
    assert before == _methods()
    with pytest.raises(ConfigError), watched("three"):
        bool(Note.public)
    with pytest.raises(LookupError), watched("four"):
        raise LookupError
    assert (before, said, None) == (_methods(), _usual(), watching())


def test_many_policies_are_watched_by_one_replacement() -> None:
    """P1: who compiles many policies replaces the operations once, and they watch nothing in between."""
    before, said = _methods(), _usual()
    with operations_replaced():
        replaced = _methods()
        assert (said, None) == (_usual(), watching())
        with pytest.raises(ConfigError), watched("one"):
            assert replaced == _methods()
            bool(Note.public)
        assert (replaced, said) == (_methods(), _usual())
    assert before == _methods() != replaced


def test_another_thread_is_not_watched() -> None:
    """P1: while one thread compiles a policy, a request in another goes on as ever."""
    said, seen, compiling = _usual(), [], Event()

    def ask() -> None:
        compiling.wait(60)
        seen.append(_usual())

    thread = Thread(target=ask)
    thread.start()
    with watched("one"):
        compiling.set()
        thread.join()
        with unwatched():
            seen.append(_usual())
    assert [said, said] == seen


ASKED: list[Callable[[], Any]] = [
    lambda: bool(Note.public),
    lambda: bool(Note.public == Note.team),
    lambda: bool(Note.public < Note.team),
    lambda: bool(Note.texts),
    lambda: hash(Note.public),
    lambda: hash(sa.literal(1)),
    lambda: hash(Note.__table__.c.public),
    lambda: str(Note.public),
    lambda: str(sa.literal(1)),
    lambda: str(Note.__table__.c.public),
    lambda: f"{Note.public}",
    lambda: repr(Note.public),
    lambda: repr(sa.literal(1)),
    lambda: repr(Note.__table__.c.public),
    lambda: repr(Note.public & Note.loved),
    lambda: 1 in Note.public,
    lambda: list(Note.meta),
    lambda: iter(Note.meta).__next__(),
    lambda: Note.public in [Note.team],
    lambda: Note.public in {Note.team},
]


@pytest.mark.parametrize("ask", ASKED, ids=range(len(ASKED)))
def test_each_question_is_refused(ask: Callable[[], Any]) -> None:
    """P1: with the place of the question."""
    with pytest.raises(ConfigError, match=r"test_watch\.py:\d+: the policy one ") as refused, watched("one"):
        ask()
    assert "BST-E023" == refused.value.code


def test_sqlalchemy_may_ask() -> None:
    """P1: what SQLAlchemy asks of its own expressions is answered: selects, aliases, adaption, compilation."""
    with watched("one"):
        alias = sa.orm.aliased(Note)
        query = sa.select(Note).join(alias, alias.id == Note.id).where(Note.words.any(), Note.meta["a"]["b"].is_(None))
        cte = query.cte()
        rows = sa.select(cte).where(cte.c.public, cte.c.stars.in_([1, 2]))
        compiled = rows.compile()
    assert {"stars_1": [1, 2]} == {name: value for name, value in compiled.params.items() if name == "stars_1"}


@contextmanager
def _tracer(own: Any) -> Iterator[None]:
    before = sys.gettrace()
    sys.settrace(own)
    try:
        yield
    finally:
        sys.settrace(before)


def test_a_tracer_goes_on() -> None:
    """P1: a debugger that was there before is there afterwards, also where the policy is refused."""

    def own(*_: Any) -> None:
        return None

    with _tracer(own):
        with watched("one") as watch:
            call_traced(watch, lambda: True)
        found = [sys.gettrace()]
        with pytest.raises(ConfigError), watched("two") as watch:
            call_traced(watch, lambda: Note.public is None)
        found.append(sys.gettrace())
    assert [own, own] == found


def test_a_profiler_goes_on() -> None:
    """P1: an app starts under ``cProfile`` too, whose profiler is no function, and is measured to the end."""
    profiler = cProfile.Profile()
    before = sys.getprofile()
    profiler.enable()
    try:
        with watched("one") as watch:
            call_at_no_moment(watch, lambda: True)
        found = [sys.getprofile()]
        with pytest.raises(ConfigError), watched("two") as watch:
            call_at_no_moment(watch, lambda: Note.public is None or bool(Note.public))
        found.append(sys.getprofile())
    finally:
        profiler.disable()
        sys.setprofile(before)
    assert [profiler, profiler] == found


@pytest.mark.parametrize(
    ("module", "theirs"),
    [
        ("sqlalchemy.sql.compiler", True),
        ("backstay.sql.select", True),
        ("backstay", True),
        ("sqlalchemy_utils.types", False),
        ("backstay_shop.models", False),
        ("app.policies", False),
    ],
)
def test_whose_question_it_is(module: str, theirs: bool) -> None:
    """P1: SQLAlchemy and Backstay may ask; a package whose name only begins like theirs is seen, at any time."""
    code = compile("bool(column)", f"/srv/{module}.py", "exec")
    forget_asked()
    exec(code, {"__name__": module, "column": Note.public})
    assert theirs == (code not in {asked for asked, _, _ in asked_places()})
    forget_asked()
    with contextlib.nullcontext() if theirs else pytest.raises(ConfigError), watched("one"):
        exec(code, {"__name__": module, "column": Note.public})


def test_a_context_of_its_own_is_watched_too() -> None:
    """P1: `Context().run` knows no `ContextVar` of the policy's; what it asks there is refused all the same."""
    with pytest.raises(ConfigError, match="asks Python whether an expression is true"), watched("policy"):
        Context().run(lambda: bool(Note.public == sa.true()))


def _begun() -> None:
    Thread(target=lambda: None).start()


def _handed_on() -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: None)


@pytest.mark.parametrize("begin", [_begun, _handed_on])
def test_no_other_thread_is_begun(begin: Callable[[], None]) -> None:
    """P1: what is asked, read and lost in another thread would be seen by nobody; also where the refusal is caught."""
    refusal = pytest.raises(ConfigError, match="begins another thread")
    with refusal as refused, watched("policy"), contextlib.suppress(ConfigError):
        begin()
    assert "BST-E023" == refused.value.code
