"""What is another value at each call: the clock and chance.  A policy would keep those of the app's start for ever."""

from __future__ import annotations

import datetime
import os
import random
import sys
import time
from collections.abc import Callable
from types import BuiltinFunctionType, FrameType, FunctionType
from typing import Any, Final

from backstay.place import is_authors
from backstay.policy.asked import asks, refuse_asked
from backstay.policy.watch import Watch, watching
from backstay.policy.words import Words, words_at

#: Of `time`, what tells the time of day.
_TIMES: Final = frozenset(
    {"asctime", "clock_gettime", "clock_gettime_ns", "ctime", "gmtime", "localtime", "strftime", "time", "time_ns"}
)
_TODAY: Final = frozenset({"now", "today", "utcnow"})
_CHANCE: Final = frozenset({"random", "secrets"})
_IDS: Final = frozenset({"uuid1", "uuid4", "uuid6", "uuid7"})

_SEEN: Final = "asks for a moment or a chance of the app's start, and keeps it: it says something else each time"
_ADVICE: Final = "Write func.now(), func.current_date() and the like: the database knows them at each request."


def call_at_no_moment(watch: Watch, function: Callable[[], Any]) -> Any:
    """Call *function*, and refuse clocks and chance where the author's code asks for them.

    Raises:
        ConfigError: BST-E023.
    """

    def seen(frame: FrameType, event: str, argument: Any) -> None:
        if watching() is not watch:
            return
        if event == "c_call" and is_authors(frame) and is_moment(argument):
            raise watch.refuse(frame, _SEEN, Words(words_at(frame).text, _ADVICE))
        if event == "c_call" and asks(argument) and is_authors(frame):
            refuse_asked(watch, frame, argument)
        asking = frame.f_back
        if event == "call" and asking is not None and is_authors(asking) and _is_chance(frame):
            raise watch.refuse(asking, _SEEN, Words(words_at(asking).text, _ADVICE))

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        return function()
    finally:
        _go_on(before)


def _go_on(profiler: Any) -> None:
    """Let the *profiler* that was there go on.  That of ``cProfile`` is no function, and has a way of its own."""
    if profiler is None or callable(profiler):
        sys.setprofile(profiler)
    else:
        profiler.enable()


def _is_chance(frame: FrameType) -> bool:
    return _gives_chance(str(frame.f_globals.get("__name__")), frame.f_code.co_name)


def _gives_chance(module: str, name: str) -> bool:
    return module in _CHANCE or (module == "uuid" and name in _IDS)


def is_moment(function: Any) -> bool:
    """Whether *function* gives another value at each call."""
    if isinstance(function, FunctionType):
        return _gives_chance(function.__module__, function.__name__)
    owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
    if isinstance(owner, random.Random):
        return True
    if not isinstance(function, BuiltinFunctionType):
        return False
    if isinstance(owner, type) and issubclass(owner, datetime.date):
        return name in _TODAY
    return (owner is time and name in _TIMES) or function is os.urandom
