"""What a parser says when it stops: `RequestError` PGRST100 in PostgREST's words.

The positions are those of the decoded text, counted from 1, on its only line.  PostgREST's own details come from its
parser library; ours name the same place and the same expectations, not the same bytes.
"""

from __future__ import annotations

from backstay.errors import RequestError

#: Characters of the client's text that an error repeats.
_SHOWN = 200


def malformed(
    what: str, text: str, at: int, expecting: str, *, hint: str | None = None, mark: str = '"'
) -> RequestError:
    """The error for *text*, a *what* (``filter``, ``order``…), that stops making sense at index *at*.

    *mark* stands around the character that was not expected.  Of a logic tree, *text* begins with ``and`` or ``or``,
    which PostgREST counts and does not show.

    >>> malformed("filter", "noop.0", 0, "operator (eq, gt, ...)").message
    '"failed to parse filter (noop.0)" (line 1, column 1)'
    """
    shown = text.removeprefix("and").removeprefix("or") if what == "logic tree" else text
    shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"
    found = f"unexpected {mark}{text[at]}{mark}" if at < len(text) else "unexpected end of input"
    return RequestError(
        "PGRST100",
        f'"failed to parse {what} ({shown})" (line 1, column {at + 1})',
        details=f"{found} expecting {expecting}",
        hint=hint,
    )


def over_limit(what: str, limit: int, name: str) -> RequestError:
    """The error for a request with more *what* than *limit*, the `QueryLimits` field called *name*."""
    return RequestError(
        "PGRST100",
        f"Too many {what}",
        details=f"The request has more than {limit} {what}.",
        hint=f"Ask for less, or split the request; the limit {name} is {limit}.",
    )
