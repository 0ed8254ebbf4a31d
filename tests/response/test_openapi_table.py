"""Tables as schemas, for somebody."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from backstay.catalog import build_catalog
from backstay.plan.scope import Scope
from backstay.policy import ANON, AUTHENTICATED, SERVICE, Kind, Me, Policy, allow, compile_rules
from backstay.response.openapi.name import component
from backstay.response.openapi.table import show, table_schemas
from tests.http import zoo

ANYBODY: Kind = (ANON, frozenset(), False)
USER: Kind = (AUTHENTICATED, frozenset(), True)
ROOT: Kind = (SERVICE, frozenset(), False)

CATALOG = build_catalog(zoo.Zoo)
POLICIES = [zoo.badges, zoo.everyone_watches, zoo.own_animals, zoo.own_changes, zoo.visits]


def schemas(table: str, who: Kind, policies: list[Policy] | None = None) -> dict[str, Any]:
    rules = compile_rules(POLICIES if policies is None else policies, CATALOG)
    shown = show(Scope(CATALOG, rules, who), CATALOG.tables[table])
    return {} if shown is None else table_schemas(shown)


@pytest.mark.parametrize(
    ("table", "who", "names"),
    [
        ("animals", ANYBODY, ["animals"]),
        ("animals", USER, ["animals", "animals.insert", "animals.update"]),
        ("animals", ROOT, ["animals", "animals.insert", "animals.update"]),
        ("zoo visits", ANYBODY, []),
        ("zoo visits", USER, ["zoo-20.visits", "zoo-20.visits.insert"]),
        ("ledger", USER, []),
        ("ledger", ROOT, ["ledger", "ledger.insert", "ledger.update"]),
    ],
)
def test_schemas_are_those_of_the_actions(table: str, who: Kind, names: list[str]) -> None:
    """There is a schema for each thing that the caller may do, and none for a table that it may not use (AC12)."""
    assert names == list(schemas(table, who))


def test_columns_are_those_of_the_rules() -> None:
    """Columns that no rule shows, or lets anybody write, are in no schema (AC12)."""
    found = schemas("animals", USER)
    everything = list(CATALOG.tables["animals"].columns)
    shown = [name for name in everything if name != "vet_note"]
    assert shown == list(found["animals"]["properties"])
    assert [n for n in shown if n not in ("price", "label")] == list(found["animals.insert"]["properties"])
    assert ["name", "legs", "tame", "marks"] == list(found["animals.update"]["properties"])
    assert everything == list(schemas("animals", ROOT)["animals"]["properties"])


def test_required() -> None:
    """A new row needs what has no default; a row that is read has every column; a change needs nothing."""
    found = schemas("animals", USER)
    assert ["keeper_id", "name"] == found["animals.insert"]["required"]
    assert list(found["animals"]["properties"]) == found["animals"]["required"]
    assert "required" not in found["animals.update"]


def test_only_columns_of_every_rule_are_promised() -> None:
    """A star shows the columns that all rules share, so that the others may be missing from a row."""

    @allow("read", zoo.Keeper)
    def oneself(me: Me) -> Any:
        return zoo.Keeper.id == me.id

    found = schemas("keepers", USER, [zoo.badges, oneself])["keepers"]
    assert ["id", "name", "wage"] == list(found["properties"])
    assert ["id", "name"] == found["required"]


def test_titles_and_descriptions_are_the_models() -> None:
    """Class names and docstrings, comments and docs of columns."""
    found = schemas("keepers", ROOT)
    assert ["Keeper", "New Keeper", "Changes to Keeper"] == [schema["title"] for schema in found.values()]
    assert {"Somebody who looks after animals."} == {schema["description"] for schema in found.values()}
    properties = found["keepers"]["properties"]
    assert "As on the badge." == properties["name"]["description"]
    assert "In euros; for the office alone." == properties["wage"]["description"]
    assert "Left out, it is `4`." == schemas("animals", ROOT)["animals.insert"]["properties"]["legs"]["description"]


def test_keys_are_noted_as_postgrest_notes_them() -> None:
    """Tools look for these words."""
    visits = schemas("zoo visits", USER)["zoo-20.visits"]["properties"]
    primary = "Note:\nThis is a Primary Key.<pk/>"
    foreign = "This is a Foreign Key to `animals.id`.<fk table='animals' column='id'/>"
    assert f"{primary}\n{foreign}" == visits["animal_id"]["description"]
    assert primary == visits["day"]["description"]


def test_foreign_keys_to_hidden_tables_are_not_noted() -> None:
    """A note would name a table that does not exist for the caller (AC12)."""
    found = schemas("animals", USER, [zoo.everyone_watches])["animals"]["properties"]
    assert "description" not in found["keeper_id"]


def test_read_only() -> None:
    """What the caller cannot write, or the database computes, is marked."""
    found = schemas("animals", USER)["animals"]["properties"]
    assert ["price", "label"] == [name for name, schema in found.items() if schema.get("readOnly")]
    assert ["label"] == [n for n, s in schemas("animals", ROOT)["animals"]["properties"].items() if s.get("readOnly")]


def test_unknown_keys_are_refused_as_the_server_does() -> None:
    """A key that a body may not have is an error (AC14), and so the schemas of bodies are closed; rows are open."""
    found = schemas("animals", USER)
    assert [None, False, False] == [schema.get("additionalProperties") for schema in found.values()]


def test_views_are_read_only() -> None:
    """A view has no schemas for writing, not even for the service role."""
    catalog = build_catalog(zoo.Zoo, read_only=frozenset(("animals",)))
    shown = show(Scope(catalog, (), ROOT), catalog.tables["animals"])
    assert shown is not None
    assert ["animals"] == list(table_schemas(shown))


def test_component_names_never_meet() -> None:
    """Odd names stay apart from each other and from the suffixes."""
    names = ["a b", "a_b", "a-b", "a.b", "a.insert", "a", "a-20.b", "ä", "a b.insert"]
    found = {component(name) for name in names} | {component(name) + ".insert" for name in names}
    assert 2 * len(names) == len(found)


def test_dataclass_docstrings_are_not_shown() -> None:
    """``@dataclass`` writes all fields into the docstring, those that are hidden included (AC12)."""

    class Base(sa.orm.MappedAsDataclass, sa.orm.DeclarativeBase):
        pass

    class Person(Base):
        __tablename__ = "people"
        id: sa.orm.Mapped[int] = sa.orm.mapped_column(primary_key=True)
        secret: sa.orm.Mapped[str]

    assert "secret" in (Person.__doc__ or "")
    assert build_catalog(Base).tables["people"].description is None
