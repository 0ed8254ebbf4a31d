"""What a policy casts: only what both databases read alike, and can read at all.

PostgreSQL says of a constant that it is no number when the statement is run, and SQLite takes what it can of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql.elements import BooleanClauseList

from backstay.arguments import told
from backstay.catalog import Family, family_of
from backstay.catalog.shown import shown
from backstay.policy.comparison import COMPARISONS, bare, is_constant, is_of, is_somebodys
from backstay.policy.me import MeParameter

#: What a claim is read as where it is cast, so that both databases read it alike.
CAST_CLAIMS: Final[frozenset[Family]] = frozenset(
    {"integer", "float", "numeric", "boolean", "uuid", "date", "timestamp", "timestamptz", "time", "interval"}
)


def miscast(element: Any) -> tuple[str, str] | None:
    """A value that cannot become what it is cast to, which only PostgreSQL would say before it is asked; and what to
    write.

    >>> miscast(sa.cast("1_000", sa.Integer))
    ("casts '1_000' (str) to integer, which it is not", 'Write the value itself, as a constant.')
    """
    if not isinstance(element, sa.Cast | sa.TypeCoerce) or not is_constant(element.clause):
        return None
    value, type_ = element.clause.value, element.type
    if isinstance(element, sa.TypeCoerce):
        if is_of(value, type_):
            return None
        return (
            f"takes {told(value)} for {family_of(type_)}",
            "Write the value itself, or cast() it.",
        )
    read = _READ.get(family_of(type_))
    if read is None or not isinstance(value, str) or is_somebodys(type_):
        return None
    try:
        if _PYTHONS.search(value) is None:
            read(value)
            return None
    except (ValueError, ArithmeticError):
        pass
    return f"casts {told(value)} to {family_of(type_)}, which it is not", "Write the value itself, as a constant."


#: What Python reads, and no database does: digits of other scripts, ``1_000``, weeks, the name of a UUID.
_PYTHONS: Final = re.compile(r"[^\x00-\x7f]|_|W\d|urn:")


def _numeric(text: str) -> Decimal:
    """*text* as a number: NaN and Infinity are none to SQLite."""
    exact = Decimal(text)
    if not exact.is_finite():
        raise ValueError
    return exact


def _float(text: str) -> None:
    exact = _numeric(text)
    if abs(float(exact)) == math.inf or (exact and not float(exact)):
        raise ValueError


def _boolean(text: str) -> None:
    if text.strip().lower() not in ("true", "false", "t", "f", "yes", "no", "y", "n", "on", "off", "1", "0"):
        raise ValueError


_READ: Final[dict[Family, Callable[[str], object]]] = {
    "integer": int,
    "float": _float,
    "numeric": _numeric,
    "boolean": _boolean,
    "uuid": UUID,
    "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "timestamptz": datetime.fromisoformat,
    "time": time.fromisoformat,
}


def wrapped(element: Any) -> tuple[str, str] | None:
    """A text in which a claim is, cast: PostgreSQL has numbers of NaN and Infinity, and days of "today"; and what to
    write.
    """
    if not isinstance(element, sa.Cast) or family_of(element.type) not in CAST_CLAIMS:
        return None
    if isinstance(bare(element.clause), MeParameter) or family_of(element.clause.type) not in ("text", "other"):
        return None
    if not _holds_claim(element.clause):
        return None
    return (
        f"casts {shown(element.clause)}, which holds a claim, to {family_of(element.type)}",
        "Cast the claim itself: coalesce(cast(me.claim(…), Integer), 0).",
    )


def _holds_claim(part: Any) -> bool:
    """Whether a claim is a part of the value; what is compared, and what a subquery asks, is none."""
    if isinstance(part, MeParameter):
        return True
    if isinstance(part, sa.SelectBase | BooleanClauseList) or getattr(part, "operator", None) in COMPARISONS:
        return False
    return any(map(_holds_claim, part.get_children()))
