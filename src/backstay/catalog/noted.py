"""Where an author's code asked Python whether an expression is true, at any time since this was imported.

``OPEN = Post.public and Post.stars < 3`` in a module, a class, a default argument or a cached helper is decided before
any policy runs: mapped attributes are true, and ``a and b`` is ``b``.  So each question is noted, and nothing else
happens: no answer changes, and no expression is held.  A policy that uses something that was built before it ran is
then asked what those questions were about (`policy/outside.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import CodeType
from typing import Any, Final

from sqlalchemy.ext.associationproxy import AssociationProxyInstance
from sqlalchemy.orm.attributes import QueryableAttribute
from sqlalchemy.sql import elements

from backstay.place import is_of

#: Apps ask at few places; a loop over many generated ones must not fill the memory.
_MOST: Final = 2000

_asked: Final[dict[tuple[CodeType, int], int]] = {}


def asked_places() -> Iterator[tuple[CodeType, int, int]]:
    """Each place that asked: its code, the instruction, and the line."""
    for (code, instruction), line in list(_asked.items()):
        yield code, instruction, line


def forget_asked() -> None:
    """Begin anew, as a test does."""
    _asked.clear()


def _noting(before: Any) -> Any:
    def __bool__(self: Any) -> bool:
        frame = sys._getframe(1)
        if not is_of(frame) and len(_asked) < _MOST:
            _asked.setdefault((frame.f_code, frame.f_lasti), frame.f_lineno)
        return True if before is None else before(self)

    __bool__.noting = True  # type: ignore[attr-defined]
    return __bool__


for _class in (elements.BinaryExpression, QueryableAttribute, AssociationProxyInstance):
    _before = getattr(_class, "__bool__", None)
    if not hasattr(_before, "noting"):
        _class.__bool__ = _noting(_before)  # type: ignore[method-assign,union-attr]
