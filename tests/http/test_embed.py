"""Resource embedding: relations by name, hint and alias, filters that reach in and out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.api import Api

O1, O2, O3 = (f"00000000-0000-0000-0000-00000000000{n}" for n in (1, 2, 3))


@pytest.mark.parametrize(
    ("path", "rows"),
    [
        (
            "people?select=name,countries(name)&order=id&limit=3",
            [
                {"name": "ann", "countries": {"name": "Germany"}},
                {"name": "bob", "countries": {"name": "France"}},
                {"name": "cy", "countries": None},
            ],
        ),
        (
            "countries?select=code,people(name)&order=code&people.order=id",
            [
                {"code": "DE", "people": [{"name": "ann"}, {"name": "Dée"}]},
                {"code": "FR", "people": [{"name": "bob"}]},
                {"code": "IT", "people": []},
            ],
        ),
        (
            "products?select=name,categories(name)&id=lt.4&order=id&categories.order=id",
            [
                {"name": "Hammer", "categories": [{"name": "all"}, {"name": "tools"}]},
                {"name": "Ball", "categories": [{"name": "toys"}]},
                {"name": "Ärmel, a (long) story", "categories": []},
            ],
        ),
        (
            "people?select=name,profiles(bio)&order=id&limit=3",
            [
                {"name": "ann", "profiles": {"bio": "first"}},
                {"name": "bob", "profiles": {"bio": "second"}},
                {"name": "cy", "profiles": None},
            ],
        ),
        ("profiles?select=bio,people(name)&limit=1&order=person_id", [{"bio": "first", "people": {"name": "ann"}}]),
        (
            "people?select=name,boss:manager_id(name)&order=id",
            [
                {"name": "ann", "boss": None},
                {"name": "bob", "boss": {"name": "ann"}},
                {"name": "cy", "boss": {"name": "ann"}},
                {"name": "Dée", "boss": {"name": "bob"}},
            ],
        ),
        (
            "people?select=name,reports:people(name)&id=eq.1&reports.order=id",
            [{"name": "ann", "reports": [{"name": "bob"}, {"name": "cy"}]}],
        ),
        (
            "people?select=name,reports:people!people_manager_id_fkey(name)&id=eq.2",
            [{"name": "bob", "reports": [{"name": "Dée"}]}],
        ),
        (
            "people?select=name,reports:people!manager_id(name,reports:people!manager_id(name))&id=eq.1&reports.order=id",
            [
                {
                    "name": "ann",
                    "reports": [{"name": "bob", "reports": [{"name": "Dée"}]}, {"name": "cy", "reports": []}],
                }
            ],
        ),
        ("people?select=name,country(name)&id=eq.1", [{"name": "ann", "country": {"name": "Germany"}}]),
        ("categories?select=name,parent:parent_id(name)&id=eq.2", [{"name": "tools", "parent": {"name": "all"}}]),
        ("countries?select=code,people()&code=eq.DE", [{"code": "DE"}]),
        ("countries?select=code,people(count)&code=eq.DE", [{"code": "DE", "people": [{"count": 2}]}]),
    ],
)
def test_relations(api: Api, path: str, rows: Any) -> None:
    """PostgREST details 24, 25, 28: to-one, to-many, many-to-many, one-to-one and self-reference."""
    reply = api.get(path)
    if "PGRST123" in str(rows):
        assert "PGRST123" == reply.code
    else:
        assert rows == reply.json


@pytest.mark.parametrize(
    ("select", "row"),
    [
        (
            "billing:addresses!orders_billing_id_fkey(city),shipping:addresses!orders_shipping_id_fkey(city)",
            {"billing": {"city": "Köln"}, "shipping": {"city": "Bonn"}},
        ),
        ("addresses!billing_id(city)", {"addresses": {"city": "Köln"}}),
        ("billing_id(city)", {"billing_id": {"city": "Köln"}}),
        ("orders_shipping_id_fkey(city)", {"orders_shipping_id_fkey": {"city": "Bonn"}}),
        ("b:billing_id(city)", {"b": {"city": "Köln"}}),
        ("...billing_id(city)", {"city": "Köln"}),
        ("...billing_id(place:city)", {"place": "Köln"}),
        ("products(id)&products.order=id", {"products": [{"id": 1}, {"id": 2}]}),
        ("products!order_lines(id)&products.order=id", {"products": [{"id": 1}, {"id": 2}]}),
        ("...products(ids:id)&products.order=id", {"ids": [1, 2]}),
        ("order_lines(quantity,products(name))&order_lines.order=product_id",
         {"order_lines": [{"quantity": 2, "products": {"name": "Hammer"}},
                          {"quantity": 1, "products": {"name": "Ball"}}]}),
        ("order_lines(...products(name))&order_lines.order=product_id",
         {"order_lines": [{"name": "Hammer"}, {"name": "Ball"}]}),
        ("people(name,...countries(country:name))", {"people": {"name": "ann", "country": "Germany"}}),
        ("note,...people(...countries(country:name))", {"note": "fast", "country": "Germany"}),
    ],
)  # fmt: skip
def test_hints_and_spread(api: Api, select: str, row: dict[str, Any]) -> None:
    """PostgREST details 24, 29: a hint is a constraint, a column or a junction; a spread joins its parent."""
    assert [row] == api.get(f"orders?select={select}&id=eq.{O1}", as_="ann").json


def test_ambiguous(api: Api) -> None:
    """PostgREST detail 25: two relations between the same tables answer 300 with the choices."""
    reply = api.get("orders?select=id,addresses(*)", as_="ann")
    assert (300, "PGRST201") == (reply.status, reply.code)
    assert (
        "Could not embed because more than one relationship was found for 'orders' and 'addresses'"
        == reply.json["message"]
    )
    assert [
        {
            "cardinality": "many-to-one",
            "relationship": f"orders_{name}_id_fkey using orders({name}_id) and addresses(id)",
            "embedding": "orders with addresses",
        }
        for name in ("billing", "shipping")
    ] == reply.json["details"]
    assert (
        "Try changing 'addresses' to one of the following: 'addresses!orders_billing_id_fkey', "
        "'addresses!orders_shipping_id_fkey'. Find the desired relationship in the 'details' key."
    ) == reply.json["hint"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("products?select=id,nope(id)", 400, "PGRST200"),
        ("products?select=id,people(id)", 400, "PGRST200"),
        ("products?select=id,categories!nope(id)", 400, "PGRST200"),
        ("people?select=id,vault(id)", 400, "PGRST200"),
        ("products?select=id,categories(nope)", 400, "42703"),
        ("products?select=id&categories.id=eq.1", 400, "PGRST108"),
        ("products?select=id&categories.order=id", 400, "PGRST108"),
        ("products?select=id&categories.limit=1", 400, "PGRST108"),
        ("products?select=id&order=categories(id)", 400, "PGRST108"),
        ("products?select=id,categories(id)&order=categories(id)", 400, "PGRST118"),
        ("products?select=id,categories(id)&categories=eq.1", 400, "PGRST120"),
        ("products?select=id,categories(id)&categories=is.true", 400, "PGRST120"),
        ("people?select=id,countries(id", 400, "PGRST100"),
        ("people?select=id,countries!inner!left(id)", 400, "PGRST100"),
    ],
)
def test_refusals(api: Api, path: str, status: int, code: str) -> None:
    """PostgREST details 26, 30: relations that are not there, and filters on what is not embedded."""
    reply = api.get(path)
    assert (status, code) == (reply.status, reply.code)


def test_no_relation(api: Api) -> None:
    """The words of PGRST200 are PostgREST's."""
    assert {
        "code": "PGRST200",
        "message": "Could not find a relationship between 'products' and 'nope' in the schema cache",
        "details": (
            "Searched for a foreign key relationship between 'products' and 'nope' in the schema 'public', "
            "but no matches were found."
        ),
        "hint": None,
    } == api.get("products?select=*,nope(*)").json


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("people.name=eq.ann", [("DE", ["ann"]), ("FR", []), ("IT", [])]),
        ("people.name=eq.ann&people=not.is.null", [("DE", ["ann"])]),
        ("people=not.is.null", [("DE", ["ann", "Dée"]), ("FR", ["bob"])]),
        ("people=is.null", [("IT", [])]),
        ("people.name=neq.bob&people=is.null", [("FR", []), ("IT", [])]),
        ("or=(people.is.null,code.eq.DE)", [("DE", ["ann", "Dée"]), ("IT", [])]),
        ("or=(people.not.is.null,code.eq.IT)", [("DE", ["ann", "Dée"]), ("FR", ["bob"]), ("IT", [])]),
        ("not.or=(people.is.null,code.eq.DE)", [("FR", ["bob"])]),
        ("people.or=(name.eq.ann,name.eq.bob)", [("DE", ["ann"]), ("FR", ["bob"]), ("IT", [])]),
        ("people.not.or=(name.eq.ann,name.eq.bob)", [("DE", ["Dée"]), ("FR", []), ("IT", [])]),
        ("people.limit=1", [("DE", ["ann"]), ("FR", ["bob"]), ("IT", [])]),
        ("people.limit=1&people.offset=1", [("DE", ["Dée"]), ("FR", []), ("IT", [])]),
        ("people.limit=0", [("DE", []), ("FR", []), ("IT", [])]),
        ("people.order=id.desc", [("DE", ["Dée", "ann"]), ("FR", ["bob"]), ("IT", [])]),
        ("people.order=name.desc.nullslast,id", [("DE", ["ann", "Dée"]), ("FR", ["bob"]), ("IT", [])]),
    ],
)
def test_filters_on_embeds(api: Api, query: str, rows: list[tuple[str, list[str]]]) -> None:
    """PostgREST detail 27: an embed's filters keep its parents unless the embed itself must be there."""
    order = "" if "people.order" in query else "&people.order=id"
    found = api.get(f"countries?select=code,people(name)&order=code&{query}{order}").json
    assert rows == [(row["code"], [person["name"] for person in row["people"]]) for row in found]


@pytest.mark.parametrize(
    ("select", "query", "names"),
    [
        ("countries!inner(code)", "countries.code=eq.DE", ["ann", "Dée"]),
        ("countries!inner(code)", "", ["ann", "bob", "Dée"]),
        ("countries!left(code)", "", ["ann", "bob", "cy", "Dée"]),
        ("countries(code)", "countries.code=eq.DE", ["ann", "bob", "cy", "Dée"]),
        ("countries(code)", "countries=is.null", ["cy"]),
        ("countries(code)", "countries.code=eq.DE&countries=is.null", ["bob", "cy"]),
        ("countries!inner()", "countries.code=eq.FR", ["bob"]),
        ("people!people_manager_id_fkey!inner(id)", "", ["ann", "bob"]),
        ("people!inner(id,people!inner(id))", "", ["ann"]),
        ("r:people!inner(id)", "r.id=eq.4", ["bob"]),
        ("manager_id!inner(countries!inner())", "manager_id.countries.code=eq.FR", ["Dée"]),
        ("manager_id!inner(countries())", "manager_id.countries=not.is.null", ["bob", "cy", "Dée"]),
    ],
)
def test_inner(api: Api, select: str, query: str, names: list[str]) -> None:
    """An inner join drops the parents without a child, at any depth."""
    found = api.get(f"people?select=name,{select}&order=id&{query}").json
    assert names == [row["name"] for row in found]


@pytest.mark.parametrize(
    ("select", "query", "ids"),
    [
        ("manager_id(name)", "manager_id=eq.1", [2, 3]),
        ("manager_id(name)", "or=(manager_id.eq.2,id.eq.1)", [1, 4]),
        ("manager_id(name)", "manager_id=is.null", [1]),
        ("manager_id(name)", "manager_id.name=eq.bob&manager_id=is.null", [1, 2, 3]),
        ("name:countries(code)", "name=like.a*", [1]),
        ("name:countries(code)", "name.code=eq.DE&name=not.is.null", [1, 4]),
    ],
)
def test_embeds_called_like_a_column(api: Api, select: str, query: str, ids: list[int]) -> None:
    """Whether it is there is asked of the embed, anything else of the column."""
    assert ids == [row["id"] for row in api.get(f"people?select=id,{select}&order=id&{query}").json]


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("countries(name)", ["bob", "ann", "Dée", "cy"]),
        ("countries(name).desc", ["cy", "ann", "Dée", "bob"]),
        ("countries(name).asc.nullsfirst", ["cy", "bob", "ann", "Dée"]),
        ("countries(name).desc.nullslast", ["ann", "Dée", "bob", "cy"]),
    ],
)
def test_order_by_related(api: Api, order: str, names: list[str]) -> None:
    """PostgREST detail 30: the parent may be ordered by a column of a to-one embed."""
    found = api.get(f"people?select=name,countries(code)&order={order},id").json
    assert names == [row["name"] for row in found]


def test_alias_addressed_by_table(api: Api) -> None:
    """PostgREST detail 33: an aliased embed is filtered under its alias."""
    path = "people?select=name,c:countries(code)&c.code=eq.DE&order=id"
    assert ["DE", None, None, "DE"] == [row["c"] and row["c"]["code"] for row in api.get(path).json]


def test_two_embeds_of_one_table(api: Api) -> None:
    """Two aliases of one relation are filtered apart."""
    path = "categories?select=id,a:categories(id),b:categories(id)&a.id=eq.2&b.id=eq.3&id=eq.1"
    assert [{"id": 1, "a": [{"id": 2}], "b": [{"id": 3}]}] == api.get(path).json


@pytest.mark.parametrize(("depth", "status"), [(5, 200), (6, 400)])
def test_limit_of_depth(api: Api, depth: int, status: int) -> None:
    """LM4: embeds nest five deep, not six."""
    select = "id"
    for _ in range(depth):
        select = f"id,categories({select})"
    assert status == api.get(f"categories?select={select}").status


@pytest.mark.parametrize(("count", "status"), [(10, 200), (11, 400)])
def test_limit_of_embeds(api: Api, count: int, status: int) -> None:
    """LM4: ten embeds are served, eleven refused."""
    embeds = ",".join(f"c{i}:categories(id)" for i in range(count))
    assert status == api.get(f"categories?select=id,{embeds}").status


def test_to_many_spread_in_order(api: Api) -> None:
    """PostgREST detail 29: the arrays of a to-many spread are parallel, in the child's order."""
    path = "countries?select=code,...people(ids:id,names:name)&order=code&people.order=id.desc"
    assert [
        {"code": "DE", "ids": [4, 1], "names": ["Dée", "ann"]},
        {"code": "FR", "ids": [2], "names": ["bob"]},
        {"code": "IT", "ids": [], "names": []},
    ] == api.get(path).json
