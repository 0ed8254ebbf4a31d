"""An expression as findings show it."""

from __future__ import annotations

import re
from typing import Any, Final

#: What has no words of its own is shown as an object in memory.
_IN_MEMORY: Final = re.compile(r"<(?:[\w.]+\.)?(\w+) object at 0x[0-9a-f]+>")


def shown(element: Any) -> str:
    """*element* as SQL, on one line of 80 letters at most.

    >>> import sqlalchemy as sa
    >>> shown(sa.column("a") == 1)
    'a = :a_1'
    """
    text = _IN_MEMORY.sub(r"\1", " ".join(str(element).split()))
    return text if len(text) <= 80 else text[:79] + "…"
