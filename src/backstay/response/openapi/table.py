"""A table as schemas: the row that a read shows, the row to create, the columns to change.

1. A column that no rule shows to this kind of principal is in none of them (AC12).
2. A foreign key is told only where the column it points to is shown too.
3. A computed field is told where every column that it uses is shown; a read has it on request only.
4. Keys are noted in the words that PostgREST writes, because tools look for them.
"""

from __future__ import annotations

from dataclasses import dataclass

from backstay.catalog import Column, Computed, Search, Table
from backstay.catalog.geometry import spatial_of
from backstay.plan.scope import Scope, shows_field
from backstay.policy import Grant
from backstay.request.media import MediaKind
from backstay.response.openapi.column import column_schema, default_text, nullable, value_schema
from backstay.response.openapi.name import Json, component, reference


@dataclass(frozen=True, slots=True)
class Shown:
    """A table as far as one kind of principal may use it; a falsy grant stands for an action that it may not."""

    table: Table
    scope: Scope
    read: Grant
    create: Grant
    update: Grant
    delete: Grant

    @property
    def name(self) -> str:
        """The name of its schema; those for writing have a suffix."""
        return component(self.table.name)

    @property
    def title(self) -> str:
        return self.table.title or self.table.name

    @property
    def rows(self) -> Json:
        """Rows as an answer shows them.  Who may write but not read is shown none."""
        return {"type": "array", "items": self.row}

    @property
    def row(self) -> Json:
        return reference("schemas", self.name) if self.read else {"type": "object"}

    @property
    def keyed(self) -> bool:
        """Whether one row can be named by its whole key."""
        key = frozenset(self.table.primary_key)
        return bool(key) and key <= self.read.columns

    @property
    def has_items(self) -> bool:
        """Whether each row has a path of its own; below ``rpc/`` are the functions."""
        return self.keyed and self.table.name != "rpc"

    @property
    def replaceable(self) -> bool:
        """Whether a row can be stored under its key, whether it exists or not."""
        return self.keyed and bool(self.update) and frozenset(self.table.primary_key) <= self.create.columns

    def offers(self, offered: frozenset[MediaKind]) -> frozenset[MediaKind]:
        """What of *offered* the table has: features are made only of a geometry that is shown."""
        spatial = any(spatial_of(column.type) for column in self.columns(self.read))
        return offered if spatial else offered - {"geojson"}

    @property
    def computed(self) -> list[Computed]:
        """Fields that SQL makes of columns; a column of the same name hides one."""
        fields = self.table.computed.items()
        return [field for name, field in fields if name not in self.table.columns and self._shows(field)]

    @property
    def fields(self) -> list[Column | Computed | Search]:
        """Whatever rows can be chosen by."""
        search = self.table.search
        searched = [search] if search is not None and self._shows(search) else []
        return [*self.columns(self.read), *self.computed, *searched]

    def _shows(self, field: Computed | Search) -> bool:
        return shows_field(self.scope, self.read, field)

    def columns(self, grant: Grant) -> list[Column]:
        """What *grant* shows, in the table's order."""
        shown = grant.columns
        return [column for name, column in self.table.columns.items() if name in shown]

    def writable(self, grant: Grant) -> list[Column]:
        return [column for column in self.columns(grant) if not column.generated and column.duty is None]


def show(scope: Scope, table: Table) -> Shown | None:
    """*table* as the principals of *scope* may use it; ``None`` where it does not exist for them."""
    if not scope.sees(table):
        return None
    nothing = Grant(())
    create, update, delete = (
        nothing if table.read_only or action not in table.writes else scope.grant(action, table)
        for action in ("create", "update", "delete")
    )
    return Shown(table, scope, scope.grant("read", table), create, update, delete)


def table_schemas(shown: Shown) -> dict[str, Json]:
    """The schemas of one table by component name: ``posts``, ``posts.insert``, ``posts.update``."""
    found: dict[str, Json] = {}
    if shown.read:
        common = shown.read.common
        found[shown.name] = _object(
            shown.title,
            shown.table.description,
            {column.name: _read_property(shown, column) for column in shown.columns(shown.read)}
            | {field.name: _computed_property(field) for field in shown.computed},
            [column.name for column in shown.columns(shown.read) if column.name in common],
        )
    if shown.create:
        columns = shown.writable(shown.create)
        found[f"{shown.name}.insert"] = _object(
            f"New {shown.title}",
            shown.table.description,
            {column.name: _write_property(shown, column, creates=True) for column in columns},
            [column.name for column in columns if not column.nullable and not column.has_default],
        ) | {"additionalProperties": False}
    if shown.update:
        columns = shown.writable(shown.update)
        found[f"{shown.name}.update"] = _object(
            f"Changes to {shown.title}",
            shown.table.description,
            {column.name: _write_property(shown, column, creates=False) for column in columns},
            [],
        ) | {"additionalProperties": False}
    return found


def _object(title: str, description: str | None, properties: Json, required: list[str]) -> Json:
    schema: Json = {"title": title}
    if description:
        schema["description"] = description
    schema |= {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return schema


def _read_property(shown: Shown, column: Column) -> Json:
    schema = _described(column_schema(column), _description(shown, column))
    written = shown.create.columns | shown.update.columns
    if column.generated or column.name not in written:
        schema["readOnly"] = True
    return schema


def _computed_property(field: Computed) -> Json:
    told = "Computed; there only where `select` names it."
    schema = nullable(value_schema(field.type))
    return _described(schema, "\n\n".join(filter(None, (field.description, told)))) | {"readOnly": True}


def _write_property(shown: Shown, column: Column, *, creates: bool) -> Json:
    description = _description(shown, column)
    default = default_text(column) if creates else None
    if default is not None:
        # In words: generators of code take the keyword `default` for “always there”, and then ask callers for it.
        description = "\n\n".join(filter(None, (description, f"Left out, it is `{default}`.")))
    return _described(column_schema(column), description)


def _described(schema: Json, description: str | None) -> Json:
    return {**schema, "description": description} if description else schema


def _description(shown: Shown, column: Column) -> str | None:
    notes = [note for note in (_primary(column), _foreign(shown, column)) if note]
    if not notes:
        return column.description
    note = "\n".join(("Note:", *notes))
    return f"{column.description}\n\n{note}" if column.description else note


def _primary(column: Column) -> str | None:
    return "This is a Primary Key.<pk/>" if column.primary else None


def _foreign(shown: Shown, column: Column) -> str | None:
    for relation in shown.table.relations:
        if not relation.holds_key or [column.name] != [here for here, _ in relation.pairs]:
            continue
        remote, there = shown.scope.catalog.tables[relation.remote], relation.pairs[0][1]
        if there in shown.scope.grant("read", remote).columns:
            return f"This is a Foreign Key to `{remote.name}.{there}`.<fk table='{remote.name}' column='{there}'/>"
    return None
