"""Looking at what a policy compares by ``is``, and takes apart by ``in`` and ``match``: no class can refuse these."""

from __future__ import annotations

import ast
import dis
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any, Final

from backstay.errors import ConfigError
from backstay.place import is_authors, shown_file
from backstay.policy.asked import is_symbolic, refuse_asked, value_of
from backstay.policy.fault import told_fault
from backstay.policy.moment import is_moment
from backstay.policy.watch import CANNOT_BE_COMPILED, Watch, is_model, watching
from backstay.policy.words import Raised, Words, called_for, decided_by_python, enclosing, identity_of

#: What takes a value apart without asking it: ``is``, ``in`` a list that holds it, and ``case bool():``.
_TAKES_APART: Final = ("IS_OP", "CONTAINS_OP", "MATCH_CLASS", "MATCH_MAPPING", "MATCH_SEQUENCE")


def call_traced(watch: Watch, function: Callable[[], Any]) -> Any:
    """Call *function*, and refuse ``is`` between symbolic values, in it and in the author's functions that it calls.

    Identity is the one comparison that no class can refuse.  So each function is looked at when it is entered, and
    where it compares by ``is``, what is compared is looked at when it comes to it.  A name that is not there stays
    refused, whoever catches the exception.
    """
    before = sys.gettrace()

    def enter(frame: FrameType, event: str, argument: Any) -> Any:
        if watching() is not watch or not is_authors(frame):
            return None
        watch.mentioned.update(frame.f_code.co_names, _texts(frame.f_code.co_consts))
        _refuse_constants(watch, frame)
        frame.f_trace_lines = False
        frame.f_trace_opcodes = bool(_identities(frame.f_code) or _calls_of_type(frame.f_code))
        return step

    def step(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "opcode" and frame.f_lasti in _identities(frame.f_code):
            _refuse_identity(watch, frame)
        if event == "opcode" and frame.f_lasti in _calls_of_type(frame.f_code):
            refuse_asked(watch, frame, type)
        if event == "exception" and _is_slip(argument[1]):
            # It may be swallowed, and the policy go on without what was meant.
            told = told_fault(argument[1], Raised("", frame, None, None))
            watch.refuse(frame, CANNOT_BE_COMPILED, Words(told.seen, told.advice))
        return step

    sys.settrace(enter)
    try:
        return function()
    finally:
        sys.settrace(before)


def _is_slip(fault: object) -> bool:
    """Whether *fault* is about a name that is not there, of all or of a model."""
    return isinstance(fault, NameError) or (isinstance(fault, AttributeError) and is_model(fault.obj))


def _texts(constants: Iterable[Any]) -> Iterator[str]:
    """Those among *constants*; the names of ``any(public=True)`` are a tuple of them."""
    for each in constants:
        if isinstance(each, str):
            yield each
        elif isinstance(each, tuple):
            yield from _texts(each)


def _refuse_constants(watch: Watch, frame: FrameType) -> None:
    """A module's ``OPEN = Note.public and Note.open`` was decided when it was imported, before anybody watched."""
    for name in frame.f_code.co_names:
        for line, words, asked in decided_by_python(frame.f_code.co_filename, name) if name in frame.f_globals else ():
            for one in asked:
                if is_symbolic(value_of(one, frame.f_globals)):
                    place = f"{shown_file(frame.f_code.co_filename)}:{line}"
                    watch.refused = watch.refused or ConfigError(
                        "BST-E023",
                        f"{place}: the policy {watch.name} uses {name}, which Python decided: {words.text}",
                        hint=words.advice,
                    )
                    raise watch.refused
        for line, asked_ in called_for(frame.f_code.co_filename, name) if name in frame.f_globals else ():
            if is_moment(value_of(asked_, frame.f_globals)):
                place = f"{shown_file(frame.f_code.co_filename)}:{line}"
                watch.refused = watch.refused or ConfigError(
                    "BST-E023",
                    f"{place}: the policy {watch.name} uses {name}, which is a moment or a chance of the app's start",
                    hint="Write func.now() and the like in the policy: the database knows them at each request.",
                )
                raise watch.refused


@lru_cache(maxsize=256)
def _identities(code: CodeType) -> frozenset[int]:
    return frozenset(
        each.offset
        for each in dis.get_instructions(code)
        if each.opname in _TAKES_APART or each.opname.endswith(("_IF_NONE", "_IF_NOT_NONE"))
    )


@lru_cache(maxsize=256)
def _calls_of_type(code: CodeType) -> frozenset[int]:
    """Where *code* calls ``type``, which no profiler is told of."""
    if "type" not in code.co_names:
        return frozenset()
    return frozenset(each.offset for each in dis.get_instructions(code) if each.opname.startswith("CALL"))


def _refuse_identity(watch: Watch, frame: FrameType) -> None:
    written = enclosing(frame.f_code, frame.f_lasti)
    # What dataclasses and the like make up has no source either, and compares no columns.
    if not written and not frame.f_code.co_name.startswith("__"):
        words = Words(frame.f_code.co_name, "Write it without `is`, or keep the source beside it.")
        raise watch.refuse(frame, "compares by `is` or the like, and the source of that cannot be read", words)
    for one in identity_of(written):
        if isinstance(one, ast.Constant) or (isinstance(one, ast.Name) and _may_be_left_out(frame.f_code, one.id)):
            continue
        if is_symbolic(value_of(one, frame.f_globals, frame.f_locals)):
            raise watch.refuse(frame, "asks Python what an expression is, which is no value and never None")


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
