"""Functions of the database that may be called, as the API names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backstay.catalog.facts import Facts, FunctionFacts, Name, TableFacts
from backstay.catalog.reflect import reflect_catalog
from backstay.catalog.table import Catalog, Table


@dataclass(frozen=True, slots=True, eq=False)
class Routine:
    """One function.  *rows* is the table whose rows it gives, one of the catalog's where *served*, else its own."""

    facts: FunctionFacts
    rows: Table | None = None
    served: bool = False

    @property
    def name(self) -> str:
        return self.facts.name.table

    @property
    def names(self) -> frozenset[str]:
        return frozenset(argument.name for argument in self.facts.arguments)

    @property
    def required(self) -> frozenset[str]:
        return frozenset(argument.name for argument in self.facts.arguments if argument.required)


def routines_of(facts: Facts, catalog: Catalog) -> Mapping[str, tuple[Routine, ...]]:
    """The functions of *catalog*'s schema by name; several of one name are told apart by their arguments."""
    found: dict[str, tuple[Routine, ...]] = {}
    for function in facts.functions:
        if function.name.schema == catalog.schema:
            name = function.name.table
            found[name] = (*found.get(name, ()), _routine(function, catalog))
    return found


def _routine(function: FunctionFacts, catalog: Catalog) -> Routine:
    if function.gives != "rows":
        return Routine(function)
    if function.table is not None and function.table.schema == catalog.schema:
        table = catalog.tables.get(function.table.table)
        if table is not None:
            return Routine(function, table, served=True)
    own = TableFacts(Name(catalog.schema, function.name.table), function.columns, writes=frozenset())
    return Routine(function, reflect_catalog(Facts((own,)), catalog.schema, qualified=True).tables[function.name.table])
