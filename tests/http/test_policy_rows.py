"""Rows: who sees, writes and keeps them, and what a refusal tells."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.api import Api, Reply

RETURN = "return=representation"
MERGE = "resolution=merge-duplicates"
IGNORE = "resolution=ignore-duplicates"


def _same(one: Reply, other: Reply) -> None:
    left_out = {b"date", b"x-request-id", b"content-location"}
    assert (one.status, one.body) == (other.status, other.body)
    assert [h for h in one.headers if h[0] not in left_out] == [h for h in other.headers if h[0] not in left_out]


@pytest.mark.parametrize(("who", "ids"), [("ann", [1, 2]), ("bob", [3]), ("cy", []), ("svc", [1, 2, 3])])
def test_read(api: Api, who: str, ids: list[int]) -> None:
    """AC3: a rule selects the rows that are read; the service role alone is past it."""
    assert ids == api.get("addresses?order=id", as_=who).ids
    assert f"/{len(ids)}" in str(api.get("addresses", as_=who, prefer="count=exact").range)


def test_nobody_has_no_id(api: Api) -> None:
    """AC3: a rule about ``me.id`` does not reach callers without one, not even for rows where the column is null."""
    for who in (None, "nobody"):
        assert (404, "PGRST205") == (lambda r: (r.status, r.code))(api.get("addresses", as_=who))
        assert {"email"} & set(api.get("people", as_=who).json[2]) == set()


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("prefer", [None, RETURN, f"{RETURN}, count=exact"])
def test_invisible_is_missing(api: Api, method: str, prefer: str | None) -> None:
    """AC4: a row of somebody else is read, updated and deleted exactly like one that is not there."""
    body = {"city": "stolen"} if method == "PATCH" else None
    hidden, missing = (
        api._write(method, f"addresses?id=eq.{n}", body, {"as_": "ann", "prefer": prefer}) for n in (3, 77)
    )
    _same(hidden, missing)
    assert [{"city": "Lyon"}] == api.rows("addresses?select=city&id=eq.3")


def test_unfiltered_writes_touch_own_rows_only(api: Api) -> None:
    """AC3, AC4: without filters, an update and a delete mean the caller's rows."""
    assert "0-1/2" == api.patch("addresses", {"city": "mine"}, as_="ann", prefer="count=exact").range
    assert ["mine", "mine", "Lyon"] == [row["city"] for row in api.rows("addresses?order=id")]
    assert "*/1" == api.delete("bookings", as_="ann", prefer="count=exact").range
    assert [2] == [row["id"] for row in api.rows("bookings")]


@pytest.mark.parametrize("who", ["ann", "bob"])
def test_create_for_somebody_else(api: Api, who: str) -> None:
    """AC3, AC15: the new row must satisfy the rule; whose it is comes from the token."""
    other = {"ann": 2, "bob": 1}[who]
    reply = api.post("addresses", {"person_id": other, "city": "x"}, as_=who)
    assert (403, "42501") == (reply.status, reply.code)
    assert 3 == len(api.rows("addresses"))


@pytest.mark.parametrize(
    ("path", "value", "refusal"),
    [
        ("addresses?id=eq.1", {"person_id": 2}, (403, "42501")),
        ("orders?id=eq.00000000-0000-0000-0000-000000000001", {"customer_id": 2}, (403, "42501")),
        (
            "order_lines?order_id=eq.00000000-0000-0000-0000-000000000001&product_id=eq.2",
            {"order_id": "00000000-0000-0000-0000-000000000003"},
            # People see each other; another's order is hidden, and answers like one that is not there (AC7).
            (409, "23503"),
        ),
    ],
)
def test_update_out_of_scope(api: Api, path: str, value: Any, refusal: tuple[int, str]) -> None:
    """AC3: a row may not be moved to where its owner could not see it, by a rule with a subquery neither."""
    before = [
        api.rows(table) for table in ("addresses?order=id", "orders?order=id", "order_lines?order=order_id,product_id")
    ]
    reply = api.patch(path, value, as_="ann")
    assert refusal == (reply.status, reply.code)
    assert before == [
        api.rows(table) for table in ("addresses?order=id", "orders?order=id", "order_lines?order=order_id,product_id")
    ]


def test_bulk_refusal_leaves_nothing(api: Api) -> None:
    """AC3, ID3: of many rows one is refused, and none is kept; rules with a subquery too."""
    rows = [{"person_id": n, "city": "x"} for n in (1, 1, 2)]
    assert 403 == api.post("addresses", rows, as_="ann").status
    assert 3 == len(api.rows("addresses"))
    lines = [{"order_id": f"00000000-0000-0000-0000-00000000000{n}", "product_id": 4} for n in (1, 3)]
    reply = api.post("order_lines", lines, as_="ann")
    assert (403, "42501") == (reply.status, reply.code)
    assert 5 == len(api.rows("order_lines"))


@pytest.mark.parametrize("prefer", [None, RETURN, "count=exact", "return=headers-only"])
def test_foreign_key_oracle(api: Api, prefer: str | None) -> None:
    """AC7: a parent that the caller cannot see is refused like one that is not there, in an insert and an update."""

    def place(address: int) -> Reply:
        return api.post("orders", {"customer_id": 1, "billing_id": address}, as_="ann", prefer=prefer)

    def move(address: int) -> Reply:
        path = "orders?id=eq.00000000-0000-0000-0000-000000000001"
        return api.patch(path, {"shipping_id": address}, as_="ann", prefer=prefer)

    for send in (place, move):
        hidden, missing = send(3), send(77)
        assert (409, "23503") == (hidden.status, hidden.code)
        assert hidden.body == missing.body.replace(b"77", b"3")
    assert 3 == len(api.rows("orders"))
    assert 201 == place(1).status


def test_foreign_key_oracle_in_bulk(api: Api) -> None:
    """AC7: of several rows, neither the one nor the key in which the database found fault is told."""
    rows = [{"id": 50 + n, "owner_id": 1, "room": "red", "day": f"2024-06-0{n + 1}"} for n in range(2)]
    first, second = (
        api.post("bookings", [rows[0] | {"address_id": 3}, rows[1] | {"address_id": n}], as_="ann") for n in (77, 3)
    )
    assert (409, "23503", None) == (first.status, first.code, first.json["details"])
    assert first.body == second.body


def test_inactive_product_is_no_parent(api: Api) -> None:
    """AC7: by a rule of another kind, and through a composite key."""
    order = "00000000-0000-0000-0000-000000000001"
    hidden, missing = (api.post("order_lines", {"order_id": order, "product_id": n}, as_="ann") for n in (5, 77))
    assert (409, "23503") == (hidden.status, hidden.code)
    assert hidden.body == missing.body.replace(b"77", b"5")


def test_child_of_an_invisible_row(api: Api) -> None:
    """AC4, AC6: what still refers to a row is told without its table, where the caller cannot see it all."""
    reply = api.delete("addresses?id=eq.3", as_="bob")
    assert (409, "23503", "a row violates foreign key constraint") == (reply.status, reply.code, reply.json["message"])
    assert [None, None] == [reply.json["details"], reply.json["hint"]]


def test_unique_oracle(api: Api) -> None:
    """AC6: somebody else's row answers 409 without constraint, column or value; one's own row says which."""
    row = {"owner_id": 1, "room": "red", "note": "x"}
    hidden = api.post("bookings", row | {"day": "2024-05-02"}, as_="ann")
    assert (409, "23505") == (hidden.status, hidden.code)
    assert {
        "code": "23505",
        "message": "duplicate key value violates unique constraint",
        "details": None,
        "hint": None,
    } == hidden.json
    by_key = api.post("bookings", row | {"id": 2, "day": "2030-01-01"}, as_="ann")
    assert hidden.body == by_key.body
    own = api.post("bookings", row | {"day": "2024-05-01"}, as_="ann")
    assert 'duplicate key value violates unique constraint "bookings_room_day_key"' == own.json["message"]
    assert "Key (room, day)=(red, 2024-05-01) already exists." == own.json["details"]


@pytest.mark.parametrize("prefer", [IGNORE, MERGE, f"{IGNORE}, {RETURN}", f"{IGNORE}, missing=default"])
@pytest.mark.parametrize("bulk", [False, True])
def test_a_refused_row_learns_of_no_duplicate(api: Api, prefer: str, bulk: bool) -> None:
    """AC5, F7: a row that may not be created is refused alike, where its key is another's and where it is nobody's."""

    def sent(id: int) -> Reply:
        row = {"id": id, "person_id": 2, "city": "x"}
        return api.post(
            "addresses", [{"id": 78, "person_id": 1, "city": "y"}, row] if bulk else row, as_="ann", prefer=prefer
        )

    hidden, own, free = sent(3), sent(1), sent(77)
    assert (403, "42501") == (free.status, free.code)
    _same(hidden, free)
    _same(own, free)
    assert [1, 2, 3] == api.get("addresses?order=id", as_="svc").ids


def test_a_row_that_may_be_created_is_still_ignored(api: Api) -> None:
    """AC5: duplicates of one's own rows are left as they are, and a hidden one is the bare 409."""
    row = {"id": 1, "person_id": 1, "city": "x"}
    assert (201, []) == (lambda r: (r.status, r.json))(
        api.post("addresses", row, as_="ann", prefer=f"{IGNORE}, {RETURN}")
    )
    assert (409, "23505") == (lambda r: (r.status, r.code))(
        api.post("addresses", row | {"id": 3}, as_="ann", prefer=IGNORE)
    )


def test_unique_oracle_of_updates(api: Api) -> None:
    """AC6: an update onto somebody else's key says no more."""
    reply = api.patch("bookings?id=eq.1", {"day": "2024-05-02"}, as_="ann")
    assert (409, "duplicate key value violates unique constraint", None) == (
        reply.status,
        reply.json["message"],
        reply.json["details"],
    )


@pytest.mark.parametrize(
    ("own", "free", "hidden", "told"),
    [
        # One's own key, beside a day that nobody has and one that somebody else has; then the other way round.
        ({"id": 1}, {"day": "2030-01-01"}, {"day": "2024-05-02"}, ("bookings_pkey", "Key (id)=(1) already exists.")),
        (
            {"day": "2024-05-01"},
            {"id": 77},
            {"id": 2},
            ("bookings_room_day_key", "Key (room, day)=(red, 2024-05-01) already exists."),
        ),
    ],
)
def test_two_constraints_at_once(api: Api, own: Any, free: Any, hidden: Any, told: tuple[str, str]) -> None:
    """AC6, S2: which of several constraints is told depends on the rows that the caller sees alone."""
    row = {"owner_id": 1, "room": "red", "note": "x"}
    expected = (f'duplicate key value violates unique constraint "{told[0]}"', told[1])
    for other in (free, hidden):
        reply = api.post("bookings", row | own | other, as_="ann")
        assert (409, expected) == (reply.status, (reply.json["message"], reply.json["details"]))


@pytest.mark.parametrize("prefer", [MERGE, IGNORE])
@pytest.mark.parametrize("more", ["", f",{RETURN}", ",count=exact", ",return=headers-only"])
@pytest.mark.parametrize("conflict", ["", "?on_conflict=room,day"])
def test_upsert_onto_an_invisible_row(api: Api, prefer: str, more: str, conflict: str) -> None:
    """AC5: a generic 409 without key, value or detail; an ignored one tells no more, by count or representation."""
    row = {"owner_id": 1, "room": "red", "note": "taken"}
    row |= {"id": 77, "day": "2024-05-02"} if conflict else {"id": 2, "day": "2030-01-01"}
    reply = api.post(
        f"bookings{conflict}", [row | {"id": 90, "day": "2031-01-01"}, row], as_="ann", prefer=prefer + more
    )
    assert (409, "23505") == (reply.status, reply.code)
    assert {"duplicate key value violates unique constraint", None} == {
        reply.json["message"],
        reply.json["details"],
        reply.json["hint"],
    }
    assert ["mine", "bob's"] == [found["note"] for found in api.rows("bookings?order=id")]


def test_merge_must_satisfy_both_rules(api: Api) -> None:
    """AC5, AC3: a merge needs the right to update, and may not give the row away."""
    reply = api.post("bookings", {"id": 1, "owner_id": 2, "room": "red", "day": "2024-05-01"}, as_="ann", prefer=MERGE)
    assert (403, "42501") == (reply.status, reply.code)
    assert [1, 2] == [found["owner_id"] for found in api.rows("bookings?order=id")]
    reply = api.post("product_categories", {"product_id": 1, "category_id": 1}, as_="dee", prefer=MERGE)
    assert (403, "42501") == (reply.status, reply.code)


def test_representation_needs_the_right_to_read(api: Api) -> None:
    """AC2: what a write sends back is what its writer could read (else it is refused: ``test_wide_writes.py``)."""
    reply = api.patch("people?id=eq.1&select=id,salary", {"name": "Ann"}, as_="ann", prefer=RETURN)
    assert [{"id": 1, "salary": 90}] == reply.json


def test_embedded_rows_are_judged(api: Api) -> None:
    """AC2: embeds, their counts and joins go by the policies of their tables."""
    lines = api.get("products?select=id,order_lines(quantity)&order=id", as_="ann").json
    assert [[{"quantity": 2}], [{"quantity": 1}], [{"quantity": 5}], []] == [row["order_lines"] for row in lines]
    assert [1, 2, 3] == api.get("products?select=id,order_lines!inner()&order=id", as_="ann").ids
    assert [1] == api.get("products?select=id,order_lines!inner()&order=id", as_="bob").ids
    assert [4] == api.get("products?select=id,order_lines()&order_lines=is.null", as_="ann").ids
    assert [{"id": 2}] == api.get("people?select=id&id=eq.2", as_="ann").json
    assert [] == api.get("people?select=id,addresses!inner()&id=eq.2", as_="ann").json


def test_junction_rows_are_judged(api: Api) -> None:
    """AC2: a many-to-many relation shows only what its middle table shows."""
    assert [] == api.get("orders?select=id,products(id)", as_="cy").json
    shown = api.get("orders?select=note,products(id)&order=id&products.order=id", as_="dee").json
    # Staff see every order, but none of the lines in between.
    assert [("fast", []), (None, []), ("bob's", [])] == [(row["note"], row["products"]) for row in shown]


def test_pure_policies(api: Api) -> None:
    """AC13: a rule sees verified claims only; a claim in a body or a header changes nothing."""
    reply = api.get("addresses", as_="cy", headers={"x-user-id": "1", "role": "service_role"})
    assert [] == reply.json


def test_service_role(api: Api) -> None:
    """AC1: the service role passes all policies, and says so by its token alone."""
    assert 201 == api.post("vault", {"person_id": 2, "combination": "x"}, as_="svc").status
    assert 404 == api.post("vault", {"person_id": 2, "combination": "x"}, as_="dee").status


@pytest.mark.parametrize(
    "query", ["city=match.(", "city=imatch(any).{x,(}", "city=like.K\\", "or=(city.match.(,id.eq.1)"]
)
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_flawed_patterns_tell_nothing(api: Api, method: str, query: str) -> None:
    """AC4: a flawed pattern is refused whether or not a row, hidden or not, would be compared with it.

    PostgreSQL plans a statement anew five times; then it may keep a plan that looks at the pattern with a row only.
    """
    good = query.replace("(any).{x,(}", "(any).{x,y}").replace("match.(", "match.x").replace("\\", "")
    body = {"city": "x"} if method == "PATCH" else None
    for _ in range(8):
        fine = api._write(method, f"addresses?{good}&id=eq.77", body, {"as_": "cy"})
        assert (200 if method == "GET" else 204) == fine.status
    for who in ("cy", "ann", "svc"):
        reply = api._write(method, f"addresses?{query}&id=eq.77", body, {"as_": who})
        assert (400, "22025" if "like" in query else "2201B") == (reply.status, reply.code), reply.body
