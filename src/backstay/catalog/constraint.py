"""Which columns a constraint speaks of: its name, and that it broke, tell of them (AC6)."""

from __future__ import annotations

import re

import sqlalchemy as sa

from backstay.catalog.table import Table


def columns_of(constraint: str | None, table: Table) -> frozenset[str]:
    """The columns that the check or the index called *constraint* asks of a row of *table*.

    None where nobody has described it to us: one of a reflected table or of a domain, or one without a name.
    """
    source = table.sql
    named: list[sa.CheckConstraint | sa.Index] = []
    if constraint is not None and isinstance(source, sa.Table):
        named += [c for c in source.constraints if isinstance(c, sa.CheckConstraint) and c.name == constraint]
        named += [index for index in source.indexes if index.name == constraint]
    return frozenset[str]().union(*(_asked(one, table) for one in named))


def _asked(constraint: sa.CheckConstraint | sa.Index, table: Table) -> frozenset[str]:
    if isinstance(constraint, sa.CheckConstraint):
        texts = [str(constraint.sqltext)]
    else:
        wheres = [constraint.dialect_options[dialect].get("where") for dialect in ("postgresql", "sqlite")]
        texts = [str(part) for part in (*constraint.expressions, *wheres) if part is not None]
    text = " ".join(texts)
    # The table by itself is the whole row; what is only called like a column counts as one.
    if re.search(rf'(?<!\w){re.escape(table.name)}(?!\w|"?\.)', text, re.IGNORECASE):
        return frozenset(table.columns)
    words = {name: rf"(?<!\w){re.escape(name)}(?!\w)" for name in table.columns}
    return frozenset(name for name, word in words.items() if re.search(word, text, re.IGNORECASE))
