"""The patterns of like and ilike, match and imatch: the same bounds on both databases, found before any row is read.

PostgreSQL complains about a pattern only when it meets a row that makes it look at the flaw: a complaint would tell
that such a row exists, even where a policy hides it.
"""

from __future__ import annotations

from typing import Any, Final

from backstay.errors import PlanError

#: Characters (LM6).
MAX_PATTERN: Final = 200


def bounded_pattern(text: Any) -> str:
    """*text*, when it is not too long for a pattern.

    Raises:
        PlanError: PGRST100, beyond `MAX_PATTERN`; 22021, for NUL.
    """
    if len(text) > MAX_PATTERN:
        raise PlanError(
            "PGRST100",
            f"A pattern may have at most {MAX_PATTERN} characters",
            details=f"The pattern has {len(text)}.",
            hint="Compare with eq or in, or filter by something else first.",
        )
    if "\x00" in text:
        raise PlanError("22021", 'invalid byte sequence for encoding "UTF8": 0x00')
    return str(text)


def like_pattern(text: Any) -> str:
    r"""*text* as a pattern of SQL's LIKE, where a star is a percent sign too.

    >>> like_pattern(r"a*b_\%")
    'a%b_\\%'

    Raises:
        PlanError: 22025, when it ends within an escape; PGRST100, when it is too long.
    """
    pattern = bounded_pattern(text).replace("*", "%")
    if (len(pattern) - len(pattern.rstrip("\\"))) % 2:
        raise PlanError("22025", "LIKE pattern must not end with escape character")
    return pattern
