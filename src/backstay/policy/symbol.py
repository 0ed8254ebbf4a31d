"""``me`` as a policy gets it while it is compiled: each way to misread it is refused."""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable
from typing import Any, Final, NoReturn

from backstay.place import is_authors
from backstay.policy.me import Me
from backstay.policy.watch import Watch, hand, watching
from backstay.policy.words import Words

_OFFERED: Final = frozenset({"id", "role", "aal", "has_role", "claim"})
_ATTRIBUTES: Final = ("id", "role", "aal", "has_role(…)", "claim(…)")
_USE: Final = f"me offers {', '.join('me.' + name for name in _ATTRIBUTES)}."


class Symbol(Me):
    """The symbolic caller.  It is no value itself: only what it offers is."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        frame = sys._getframe(1)
        # Its ``__doc__`` or ``__class__`` is the same whoever calls; ``isinstance()`` asks for that without a word.
        if name not in _OFFERED and is_authors(frame) and "LOAD_" in dis.opname[frame.f_code.co_code[frame.f_lasti]]:
            _refuse(f"me.{name}", _USE)
        return super().__getattribute__(name)

    # Methods that were not called would be true.
    has_role: Any = property(lambda self: Question("has_role", super().has_role))
    claim: Any = property(lambda self: Question("claim", super().claim))

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__") and name != "__clause_element__":
            raise AttributeError(name)
        _refuse("me" if name == "__clause_element__" else f"me.{name}", _USE)

    def __bool__(self) -> NoReturn:
        _refuse("me", 'Write @allow(…, to="authenticated") for callers with an account.')

    def __eq__(self, other: object) -> NoReturn:
        _refuse("me", f"Compare one of its values: {_USE}")

    def __ne__(self, other: object) -> NoReturn:
        _refuse("me", f"Compare one of its values: {_USE}")

    def __hash__(self) -> NoReturn:
        _refuse("me", _USE)

    def __str__(self) -> NoReturn:
        _refuse("me", _USE)

    def __repr__(self) -> str:
        # Findings and logs show what there is.
        return "me" if watching() is None else self.__str__()

    def __format__(self, form: str) -> NoReturn:
        _refuse("me", _USE)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        _refuse("a copy of me", _USE)

    def __iter__(self) -> NoReturn:
        _refuse("me", _USE)

    def __getitem__(self, key: object) -> NoReturn:
        _refuse("me[…]", _USE)


class Question:
    """A method of ``me``, that must be called: until then it is a value that was read and lost."""

    __slots__ = ("_ask", "_handed", "_name")

    def __init__(self, name: str, ask: Callable[..., Any]) -> None:
        self._name = name
        self._ask = ask
        self._handed = hand(f"me.{name}")

    def __call__(self, *given: Any) -> Any:
        watch = watching()
        if watch is not None and self._handed in watch.handed:
            watch.handed.remove(self._handed)
        return self._ask(*given)

    def _misread(self, *_: Any) -> NoReturn:
        _refuse(f"me.{self._name} without a call", f'For example me.{self._name}("{_EXAMPLES[self._name]}").')

    __bool__ = __eq__ = __ne__ = __hash__ = __str__ = __iter__ = __getitem__ = __contains__ = _misread
    __and__ = __rand__ = __or__ = __ror__ = __invert__ = __lt__ = __gt__ = __le__ = __ge__ = _misread
    __clause_element__ = property(_misread)


_EXAMPLES: Final = {"has_role": "editor", "claim": "org_id"}


def _refuse(text: str, advice: str) -> NoReturn:
    watch = watching() or Watch("?")
    raise watch.refuse(sys._getframe(2), "uses what is not a value", Words(text, advice))
