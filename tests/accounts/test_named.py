"""S4: a role that nothing in the app names is given in no way: it would give nothing, and nobody would notice."""

from __future__ import annotations

from typing import Any

import pytest

from backstay.auth.rolebook import noted_roles
from tests.accounts.house import PASSWORD, House
from tests.accounts.staff import events, give, hire, service
from tests.accounts.test_mails import claims

pytestmark = pytest.mark.settings(rate_limits="off")


@pytest.fixture
def staffed(house: House) -> House:
    """The app, with roles that have permissions; one that tokens may ask for is in a rule."""
    house.office.accounts.permissions.update({"support": frozenset({"users:read"}), "clerk": frozenset()})
    return house


def assigned(house: House, id: str, role: str) -> Any:
    return house.put(f"admin/users/{id}/roles/{role}", as_=service(house))


def main(house: House, id: str, role: str) -> Any:
    return house.put(f"admin/users/{id}", {"role": role}, as_=service(house))


def made_with(house: House, id: str, role: str) -> Any:
    return house.post("admin/users", {"email": "new@example.org", "role": role}, as_=service(house))


def key_of(house: House, id: str, role: str) -> Any:
    return house.post("admin/api-keys", {"name": "k", "role": role}, as_=service(house))


#: Every way in which a role is given, and the roles that it may give.
WAYS = {
    "assigned": (assigned, {"editor", "support", "clerk", "press", "admin"}),
    "main role": (main, {"press", "authenticated"}),
    "account made": (made_with, {"press", "authenticated"}),
    "key": (key_of, {"editor", "support", "clerk", "press", "admin", "anon", "service_role"}),
}
#: A slip of each, and of names that nobody has.
SLIPS = {
    "editr": "editor",
    "Editor": "editor",
    "suport": "support",
    "clerks": "clerk",
    "pres": "press",
    "admim": "admin",
    "authenticatd": "authenticated",
    "service-role": "service_role",
    "zzz": None,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_slip_is_no_role(staffed: House, way: str) -> None:
    """S4: refused with the near name, and nothing is done."""
    house, (give_it, may) = staffed, WAYS[way]
    id = house.post("admin/users", {"email": "ann@example.org", "email_confirm": True}, as_=service(house)).json["id"]
    for slip, near in SLIPS.items():
        refused = give_it(house, id, slip)
        assert (400, "validation_failed") == (refused.status, refused.json["code"]), slip
        told = f"Did you mean '{near}'?" if near in may else "Its policies, functions and permissions name "
        assert (True, near in may) == (told in refused.json["message"], "mean" in refused.json["message"]), slip
    assert [] == events(house, "role_granted", "user_modified", "api_key_created")
    assert [] == house.get(f"admin/users/{id}/roles", as_=service(house)).json["roles"]
    assert "authenticated" == house.get(f"admin/users/{id}", as_=service(house)).json["role"]
    assert [] == house.get("admin/users?filter=new@", as_=service(house)).json["users"]
    assert [] == house.get("admin/api-keys", as_=service(house)).json["api_keys"]


@pytest.mark.parametrize("way", WAYS)
def test_what_the_app_names_is_given(staffed: House, way: str) -> None:
    """S4: what a policy, a function or a permission names, or a token may ask for."""
    house, (give_it, may) = staffed, WAYS[way]
    for role in sorted(may):
        given = {"email": f"{role.replace('_', '-')}@example.org", "email_confirm": True}
        id = house.post("admin/users", given, as_=service(house)).json["id"]
        reply = give_it(house, id, role)
        assert 200 == reply.status, (role, reply.body)
        if way == "account made":
            house.delete(f"admin/users/{reply.json['id']}", {}, as_=service(house))


def test_a_role_that_is_named_no_more_is_taken(staffed: House) -> None:
    """S4: whoever has it keeps it until it is taken, and is not given it again."""
    house = staffed
    ann = house.sign_up()
    house.prove()
    give(house, ann, "reviewer")
    path = f"admin/users/{ann['user']['id']}/roles/reviewer"
    assert 400 == house.put(path, as_=service(house)).status
    assert ["reviewer"] == claims(house.sign_in(password=PASSWORD))["app_metadata"]["roles"]
    assert 200 == house.delete(path, as_=service(house)).status


def test_who_may_give_no_role_learns_none(staffed: House) -> None:
    """AC12: the refusal that has the names comes after the one that asks who may."""
    house = staffed
    staffed.office.accounts.permissions["granter"] = frozenset({"roles:write"})
    boss = hire(house, "boss@example.org")
    for helper, path in (("support", "sue"), ("granter", "gus")):
        asking = hire(house, f"{path}@example.org", helper)
        told = house.put(f"admin/users/{boss['user']['id']}/roles/suport", as_=asking)
        assert (403, "not_admin") == (told.status, told.json["code"])


def test_the_start_notes_what_the_app_names(house: House) -> None:
    """S14: for the commands, which do not know the app."""
    book = house.run(noted_roles(house.store))
    assert ({"editor"}, {"anon", "authenticated", "press", "service_role"}) == (book.asked, book.tokens)
    assert ["admin"] == [*book.permissions]
