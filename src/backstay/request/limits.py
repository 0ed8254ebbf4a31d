"""How much one request may ask for (LM3, LM4, LM7 of the security requirements)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """Upper bounds, inclusive, on one query string.  Its length in bytes is bounded before, by ``http/``."""

    #: Conditions, those inside ``and``/``or`` included.
    filters: int = 50
    #: Values in one ``in.(…)``, ``(any).{…}`` or ``(all).{…}``.
    list_items: int = 1000
    #: Characters of all patterns of ``like`` and ``ilike``: a database goes through a value once for each of them, and
    #: PostgreSQL does not stop before it has looked at one row.
    pattern_chars: int = 1000
    #: Nested ``and``/``or``, the outermost included.
    logic_depth: int = 5
    #: Embedded relations in all of ``select``.
    embeds: int = 10
    #: Embeds inside embeds, and names in the path of ``a.b.column=``.
    embed_depth: int = 5
    #: Terms of all ``order`` parameters together.
    order_terms: int = 8
    #: Items of ``select`` at all levels together; also names in ``columns`` and in ``on_conflict``.
    select_items: int = 200
    #: ``->`` and ``->>`` behind one column.
    json_steps: int = 20


#: What a request may ask for unless the operator says otherwise.
DEFAULT_QUERY_LIMITS: Final = QueryLimits()

#: Bytes of a header that is read piece by piece, such as ``Accept``; its lines count together.
VALUE_BYTES: Final = 4 * 1024


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Upper bounds, inclusive, on one request body."""

    size_bytes: int = 1024 * 1024
    #: Nested arrays and objects, the outermost included.
    depth: int = 32
    #: Values in one JSON document, counted by its commas; and arrays and objects, which may have none.
    values: int = 100_000
    #: Different names of the columns of all rows, at each level, or of arguments: a table has at most 1,600 columns.
    names: int = 2000
    #: Rows of one bulk write.
    rows: int = 1000
    #: Different sets of keys among the rows of one bulk write with ``missing=default``.
    key_sets: int = 64
    #: Fields of a form; columns of a CSV file.
    fields: int = 200
    #: Characters of one number, and the greatest power of ten it may have either way.
    number_chars: int = 1000


DEFAULT_BODY_LIMITS: Final = BodyLimits()
