"""Hidden columns and tables: in every clause they look like missing ones."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.api import Api, Reply

#: Every place of a request where a column's name may stand; ``{}`` is the name.
READS = [
    "products?select={}",
    "products?select=a:{}",
    "products?select={}::text",
    "products?select={}.sum()",
    "products?select=id&{}=eq.1",
    "products?select=id&{}=is.null",
    "products?select=id&{}=in.(1,2)",
    "products?select=id&{}->a=eq.1",
    "products?select=id&or=({}.eq.1,id.eq.1)",
    "products?select=id&not.and=({}.eq.1,id.eq.1)",
    "products?select=id&order={}",
    "products?select=id&order={}.desc.nullsfirst",
    "product_categories?select=products({})",
    "product_categories?select=products(id)&products.{}=eq.1",
    "product_categories?select=products(id)&products.order={}",
    "product_categories?select=products(id)&order=products({})",
    "product_categories?select=...products({})",
    "product_categories?select=products!inner(id)&products.{}=gt.1",
    "product_categories?select=products(id)&products.or=({}.eq.1,id.eq.1)",
    "rpc/cheap?below=5&select={}",
    "rpc/cheap?below=5&{}=eq.1",
    "rpc/cheap?below=5&order={}",
]


def _alike(one: Reply, other: Reply, name: str, other_name: str) -> None:
    """Two answers that differ in nothing but the name that was asked for."""
    assert one.status == other.status
    assert one.body == other.body.replace(other_name.encode(), name.encode())
    left_out = {b"date", b"x-request-id", b"content-length", b"content-location"}
    assert [h for h in one.headers if h[0] not in left_out] == [h for h in other.headers if h[0] not in left_out]


@pytest.mark.parametrize("path", READS)
def test_hidden_column_in_reads(api: Api, path: str) -> None:
    """AC10, AC12: a column that no rule shows is missing in select, filter, order, logic, embeds and casts."""
    hidden, missing = (api.get(path.format(name), as_="ann", prefer="count=exact") for name in ("cost", "coat"))
    assert hidden.status >= 400
    _alike(hidden, missing, "cost", "coat")


def test_star_leaves_it_out(api: Api) -> None:
    """AC10: a star, a representation and a function's rows are without the hidden column."""
    for row in (*api.get("products").json, *api.get("product_categories?select=...products(*)").json):
        assert "cost" not in row


@pytest.mark.parametrize(
    ("method", "path", "value"),
    [
        ("POST", "people", {"salary": 1}),
        ("POST", "people?columns=salary", {}),
        ("PATCH", "people?id=eq.1", {"salary": 1}),
        ("PATCH", "people?id=eq.1&columns=salary", {"salary": 1}),
        ("PATCH", "people?salary=eq.1", {"name": "x"}),
        ("PATCH", "people?id=eq.1&select=salary", {"name": "x"}),
        ("DELETE", "people?salary=eq.1", None),
        ("POST", "people?on_conflict=salary", {"name": "x"}),
    ],
)
def test_hidden_column_in_writes(api: Api, method: str, path: str, value: Any) -> None:
    """AC10, AC14: a caller who may write nothing here is told so, whatever the write names."""
    prefer = "return=representation, resolution=merge-duplicates"

    def send(name: str) -> Reply:
        body = None if value is None else {name if key == "salary" else key: v for key, v in value.items()}
        return api._write(method, path.replace("salary", name), body, {"as_": "nobody", "prefer": prefer})

    hidden, missing = send("salary"), send("celery")
    assert (403, "42501") == (hidden.status, hidden.code)
    _alike(hidden, missing, "salary", "celery")


@pytest.mark.parametrize("name", ["cost", "coat"])
def test_hidden_column_in_the_body(api: Api, name: str) -> None:
    """AC14: a key that the caller cannot see is refused like one that is not there, never dropped."""
    reply = api.patch("products?id=eq.1", {name: 1}, as_="ann")
    assert 403 == reply.status
    reply = api.post("profiles", {"person_id": 3, "bio": "x", name: 1}, as_="cy")
    assert (400, "PGRST204") == (reply.status, reply.code)


def test_readable_but_not_writable(api: Api) -> None:
    """AC14: a column that may be read but not written is refused with its name, and nothing is changed."""
    reply = api.patch("people?id=eq.1", {"name": "Ann", "salary": 10_000}, as_="ann")
    assert (400, "PGRST204") == (reply.status, reply.code)
    assert [{"name": "ann", "salary": 90}] == api.rows("people?select=name,salary&id=eq.1")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("who", [None, "ann", "dee"])
def test_table_without_policy(api: Api, method: str, who: str | None) -> None:
    """AC1, AC12: a table that no rule speaks of does not exist, by any method, for anyone but the service role."""
    hidden, missing = (api.send(method, f"{name}?select=id", as_=who, body=b"{}") for name in ("vault", "vaunt"))
    assert 404 == hidden.status
    _alike(hidden, missing, "vault", "vaunt")
    assert 200 == api.get("vault", as_="svc").status


@pytest.mark.parametrize(
    "path", ["people?select=id,{}(*)", "people?select=id,{}!inner(id)", "people?select=id,x:{}(id)"]
)
def test_table_without_policy_in_embeds(api: Api, path: str) -> None:
    """AC1: it cannot be embedded, and ambiguity does not tell of it."""
    hidden, missing = (api.get(path.format(name), as_="ann") for name in ("vault", "vaunt"))
    assert 400 == hidden.status
    _alike(hidden, missing, "vault", "vaunt")


def test_no_hint_of_names(api: Api) -> None:
    """AC12: errors never say what was perhaps meant."""
    for path in ("peopl", "people?select=nam", "people?select=id,profile(bio)", "rpc/ad?a=1", "people?selarey=eq.1"):
        reply = api.get(path, as_="ann")
        assert reply.status >= 400
        assert "did you mean" not in reply.body.decode().lower()
        assert "perhaps" not in reply.body.decode().lower()


@pytest.mark.parametrize(
    ("select", "who", "ids"),
    [
        ("id,name", "ann", [1, 2, 3, 4]),
        ("id,email", "ann", [1]),
        ("id,salary", "ann", [1]),
        ("id,name", "dee", [1, 2, 3, 4]),
        ("id,email", "dee", [1, 4]),
        ("id", "nobody", [1, 2, 3, 4]),
        ("*", "ann", [1, 2, 3, 4]),
    ],
)
def test_rows_never_borrow_columns(api: Api, select: str, who: str, ids: list[int]) -> None:
    """AC10: of several rules, only one that shows every column named may show the row."""
    assert ids == api.get(f"people?select={select}&order=id", as_=who).ids


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("email=not.is.null", [1]),
        ("or=(email.not.is.null,id.gt.0)", [1]),
        ("order=email", [1]),
        ("order=salary.desc", [1]),
        ("not.and=(salary.lt.0,id.gt.0)", [1]),
        ("select=id,people!manager_id(id)&people.email=not.is.null", [1, 2, 3, 4]),
        ("select=id,people!manager_id!inner(id)&people.email=eq.bob@example.org", []),
        ("select=id,manager_id!inner(id)&manager_id.email=eq.ann@example.org", [2, 3]),
        ("select=id,manager_id(id)&order=manager_id(salary).desc.nullslast,id", [2, 3, 1, 4]),
    ],
)
def test_a_clause_mentions_its_columns(api: Api, query: str, ids: list[int]) -> None:
    """AC10: a filter or an order by a column narrows to the rows of which the caller may see that column."""
    found = api.get(f"people?select=id&{query}" if "select" not in query else f"people?{query}", as_="ann").ids
    assert ids == (found if "order=" in query else sorted(found))


def test_count_follows_the_columns(api: Api) -> None:
    """AC8, AC10: a count counts the rows that are shown with these columns."""
    assert "0-0/1" == api.get("people?select=email", as_="ann", prefer="count=exact").range
    assert "0-3/4" == api.get("people?select=name", as_="ann", prefer="count=exact").range


def test_embed_key_counts_as_named(api: Api) -> None:
    """AC10: embedding by a key names the key: bookings show their address to their owner only."""
    reply = api.get("addresses?select=id,bookings(id)", as_="bob")
    assert [{"id": 3, "bookings": [{"id": 2}]}] == reply.json
