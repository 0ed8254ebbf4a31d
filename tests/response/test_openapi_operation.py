"""The operations of a table, for somebody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from backstay.catalog import Catalog, Column, build_catalog
from backstay.plan.scope import Scope
from backstay.policy import ANON, AUTHENTICATED, SERVICE, Kind, compile_rules
from backstay.response.openapi import About, describe
from backstay.response.openapi.parameter import row_filters
from tests.http import zoo

USER: Kind = (AUTHENTICATED, frozenset(), True)
REFUSED = ["400", "401", "403", "409", "412", "422", "default"]
CATALOG = build_catalog(zoo.Zoo)
RULES = compile_rules([zoo.badges, zoo.everyone_watches, zoo.own_animals, zoo.own_changes, zoo.visits], CATALOG)


def described(about: About | None = None, who: Kind = USER) -> dict[str, Any]:
    return describe(Scope(CATALOG, RULES, who), {}, about or About())


def names(operation: dict[str, Any]) -> list[str]:
    return [parameter["$ref"].removeprefix("#/components/parameters/") for parameter in operation["parameters"]]


def test_it_is_pure() -> None:
    """Equal arguments give equal documents, in the same order."""
    assert str(described()) == str(described())


def test_parameters_of_a_read() -> None:
    """A filter for each column that is shown, and the words of the grammar."""
    found = names(described()["paths"]["/animals"]["get"])
    filters = [name for name in found if name.startswith("rowFilter.")]
    columns = [name for name in CATALOG.tables["animals"].columns if name not in ("vet_note", "order")]
    assert [f"rowFilter.animals.{name}" for name in columns] == filters
    rest = "or and select order limit offset cursor range rangeUnit ifNoneMatch preferRead"
    assert rest.split() == found[len(filters) :]


def test_columns_that_are_called_like_a_parameter_have_none() -> None:
    """Generators would make one identifier of ``order`` and ``"order"``, and drop the whole operation."""
    assert "rowFilter.animals.order" not in described()["components"]["parameters"]
    assert "order" in described()["components"]["schemas"]["animals"]["properties"]


def test_odd_column_names_are_quoted() -> None:
    """The parameter is written as the grammar wants the name."""
    column = Column("left leg", sa.Column("left leg", sa.Integer), "integer", True, False, False, False)
    ((name, parameter),) = row_filters("animals", [column]).items()
    assert ("rowFilter.animals.left-20.leg", '"left leg"') == (name, parameter["name"])


@pytest.mark.parametrize(
    ("path", "prefer", "statuses"),
    [
        ("/animals", "preferUpsert", ["200", "201", *REFUSED]),
        ("/zoo%20visits", "preferCreate", ["201", *REFUSED]),
    ],
)
def test_merging_is_for_those_who_may_update(path: str, prefer: str, statuses: list[str]) -> None:
    """Who may only create is not offered ``merge-duplicates``."""
    operation = described()["paths"][path]["post"]
    assert ["select", "columns", "on_conflict", prefer, "ifNew", "idempotencyKey"] == names(operation)
    assert statuses == list(operation["responses"])
    schema = described()["components"]["parameters"][prefer]["schema"]
    assert ("merge-duplicates" in schema["pattern"]) is (prefer == "preferUpsert")


def test_replacing_is_for_those_who_may_create_and_update() -> None:
    """PUT takes the whole key, as equalities, and a whole row."""
    assert "put" not in described()["paths"]["/zoo%20visits"]
    operation = described()["paths"]["/animals"]["put"]
    (key,) = [parameter for parameter in operation["parameters"] if "$ref" not in parameter]
    assert ("id", True, r"^eq\.") == (key["name"], key["required"], key["schema"]["pattern"])
    assert ["200", "201", "204", *REFUSED] == list(operation["responses"])
    row = operation["requestBody"]["content"]["application/json"]["schema"]
    assert {"$ref": "#/components/schemas/animals.insert"} == row


def test_what_a_view_cannot_do_is_not_described() -> None:
    """A table that only takes changes has no verbs for new or removed rows, not even for the service role."""
    animals = CATALOG.tables["animals"]
    catalog = Catalog({"animals": replace(animals, writes=frozenset(("update",)), relations=())})
    document = describe(Scope(catalog, (), (SERVICE, frozenset(), False)), {}, About())
    assert ["get", "patch"] == list(document["paths"]["/animals"])


def test_representations_are_those_that_are_offered() -> None:
    """Another representation of rows is described as soon as the server offers it."""
    about = About(offered=frozenset(("array", "object", "csv", "openapi")))
    content = described(about)["paths"]["/keepers"]["get"]["responses"]["200"]["content"]
    rows = ["application/json", "application/vnd.pgrst.object+json", "text/csv"]
    assert [*rows, "application/x-ndjson"] == list(content)
    written = described(about)["paths"]["/animals"]["patch"]["responses"]["200"]["content"]
    assert rows == list(written)


def test_who_may_write_but_not_read_is_shown_no_rows() -> None:
    """Writing alone opens the verb, without filters and without a schema of the row (AC12)."""
    rules = compile_rules([zoo.own_animals], CATALOG)
    document = describe(Scope(CATALOG, rules, USER), {}, About())
    assert ["post", "delete"] == list(document["paths"]["/animals"])
    found = names(document["paths"]["/animals"]["delete"])
    assert ["or", "and", "select", "preferDelete", "ifMatch", "idempotencyKey"] == found
    assert "/animals/{id}" not in document["paths"]
    schemas = {"animals.insert", "rest.operation", "rest.result", "rest.filter", "rest.error"}
    assert schemas == set(document["components"]["schemas"])


def test_security() -> None:
    """Two ways to show who one is, and none for a reader who has shown none."""
    assert [{"bearer": []}, {"apikey": []}] == described()["security"]
    assert [{"bearer": []}, {"apikey": []}, {}] == described(who=(ANON, frozenset(), False))["security"]


def test_no_rules_no_tables() -> None:
    """An app without policies describes nothing but its description."""
    document = describe(Scope(CATALOG, (), USER), {}, About())
    assert ["/"] == list(document["paths"])
    assert "animals" not in str(document)


def test_row_limit_is_told() -> None:
    """The bound on one answer stands with the parameter that asks for rows."""
    told = described(About(max_rows=50))["components"]["parameters"]["limit"]["description"]
    assert told.endswith("at most 50 rows.")
