"""The watch over a policy while it is compiled: what Python would decide, and SQL could not mean, is refused.

A policy builds an expression.  ``and``, ``or``, ``not``, ``if``, ``in``, ``is`` and texts do not build one: Python asks
the expression itself, once, and goes on with the answer, so that the policy says something else than it reads.
SQLAlchemy lets ``a == b`` and mapped attributes be asked, since it asks them itself.  So the watch tells by the frame
who asks: SQLAlchemy may, everybody else may not.

1. It is in force for the code that a policy runs, in its thread (a `ContextVar`), and nowhere else.
2. The operations are replaced while any policy is compiled, and put back after the last.
3. What was refused stays refused, where the policy caught the exception too.
"""

from __future__ import annotations

import ast
import dis
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock
from types import CodeType, FrameType
from typing import Any, Final

from sqlalchemy.ext.associationproxy import AssociationProxyInstance
from sqlalchemy.orm.attributes import QueryableAttribute
from sqlalchemy.sql import elements, operators, schema

from backstay.errors import ConfigError
from backstay.place import is_authors, place_in, shown_file, users_frame
from backstay.policy.words import Words, decided_by_python, enclosing, identity_of, words_at

#: Their frames may ask: SQLAlchemy for what it means, logging since a line of a log decides nothing.
_MAY_ASK: Final = frozenset({"sqlalchemy", "backstay", "logging"})


@dataclass(slots=True, eq=False)
class Handed:
    """One value of ``me`` that a policy asked for: *asked* is how, as ``me.id``, and *place* where."""

    asked: str
    place: str


@dataclass(slots=True, eq=False)
class Watch:
    """What was seen while the policy *name* ran."""

    name: str
    handed: list[Handed] = field(default_factory=list)
    refused: ConfigError | None = None

    def hand(self, asked: str) -> Handed:
        """Note that a value of ``me`` goes to the policy."""
        frame = users_frame(sys._getframe(1))
        handed = Handed(asked, "somewhere" if frame is None else place_in(frame))
        self.handed.append(handed)
        return handed

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


_WATCH: Final[ContextVar[Watch | None]] = ContextVar("policy watch", default=None)
_lock: Final = Lock()
_depth = 0
_replaced: list[tuple[type[Any], str, Any]] = []


def watching() -> Watch | None:
    """The watch that is in force here."""
    return _WATCH.get()


@contextmanager
def unwatched() -> Iterator[None]:
    """A block in which nothing is watched."""
    token = _WATCH.set(None)
    try:
        yield
    finally:
        _WATCH.reset(token)


@contextmanager
def watched(name: str) -> Iterator[Watch]:
    """Watch the code of this block, which is the policy *name*.

    Raises:
        ConfigError: BST-E023, at its end, where the block swallowed one.
    """
    watch = Watch(name)
    _put_on()
    token = _WATCH.set(watch)
    try:
        yield watch
    finally:
        _WATCH.reset(token)
        _take_off()
    if watch.refused is not None:
        raise watch.refused


def _put_on() -> None:
    global _depth
    with _lock:
        _depth += 1
        if _depth == 1:
            for owner, name, what, unasked in _OPERATIONS:
                before = vars(owner).get(name, _MISSING)
                _replaced.append((owner, name, before))
                setattr(owner, name, _asking(getattr(owner, name, None), what, unasked))


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


def _asking(before: Any, what: str, asked: Callable[[FrameType, Any], bool]) -> Callable[..., Any]:
    """The operation *before*, that refuses to be asked by a policy."""

    def operation(self: Any, *given: Any) -> Any:
        watch = _WATCH.get()
        if watch is not None:
            frame = sys._getframe(1)
            if str(frame.f_globals.get("__name__", "")).partition(".")[0] not in _MAY_ASK and asked(frame, given):
                raise watch.refuse(frame, what)
        return True if before is None else before(self, *given)

    return operation


def _always(frame: FrameType, given: Any) -> bool:
    return True


def _iterates(frame: FrameType, given: Any) -> bool:
    """Python asks for item 0, 1, 2, … of what has no ``__iter__``, without end; ``column["key"]`` is meant."""
    name = dis.opname[frame.f_code.co_code[frame.f_lasti]]
    return not any(part in name for part in ("SUBSCR", "BINARY_OP", "SLICE"))


_MISSING: Final = object()
_SYMBOLIC: Final = (operators.ColumnOperators, AssociationProxyInstance)
_TRUTH: Final = "asks Python whether an expression is true, which only the database knows, for each caller and row"
_AS_TEXT: Final = "makes a Python text of an expression, whose value only the database knows"
_LOOKS_UP: Final = "looks for an expression in a Python set or dict, where its value cannot be found"
_LOOPS: Final = "goes through an expression as through a Python list, which it is not"

_OPERATIONS: Final[tuple[tuple[type[Any], str, str, Callable[[FrameType, Any], bool]], ...]] = (
    (elements.ClauseElement, "__bool__", _TRUTH, _always),
    (elements.BinaryExpression, "__bool__", _TRUTH, _always),
    (QueryableAttribute, "__bool__", _TRUTH, _always),
    (AssociationProxyInstance, "__bool__", _TRUTH, _always),
    (operators.ColumnOperators, "__hash__", _LOOKS_UP, _always),
    (operators.ColumnOperators, "__contains__", _LOOPS, _always),
    (operators.ColumnOperators, "__getitem__", _LOOPS, _iterates),
    (elements.CompilerElement, "__str__", _AS_TEXT, _always),
    (elements.ClauseElement, "__repr__", _AS_TEXT, _always),
    (elements.BindParameter, "__repr__", _AS_TEXT, _always),
    (QueryableAttribute, "__str__", _AS_TEXT, _always),
    (QueryableAttribute, "__repr__", _AS_TEXT, _always),
    (schema.Column, "__str__", _AS_TEXT, _always),
    (schema.Column, "__repr__", _AS_TEXT, _always),
)


def call_traced(watch: Watch, function: Callable[[], Any]) -> Any:
    """Call *function*, and refuse ``is`` between symbolic values, in it and in the author's functions that it calls.

    Identity is the one comparison that no class can refuse.  So each function is looked at when it is entered, and
    where it compares by ``is``, what is compared is looked at when it comes to it.
    """
    before = sys.gettrace()

    def enter(frame: FrameType, event: str, argument: Any) -> Any:
        if event != "call" or _WATCH.get() is not watch or not is_authors(frame):
            return None
        _refuse_constants(watch, frame)
        if not _identities(frame.f_code):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return step

    def step(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "opcode" and frame.f_lasti in _identities(frame.f_code):
            _refuse_identity(watch, frame)
        return step

    sys.settrace(enter)
    try:
        return function()
    finally:
        sys.settrace(before)


def _refuse_constants(watch: Watch, frame: FrameType) -> None:
    """A module's ``OPEN = Note.public and Note.open`` was decided when it was imported, before anybody watched."""
    for name in frame.f_code.co_names:
        for line, words, asked in decided_by_python(frame.f_code.co_filename, name) if name in frame.f_globals else ():
            for one in asked:
                if _is_symbolic(one, frame.f_globals, {}):
                    place = f"{shown_file(frame.f_code.co_filename)}:{line}"
                    watch.refused = watch.refused or ConfigError(
                        "BST-E023",
                        f"{place}: the policy {watch.name} uses {name}, which Python decided: {words.text}",
                        hint=words.advice,
                    )
                    raise watch.refused


def _is_symbolic(one: ast.expr, outer: dict[str, Any], inner: Any) -> bool:
    """Whether *one* is an expression of SQL, where it stands; what cannot be looked at is none."""
    with unwatched():
        try:
            value = eval(compile(ast.Expression(one), "<policy>", "eval"), outer, inner)  # noqa: S307 - the author's words
        except Exception:
            return False
    return isinstance(value, _SYMBOLIC) or hasattr(type(value), "injected_as")


def _identities(code: CodeType) -> frozenset[int]:
    return frozenset(
        each.offset
        for each in dis.get_instructions(code)
        if each.opname == "IS_OP" or each.opname.endswith(("_IF_NONE", "_IF_NOT_NONE"))
    )


def _refuse_identity(watch: Watch, frame: FrameType) -> None:
    written = enclosing(frame.f_code, frame.f_lasti)
    # What dataclasses and the like make up has no source either, and compares no columns.
    if not written and not frame.f_code.co_name.startswith("__"):
        words = Words(frame.f_code.co_name, "Write it without `is`, or keep the source beside it.")
        raise watch.refuse(frame, "compares by `is`, and the source of that cannot be read", words)
    for one in identity_of(written):
        if isinstance(one, ast.Constant) or (isinstance(one, ast.Name) and _may_be_left_out(frame.f_code, one.id)):
            continue
        if _is_symbolic(one, frame.f_globals, frame.f_locals):
            raise watch.refuse(frame, "asks by `is` what an expression is, which is never None")


def _may_be_left_out(code: CodeType, name: str) -> bool:
    """``column is None`` asks whether an argument was given, where a function's parameter may be left out."""
    return name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] and _has_none(code, name)


def _has_none(code: CodeType, name: str) -> bool:
    definition = _definition(code)
    if definition is None:
        return False
    given = definition.args
    plain = [*given.posonlyargs, *given.args]
    defaults: dict[str, ast.expr | None] = dict(
        zip([a.arg for a in plain[len(plain) - len(given.defaults) :]], given.defaults, strict=True)
    )
    defaults |= dict(zip([a.arg for a in given.kwonlyargs], given.kw_defaults, strict=True))
    found = defaults.get(name)
    return isinstance(found, ast.Constant) and found.value is None


def _definition(code: CodeType) -> ast.FunctionDef | None:
    """The ``def`` that *code* was made of, where there is source."""
    for at in range(0, len(code.co_code), 2):
        found = [n for n in enclosing(code, at) if isinstance(n, ast.FunctionDef) and n.name == code.co_name]
        if found:
            return found[-1]
    return None
