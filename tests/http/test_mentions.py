"""S2: a column counts as mentioned where it is resolved, at the very embed that it belongs to; names are the client's."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.api import Api


@pytest.mark.parametrize(
    "path",
    [
        "profiles?select=person_id,people(id),people(name)",
        'profiles?select=person_id,people(id),people(name)&order="people%232"(salary)',
        "profiles?select=person_id,people(id),people(name)&people.salary=gt.0",
        "profiles?select=person_id,people(id),people!inner(name)",
        "profiles?select=person_id,...people(id),...people(name)",
        "profiles?select=person_id,other:people(id),other:people(name)",
        "people?select=addresses(id),addresses(city)",
        "people?select=profiles(person_id,people(id),people(name))",
        "people?select=orders:addresses(id),orders(id)",
    ],
)
def test_two_embeds_under_one_name(api: Api, path: str) -> None:
    """S2: which of two would be filtered and ordered nobody could say: PostgreSQL's 42712, as PostgREST answers."""
    reply = api.get(path, as_="ann")
    assert (400, "42712") == (reply.status, reply.code), reply.body
    assert "specified more than once" in reply.json["message"]


@pytest.mark.parametrize(
    ("path", "narrowed", "whole"),
    [
        ("people?select=id,boss:manager_id(name),chief:manager_id(name)&order=chief(salary),id", "chief", "boss"),
        ("people?select=id,boss:manager_id(name),chief:manager_id(name)&order=boss(salary),id", "boss", "chief"),
        ("people?select=id,boss:manager_id(name),manager_id(name)&order=manager_id(salary),id", "manager_id", "boss"),
        ("people?select=id,boss:manager_id(name),chief:manager_id(name)&chief.salary=gt.0&order=id", "chief", "boss"),
        ("people?select=id,boss:manager_id(name),chief:manager_id(name,salary)&order=id", "chief", "boss"),
        ("people?select=id,boss:manager_id(name),chief:manager_id(name)&chief.order=salary&order=id", "chief", "boss"),
    ],
)
def test_mentions_stay_with_their_embed(api: Api, path: str, narrowed: str, whole: str) -> None:
    """S2: what is asked of one embed narrows its rows to those whose rule shows the column, and no other's.

    Of salaries *ann* sees her own alone.
    """
    rows = api.get(path, as_="ann").json
    assert {1: None, 2: "ann", 3: "ann", 4: None} == {row["id"]: _name(row[narrowed]) for row in rows}
    assert {1: None, 2: "ann", 3: "ann", 4: "bob"} == {row["id"]: _name(row[whole]) for row in rows}


def _name(person: Any) -> Any:
    return None if person is None else person["name"]


@pytest.mark.parametrize(
    "path",
    [
        "profiles?select=person_id,people(count)&order=people(name)",
        "profiles?select=person_id,people(name,count)&order=people(name)",
        "profiles?select=count&order=bio",
        "profiles?select=count,people(name)&order=people(id)",
        "profiles?select=count,...people(name)&order=people(country_code)",
        "people?select=id,profiles(count)&profiles.order=bio",
        "people?select=id,addresses(count)&addresses.order=city.desc",
    ],
)
def test_groups_have_the_order_of_what_makes_them(api: Api, path: str) -> None:
    """S12, S2: a column that does not make the groups cannot order them, on either database: 42803, never a 500."""
    reply = api.get(path, as_="ann")
    assert (400, "42803") == (reply.status, reply.code), reply.body


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("profiles?select=bio,count&order=bio.desc", [{"bio": "second", "count": 1}, {"bio": "first", "count": 1}]),
        (
            "profiles?select=count,who:people(name)&order=who(name).desc",
            [{"count": 1, "who": {"name": "bob"}}, {"count": 1, "who": {"name": "ann"}}],
        ),
        (
            "profiles?select=count,...people(name)&order=people(name).desc",
            [{"count": 1, "name": "bob"}, {"count": 1, "name": "ann"}],
        ),
        (
            "people?select=country_code,count&order=country_code.nullsfirst",
            [
                {"country_code": None, "count": 1},
                {"country_code": "DE", "count": 2},
                {"country_code": "FR", "count": 1},
            ],
        ),
        ("addresses?select=person_id,count", [{"person_id": 1, "count": 2}]),
    ],
)
def test_order_of_groups(api: Api, path: str, expected: Any) -> None:
    """S2: groups come in the order that is asked for, and then by all that makes them."""
    assert expected == api.get(path, as_="ann").json


@pytest.mark.parametrize("page", ["limit=0", "limit=0&{}.offset=0", "offset=1", "limit=5&{}.offset=3"])
@pytest.mark.parametrize(
    ("embed", "shown"),
    [
        ("people(id)", [{"people": None}, {"people": None}]),
        ("...people(id)", [{"id": None}, {"id": None}]),
        ("people!inner(id)", []),
        ("people()&people=not.is.null", []),
    ],
)
def test_page_of_a_joined_embed(api: Api, page: str, embed: str, shown: Any) -> None:
    """S2: a page that leaves the only row of an embed out leaves it out, joined or not."""
    asked = page.replace("{}", "people")
    assert shown == api.get(f"profiles?select={embed}&people.{asked}").json
    whole = [row["person_id"] for row in api.get("profiles?select=person_id,people(id)&people.limit=1").json]
    assert [1, 2] == whole
