"""Functions of the database that may be called, as the API names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from backstay.catalog.facts import Facts, FunctionFacts, Name, TableFacts
from backstay.catalog.reflect import reflect_catalog
from backstay.catalog.table import Catalog, Table
from backstay.errors import ConfigError

#: The types of a whole body, by the type of the argument that takes it.
_WHOLE: Final[Mapping[str, str]] = {"json": "json", "jsonb": "json", "text": "text", "xml": "xml", "bytea": "bytea"}


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
    def whole(self) -> str | None:
        """The type of its only argument, where that has no name and takes a whole body: json, text, xml or bytea."""
        if len(self.facts.arguments) != 1 or self.facts.arguments[0].name:
            return None
        return _WHOLE.get(self.facts.arguments[0].type_name)

    @property
    def signature(self) -> str:
        """``schema.name(argument => type, …)``, as errors tell overloads apart."""
        listed = ", ".join(f"{argument.name} => {argument.type_name}" for argument in self.facts.arguments)
        return f"{self.facts.name.schema}.{self.name}({listed})"

    @property
    def names(self) -> frozenset[str]:
        return frozenset(argument.name for argument in self.facts.arguments)

    @property
    def required(self) -> frozenset[str]:
        return frozenset(argument.name for argument in self.facts.arguments if argument.required)


def routines_of(facts: Facts, catalog: Catalog) -> Mapping[str, tuple[Routine, ...]]:
    """The functions of *catalog*'s schema by name; several of one name are told apart by their arguments.

    An argument without a name cannot be named by a request, so that such a function is not there, unless it is the only
    argument and takes a whole body.

    Raises:
        ConfigError: BST-E052, where a function gives rows of a table whose rules could not be asked about them.
    """
    found: dict[str, tuple[Routine, ...]] = {}
    for function in facts.functions:
        if function.name.schema == catalog.schema:
            name = function.name.table
            routine = _routine(function, catalog)
            if routine.whole is not None or all(argument.name for argument in function.arguments):
                found[name] = (*found.get(name, ()), routine)
    return found


def _routine(function: FunctionFacts, catalog: Catalog) -> Routine:
    if function.within:
        inside = min(function.within)
        raise _unruled(function, inside, f"rows of {inside.schema}.{inside.table} inside of a value")
    if function.gives != "rows":
        return Routine(function)
    if function.table is not None:
        table = catalog.tables.get(function.table.table) if function.table.schema == catalog.schema else None
        if table is None:
            raise _unruled(function, function.table, f"rows of {function.table.schema}.{function.table.table}")
        return Routine(function, table, served=True)
    own = TableFacts(Name(catalog.schema, function.name.table), function.columns, writes=frozenset())
    return Routine(function, reflect_catalog(Facts((own,)), catalog.schema, qualified=True).tables[function.name.table])


def _unruled(function: FunctionFacts, table: Name, what: str) -> ConfigError:
    return ConfigError(
        "BST-E052",
        f"the function {function.name.schema}.{function.name.table} gives {what}, past every policy",
        hint=f"Serve {table.table} and return SETOF {table.table}, or return a TABLE (…) of what everybody may see.",
    )
