"""The watch over a policy while it is compiled: what Python would decide, and SQL could not mean, is refused.

A policy builds an expression.  ``and``, ``or``, ``not``, ``if``, ``in``, ``is`` and texts do not build one: Python asks
the expression itself, once, and goes on with the answer, so that the policy says something else than it reads.
SQLAlchemy lets ``a == b`` and mapped attributes be asked, since it asks them itself.  So the watch tells by the frame
who asks: SQLAlchemy may, everybody else may not.

1. It is in force for the code that a policy runs, in its thread, and nowhere else.  It is the thread's and no
   `ContextVar`, since code that runs in a context of its own is the policy's too; another thread may not be begun.
2. The operations are replaced while any policy is compiled, and put back after the last.  Who compiles many keeps them
   replaced in between (`operations_replaced`): Python looks through all of SQLAlchemy's classes at each change of one.
3. What was refused stays refused, where the policy caught the exception too.
4. What the policy reads of the models and of ``me`` is noted, so that what it returns can be asked for it.
5. What a model does not have is refused where it is asked for: ``hasattr()``, a default of ``getattr()`` and ``except
   AttributeError`` would go on without it, after a slip of the pen too.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock, Thread, local
from types import FrameType
from typing import Any, Final

from sqlalchemy import inspect
from sqlalchemy.ext.associationproxy import AssociationProxyInstance
from sqlalchemy.orm.attributes import InstrumentedAttribute, QueryableAttribute
from sqlalchemy.orm.decl_api import DeclarativeAttributeIntercept
from sqlalchemy.orm.util import AliasedClass
from sqlalchemy.sql import elements, operators, schema
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from backstay.errors import ConfigError
from backstay.place import OWN, is_authors, is_of, place_here, place_in, users_frame
from backstay.policy.fault import told_missing
from backstay.policy.words import Words, words_at

#: Their frames may ask: SQLAlchemy for what it means, logging since a line of a log decides nothing.
_MAY_ASK: Final = OWN | {"logging"}


@dataclass(slots=True, eq=False)
class Handed:
    """One value of ``me`` that a policy asked for: *asked* is how, as ``me.id``, and *place* where."""

    asked: str
    place: str


@dataclass(slots=True, eq=False)
class Read:
    """One *attribute* of a model, or a column of a table, that a policy read: *asked* as ``Note.public``."""

    asked: str
    place: str
    attribute: Any


@dataclass(slots=True, eq=False)
class Watch:
    """What was seen while the policy *name* ran."""

    name: str
    handed: list[Handed] = field(default_factory=list)
    read: list[Read] = field(default_factory=list)
    #: What stood beside a constant in ``and_()`` and ``or_()``: SQLAlchemy leaves the constant alone.
    swallowed: list[Any] = field(default_factory=list)
    refused: ConfigError | None = None
    #: The names in the author's code that ran.
    mentioned: set[str] = field(default_factory=set)

    def refuse(self, frame: FrameType, what: str, words: Words | None = None) -> ConfigError:
        """BST-E023 for what *frame* does now."""
        own = users_frame(frame) or frame
        words = words or words_at(own)
        refused = ConfigError(
            "BST-E023",
            f"{place_in(own)}: the policy {self.name} {what}: {words.text}",
            hint=words.advice,
        )
        self.refused = self.refused or refused
        return refused

    def refuse_missing(self, frame: FrameType, owner: Any, name: str) -> ConfigError:
        """BST-E023 for the attribute *name* of *owner*, which is not there and *frame* asks for."""
        told = told_missing(owner, name)
        return self.refuse(frame, CANNOT_BE_COMPILED, Words(told.seen, told.advice))


class _Here(local):
    """What is in force in a thread."""

    watch: Watch | None = None


_HERE: Final = _Here()
_lock: Final = Lock()
_depth = 0
_replaced: list[tuple[type[Any], str, Any]] = []


def watching() -> Watch | None:
    """The watch that is in force here."""
    return _HERE.watch


def hand(asked: str) -> Handed:
    """Note that a value of ``me`` goes to the policy that is watched; without one it goes to whoever asks."""
    handed = Handed(asked, place_here())
    watch = watching()
    if watch is not None:
        watch.handed.append(handed)
    return handed


@contextmanager
def unwatched() -> Iterator[None]:
    """A block in which nothing is watched."""
    before, _HERE.watch = _HERE.watch, None
    try:
        yield
    finally:
        _HERE.watch = before


@contextmanager
def watched(name: str) -> Iterator[Watch]:
    """Watch the code of this block, which is the policy *name*.

    Raises:
        ConfigError: BST-E023, at its end, where the block swallowed one.
    """
    watch = Watch(name)
    with operations_replaced():
        before, _HERE.watch = _HERE.watch, watch
        try:
            yield watch
        finally:
            _HERE.watch = before
    if watch.refused is not None:
        raise watch.refused


@contextmanager
def operations_replaced() -> Iterator[None]:
    """A block in which all operations are replaced already; outside of `watched` they do what they always do."""
    _put_on()
    try:
        yield
    finally:
        _take_off()


def _put_on() -> None:
    global _depth
    with _lock:
        _depth += 1
        if _depth == 1:
            for owner, name, replacement in _OPERATIONS:
                before = vars(owner).get(name, _MISSING)
                _replaced.append((owner, name, before))
                setattr(owner, name, replacement(getattr(owner, name, None)))


def _take_off() -> None:
    global _depth
    with _lock:
        _depth -= 1
        if _depth == 0:
            while _replaced:
                owner, name, before = _replaced.pop()
                if before is _MISSING:
                    delattr(owner, name)
                else:
                    setattr(owner, name, before)


def _asking(what: str, asked: Callable[[FrameType, Any], bool] | None = None) -> Callable[[Any], Any]:
    """The operation, that refuses to be asked by a policy; *asked* says whether a frame does ask."""

    def replacement(before: Any) -> Any:
        def operation(self: Any, *given: Any) -> Any:
            watch = _HERE.watch
            if watch is not None:
                frame = sys._getframe(1)
                if not is_of(frame, _MAY_ASK) and (asked is None or asked(frame, given)):
                    raise watch.refuse(frame, what)
            return True if before is None else before(self, *given)

        return operation

    return replacement


def _iterates(frame: FrameType, given: Any) -> bool:
    """Python asks for item 0, 1, 2, … of what has no ``__iter__``, without end; ``column["key"]`` is meant."""
    name = dis.opname[frame.f_code.co_code[frame.f_lasti]]
    return not any(part in name for part in ("SUBSCR", "BINARY_OP", "SLICE"))


def _note(owner: Any, key: Any, found: Any) -> Any:
    """Note that the author's code, which is two frames up, reads *found* as ``owner.key``."""
    watch = _HERE.watch
    if watch is not None and isinstance(found, QueryableAttribute | schema.Column):
        frame = sys._getframe(2)
        if is_authors(frame):
            watch.read.append(Read(f"{owner}.{key}", place_in(frame), found))
    return found


def _of_model(before: Any) -> Any:
    def __get__(self: Any, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return _note(getattr(owner, "__name__", "?"), self.key, before(self, instance, owner))
        watch, frame = _HERE.watch, sys._getframe(1)
        if watch is not None and is_authors(frame):
            raise watch.refuse(frame, _NO_ROW, Words(f"{type(instance).__name__}().{self.key}", _CLASS))
        return before(self, instance, owner)

    return __get__


def _of_class(before: Any) -> Any:
    # Of a call that C makes, as ``partial()`` and ``map()`` do of ``hasattr()``, no profiler and no trace is told.
    def __getattr__(cls: Any, name: str) -> Any:
        watch, frame = _HERE.watch, sys._getframe(1)
        if watch is not None and is_authors(frame) and is_model(cls) and not is_special(name):
            raise watch.refuse_missing(frame, cls, name)
        if before is not None:
            return before(cls, name)
        raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}", name=name, obj=cls)

    return __getattr__


def is_model(owner: Any) -> bool:
    """Whether *owner* is a mapped class; a subclass that is not mapped is none."""
    return isinstance(owner, type) and "__mapper__" in vars(owner)


def is_special(name: str) -> bool:
    """Whether *name* is one of Python's own, which is asked for without being meant."""
    return name.startswith("__") and name.endswith("__")


def _of_alias(before: Any) -> Any:
    def __getattribute__(self: Any, name: str) -> Any:
        return _note("aliased", name, before(self, name))

    # What is not there yet is made by `AliasedClass.__getattr__`.
    return __getattribute__


def _made_by_alias(before: Any) -> Any:
    def __getattr__(self: Any, name: str) -> Any:
        try:
            found = before(self, name)
        except AttributeError:
            watch, frame = _HERE.watch, sys._getframe(1)
            if watch is not None and is_authors(frame) and not is_special(name):
                raise watch.refuse_missing(frame, inspect(self).class_, name) from None
            raise
        return _note("aliased", name, found)

    return __getattr__


def _of_table(before: Any) -> Any:
    def read(self: Any, key: Any, *more: Any) -> Any:
        watch, frame = _HERE.watch, sys._getframe(1)
        if watch is not None and isinstance(key, str) and is_authors(frame) and key not in self and not is_special(key):
            raise watch.refuse_missing(frame, self, key)
        return _note("table", key, before(self, key, *more))

    return read


def _in_another_thread(before: Any) -> Any:
    def begin(self: Any, *given: Any, **named: Any) -> Any:
        watch = _HERE.watch
        if watch is not None:
            frame = sys._getframe(1)
            raise watch.refuse(frame, _LEAVES, Words(words_at(users_frame(frame) or frame).text, _STAY))
        return before(self, *given, **named)

    return begin


def is_empty(element: Any) -> bool:
    """Whether *element* is ``or_()`` or ``and_()`` of no conditions, which no SQL stands for."""
    return isinstance(element, elements.BooleanClauseList) and not element.clauses


def _swallowing(before: Any) -> Any:
    def _process_clauses_for_boolean(cls: Any, operator: Any, continue_on: Any, skip_on: Any, clauses: Any) -> Any:
        watch, given = _HERE.watch, list(clauses)
        if watch is not None and any(map(is_empty, given)):
            own = users_frame(sys._getframe(1)) or sys._getframe(1)
            raise watch.refuse(own, JOINS_NOTHING, Words(words_at(own).text, BEGIN_IT))
        if watch is not None and any(each is skip_on for each in given):
            watch.swallowed.extend(given)
        return before(operator, continue_on, skip_on, given)

    return classmethod(_process_clauses_for_boolean)


CANNOT_BE_COMPILED: Final = "cannot be compiled"
#: ``or_(*[])`` is not false: SQLAlchemy leaves it out, and every row is there.
JOINS_NOTHING: Final = "joins a list of no conditions, which is neither true nor false and would be left out"
BEGIN_IT: Final = "Begin the list: or_(false(), *conditions) or and_(true(), *conditions)."
_LEAVES: Final = "begins another thread, in which nobody sees what it asks"
_STAY: Final = "Build the condition in the policy, or in a function that it calls."
_MISSING: Final = object()
_TRUTH: Final = "asks Python whether an expression is true, which only the database knows, for each caller and row"
_AS_TEXT: Final = "makes a Python text of an expression, whose value only the database knows"
_LOOKS_UP: Final = "looks for an expression in a Python set or dict, where its value cannot be found"
_LOOPS: Final = "goes through an expression as through a Python list, which it is not"
_NO_ROW: Final = "reads an object that Python made, which is no row of the database"
_CLASS: Final = "Ask the class, as Post.public: that is the column of each row."

_OPERATIONS: Final[tuple[tuple[type[Any], str, Callable[[Any], Any]], ...]] = (
    (elements.ClauseElement, "__bool__", _asking(_TRUTH)),
    (elements.BinaryExpression, "__bool__", _asking(_TRUTH)),
    (QueryableAttribute, "__bool__", _asking(_TRUTH)),
    (AssociationProxyInstance, "__bool__", _asking(_TRUTH)),
    (operators.ColumnOperators, "__hash__", _asking(_LOOKS_UP)),
    (operators.ColumnOperators, "__contains__", _asking(_LOOPS)),
    (operators.ColumnOperators, "__getitem__", _asking(_LOOPS, _iterates)),
    (elements.CompilerElement, "__str__", _asking(_AS_TEXT)),
    (elements.ClauseElement, "__repr__", _asking(_AS_TEXT)),
    (elements.BindParameter, "__repr__", _asking(_AS_TEXT)),
    (QueryableAttribute, "__str__", _asking(_AS_TEXT)),
    (QueryableAttribute, "__repr__", _asking(_AS_TEXT)),
    (schema.Column, "__str__", _asking(_AS_TEXT)),
    (schema.Column, "__repr__", _asking(_AS_TEXT)),
    (InstrumentedAttribute, "__get__", _of_model),
    (DeclarativeAttributeIntercept, "__getattr__", _of_class),
    (AliasedClass, "__getattribute__", _of_alias),
    (AliasedClass, "__getattr__", _made_by_alias),
    (ReadOnlyColumnCollection, "__getattr__", _of_table),
    (ReadOnlyColumnCollection, "__getitem__", _of_table),
    (ReadOnlyColumnCollection, "get", _of_table),
    (elements.BooleanClauseList, "_process_clauses_for_boolean", _swallowing),
    (Thread, "start", _in_another_thread),
    (ThreadPoolExecutor, "submit", _in_another_thread),
)
