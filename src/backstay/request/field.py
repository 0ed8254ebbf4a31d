"""A column as a client writes it, with the JSON path behind it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from backstay.request.limits import QueryLimits
from backstay.request.name import QUOTED, quote, render_name, scan_name, unescape
from backstay.request.syntax import malformed, over_limit


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a JSON path: ``->key`` (JSON out) or ``->>key`` (text out)."""

    key: str | int
    as_text: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """A column name and the path into its JSON value.  Not yet known to exist."""

    name: str
    path: tuple[Step, ...] = ()


# An index is digits up to something that ends a field; other digits begin a key (``->1st``).  A key may hold anything
# but ``(-:.,>)``, and dashes between its parts.
_STEP = re.compile(
    r"->(>)?(?:(-?[0-9]++)(?=[ \t]*+(?:->|::|[.,)]|\Z))"
    rf"|{QUOTED}"
    r'|((?!")[^(\-:.,>)]++(?:-[^(\-:.,>)]++)*))[ \t]*+',
    re.DOTALL,
)
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_EXPECTED_KEY = '"-", digit or any non reserved character different from: .,>()'

#: PostgreSQL counts array elements with a 32-bit integer.
_MAX_INDEX = 2**31 - 1


def scan_field(text: str, at: int, what: str, limits: QueryLimits) -> tuple[Field, int]:
    """Read a column and its JSON path from index *at* of *text*: the field, and the index behind it.

    >>> scan_field("data->tags->>-1.desc", 0, "order", QueryLimits())
    (Field(name='data', path=(Step(key='tags', as_text=False), Step(key=-1, as_text=True))), 15)

    Raises:
        RequestError: PGRST100, when it is malformed or has more steps than *limits* allow.
    """
    name, at = scan_name(text, at, what)
    if text.startswith("->", at):
        steps, at = scan_steps(text, at, what, limits)
        return Field(name, steps), at
    return Field(name), at


def scan_steps(text: str, at: int, what: str, limits: QueryLimits) -> tuple[tuple[Step, ...], int]:
    """Read the arrows that begin at index *at*; there may be none."""
    steps: list[Step] = []
    while text.startswith("->", at):
        found = _STEP.match(text, at)
        if found is None:
            begin = at + (3 if text.startswith(">", at + 2) else 2)
            if text.startswith("-", begin):
                raise malformed(what, text, begin + 1, "digit")
            raise malformed(what, text, begin, _EXPECTED_KEY)
        arrow, index, quoted, plain = found.groups()
        key: str | int
        if index is not None:
            if len(index) > 11 or abs(int(index)) > _MAX_INDEX:
                raise malformed(what, text, at + 2, "an array index of 32 bits")
            key = int(index)
        elif quoted is not None:
            key = unescape(quoted)
        else:
            key = plain.strip()
            if not key:
                raise malformed(what, text, at + 2, _EXPECTED_KEY)
        if len(steps) == limits.json_steps:
            raise over_limit("steps in a JSON path", limits.json_steps, "json_steps")
        steps.append(Step(key, arrow is not None))
        at = found.end()
    return tuple(steps), at


def render_field(field: Field) -> str:
    """*field* so that `scan_field` reads it back.

    >>> render_field(Field("data", (Step("a b"), Step(0, as_text=True))))
    'data->"a b"->>0'
    """
    if not field.path:
        return render_name(field.name)
    return render_name(field.name) + "".join(map(_render_step, field.path))


def _render_step(step: Step) -> str:
    arrow = "->>" if step.as_text else "->"
    if isinstance(step.key, int):
        return f"{arrow}{step.key}"
    return arrow + (step.key if _PLAIN_KEY.fullmatch(step.key) else quote(step.key))
