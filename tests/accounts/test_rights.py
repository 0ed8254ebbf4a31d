"""Who may give what, and enter whose account: rights of the caller × rights of the account × every admin route (T-MAT).

The table says of each route what it takes; a route without an entry fails.  What follows from it is worked out here a
second time, from the words of ``docs/reference/accounts.md``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from backstay import Backstay
from backstay.auth.rights import permission_table
from backstay.auth.routes import ROUTES
from backstay.auth.session import end_sessions
from backstay.auth.tables import RoleAssignment, Session
from backstay.db.store import Store
from backstay.errors import ConfigError
from backstay.sql.query import query
from tests.accounts.house import PASSWORD, Base, House
from tests.accounts.staff import events, give, hire, service
from tests.accounts.test_mails import claims

OTHER = "another long passphrase"
#: Role → permissions; ``editor`` has none, and policies that ask for it.
PERMISSIONS = {
    "reader": {"users:read"},
    "auditor": {"audit:read"},
    "support": {"users:read", "users:write"},
    "granter": {"roles:write"},
    "manager": {"users:read", "users:write", "roles:write"},
    "keeper": {"keys:write"},
    "keymaster": {"keys:write", "roles:write"},
    "clerk": {"users:read"},
    "editor": set(),
    "admin": {"users:read", "users:write", "roles:write", "audit:read", "keys:write"},
}
#: Who asks: the roles of each.
ACTORS = {
    "reader": {"reader"},
    "auditor": {"auditor"},
    "support": {"support"},
    "support who edits": {"support", "editor"},
    "granter": {"granter"},
    "manager": {"manager"},
    "keeper": {"keeper"},
    "keymaster": {"keymaster"},
    "admin": {"admin"},
}
#: Whose account it is: roles that were assigned, and the main one.
TARGETS: dict[str, tuple[set[str], str]] = {
    "plain": (set(), "authenticated"),
    "editor": ({"editor"}, "authenticated"),
    "editor by main role": (set(), "editor"),
    "clerk": ({"clerk"}, "authenticated"),
    "boss": ({"admin"}, "authenticated"),
}


def permitted(roles: set[str]) -> set[str]:
    return set().union(*(PERMISSIONS[role] for role in roles))


Judge = Callable[[set[str], set[str], str], bool]


def reads(actor: set[str], target: set[str], main: str) -> bool:
    return True


def reaches(actor: set[str], target: set[str], main: str) -> bool:
    return permitted(target) <= permitted(actor)


def enters(actor: set[str], target: set[str], main: str) -> bool:
    beyond = (target | {main}) - {"authenticated"} - actor
    return reaches(actor, target, main) and (not beyond or "roles:write" in permitted(actor))


def gives(*roles: str, old: bool = False) -> Judge:
    """Giving *roles* to the account; with *old* its main role is taken."""

    def judge(actor: set[str], target: set[str], main: str) -> bool:
        given = ({*roles} | ({main} if old else set())) - {"authenticated"}
        if old and {*roles} == {main}:
            given = set()
        may = not given or ("roles:write" in permitted(actor) and permitted(given) <= permitted(actor))
        return may and reaches(actor, target, main)

    return judge


def gives_to_nobody(*roles: str) -> Judge:
    def judge(actor: set[str], target: set[str], main: str) -> bool:
        return "roles:write" in permitted(actor) and permitted({*roles}) <= permitted(actor)

    return judge


def states(actor: set[str], target: set[str], main: str) -> bool:
    return "roles:write" in permitted(actor) and reaches(actor, target, main)


def makes_services(actor: set[str], target: set[str], main: str) -> bool:
    return permitted(actor) == PERMISSIONS["admin"]


@dataclass(frozen=True)
class Case:
    """One way to ask a route; *done* is the status where it is let in."""

    judge: Judge
    body: Any = None
    done: int = 200
    role: str = "editor"


def letter(kind: str, **more: str) -> Case:
    return Case(enters, {"type": kind, "email": "{email}", **more})


CASES: dict[str, tuple[Case, ...]] = {
    "GET admin/users": (Case(reads),),
    "GET admin/users/{id}": (Case(reads),),
    "GET admin/users/{id}/factors": (Case(reads),),
    "GET admin/users/{id}/passkeys": (Case(reads),),
    "GET admin/users/{id}/roles": (Case(reads),),
    "GET admin/users/{id}/sessions": (Case(reads),),
    "GET admin/audit": (Case(reads),),
    "GET admin/api-keys": (Case(reads),),
    "POST admin/users": (
        Case(reads, {"email": "{new}", "email_confirm": True}),
        Case(reads, {"email": "{new}", "role": "authenticated"}),
        Case(gives_to_nobody("editor"), {"email": "{new}", "role": "editor"}),
        Case(gives_to_nobody("admin"), {"email": "{new}", "role": "admin"}),
        Case(gives_to_nobody(), {"email": "{new}", "app_metadata": {"tenant": "a"}}),
    ),
    "PUT admin/users/{id}": (
        Case(reaches, {"user_metadata": {"a": 1}}),
        Case(reaches, {"ban_duration": "1h"}),
        Case(enters, {"ban_duration": "none"}),
        Case(enters, {"password": OTHER}),
        Case(enters, {"email": "{new}"}),
        Case(enters, {"email_confirm": True}),
        Case(gives("editor", old=True), {"role": "editor"}),
        Case(gives("clerk", old=True), {"role": "clerk"}),
        Case(gives("admin", old=True), {"role": "admin"}),
        Case(gives("authenticated", old=True), {"role": "authenticated"}),
        Case(states, {"app_metadata": {"tenant": "a"}}),
        Case(reaches, {"app_metadata": {"provider": "email"}}),
    ),
    "DELETE admin/users/{id}": (Case(reaches, {}), Case(reaches, {"should_soft_delete": True})),
    "DELETE admin/users/{id}/factors/{factor_id}": (Case(enters, done=404),),
    "DELETE admin/users/{id}/passkeys/{passkey_id}": (Case(enters, done=404),),
    "PUT admin/users/{id}/roles/{role}": (
        Case(gives("editor"), role="editor"),
        Case(gives("clerk"), role="clerk"),
        Case(gives("admin"), role="admin"),
    ),
    "DELETE admin/users/{id}/roles/{role}": (Case(gives("editor"), role="editor", done=0),),
    "DELETE admin/users/{id}/sessions": (Case(reaches, done=204),),
    "DELETE admin/users/{id}/sessions/{session_id}": (Case(reaches, done=404),),
    "POST invite": (Case(reads, {"email": "{new}"}),),
    "POST admin/generate_link": (
        letter("magiclink"),
        letter("recovery"),
        letter("signup", password=PASSWORD),
        letter("invite"),
        letter("email_change_current", new_email="{new}"),
        letter("email_change_new", new_email="{new}"),
        Case(reads, {"type": "invite", "email": "{new}"}),
    ),
    "POST admin/api-keys": (
        Case(reads, {"name": "k", "role": "anon"}),
        Case(gives_to_nobody("editor"), {"name": "k", "role": "editor"}),
        Case(gives_to_nobody("editor"), {"name": "k", "role": "editor", "scopes": ["read"]}),
        Case(gives_to_nobody("admin"), {"name": "k", "role": "admin"}),
        Case(makes_services, {"name": "k", "role": "service_role"}),
    ),
    "DELETE admin/api-keys/{id}": (Case(reads, done=404),),
}

ADMIN = [route for route in ROUTES if route.who == "admin"]


def test_every_admin_route_says_what_it_takes() -> None:
    """S4: a route that nobody thought about fails here."""
    assert {f"{route.method} {route.path}" for route in ADMIN} == set(CASES)


@pytest.fixture
def staffed(house: House) -> House:
    """The app, whose roles have permissions."""
    accounts = house.office.accounts
    accounts.permissions.update({role: frozenset(names) for role, names in PERMISSIONS.items()})
    object.__setattr__(accounts, "roles", accounts.roles | {"editor", "clerk", "admin"})
    return house


def made(house: House, name: str, *, confirmed: bool = True) -> dict[str, Any]:
    """A new account like *name* of `TARGETS`."""
    assigned, main = TARGETS[name]
    body = {"email": f"{uuid4().hex}@example.org", "email_confirm": confirmed, "role": main}
    user = house.post("admin/users", body, as_=service(house)).json
    for role in assigned:
        # Some are made with an address that nobody has proved.
        given = house.put(f"admin/users/{user['id']}/roles/{role}?empty=true", as_=service(house))
        assert 200 == given.status
    return dict(user)


def look(house: House, id: str) -> Any:
    """All that an administrator sees of an account, but for when it was touched."""
    key = service(house)
    about = house.get(f"admin/users/{id}", as_=key).json
    return {**about, "updated_at": None}, house.get(f"admin/users/{id}/roles", as_=key).json


def filled(value: Any, **names: str) -> Any:
    if isinstance(value, str):
        return re.sub(r"\{(\w+)\}", lambda found: names[found[1]], value)
    return {key: filled(inner, **names) for key, inner in value.items()} if isinstance(value, dict) else value


@pytest.mark.settings(rate_limits="off")
@pytest.mark.parametrize("who", ACTORS)
def test_who_may_do_what_to_whom(staffed: House, who: str) -> None:
    """S4, T-MAT: each route × each account is let in or refused by the order of rights; what is refused is not done."""
    house, roles = staffed, ACTORS[who]
    actor = hire(house, f"{uuid4().hex}@example.org", min(roles))
    for role in roles - {min(roles)}:
        give(house, actor, role)
    wrong = []
    for route in ADMIN:
        for case in CASES[f"{route.method} {route.path}"]:
            for name, (assigned, main) in TARGETS.items():
                # Links of some kinds are for addresses that nobody has confirmed.
                kind = case.body.get("type") if isinstance(case.body, dict) else None
                unsure = kind in ("signup", "invite") or case.body == {"email_confirm": True}
                target = made(house, name, confirmed=not unsure)
                fields = {"email": target["email"], "new": f"{uuid4().hex}@example.org"}
                given = {"id": target["id"], "role": case.role}
                path = re.sub(r"\{(\w+)\}", lambda m, given=given: given.get(m[1], str(uuid4())), route.path)
                before = look(house, target["id"])
                reply = house.send(route.method, path, filled(case.body, **fields), as_=actor)
                may = route.permission in permitted(roles) and case.judge(roles, assigned, main)
                done = case.done or (200 if case.role in assigned else 404)
                met = reply.status, reply.json.get("code") if reply.status == 403 else None
                if met != ((done, None) if may else (403, "not_admin")):
                    wrong.append((route.method, path, case.body, name, reply.status, reply.body[:200], may))
                if not may:
                    assert before == look(house, target["id"]), (route.path, case.body, name)
    assert [] == wrong


@pytest.mark.settings(rate_limits="off")
def test_nobody_gives_themselves_a_role(staffed: House) -> None:
    """S4: by their own account, by an account they make, by a key, and by the account of somebody who has it."""
    house = staffed
    support, keeper = hire(house, "sue@example.org", "support"), hire(house, "kim@example.org", "keeper")
    mine = f"admin/users/{support['user']['id']}"
    editor = made(house, "editor")
    for method, path, body, who in (
        ("PUT", mine, {"role": "admin"}, support),
        ("PUT", mine, {"role": "editor"}, support),
        ("PUT", mine, {"app_metadata": {"role": "admin"}}, support),
        ("PUT", mine, {"app_metadata": {"tenant": "b"}}, support),
        ("PUT", f"{mine}/roles/editor", None, support),
        ("POST", "admin/users", {"email": "x@example.org", "password": PASSWORD, "role": "editor"}, support),
        ("PUT", f"admin/users/{editor['id']}", {"password": OTHER}, support),
        ("POST", "admin/api-keys", {"name": "x", "role": "editor"}, keeper),
        ("POST", "admin/api-keys", {"name": "x", "role": "admin"}, keeper),
        ("POST", "admin/api-keys", {"name": "x", "role": "service_role"}, keeper),
        ("POST", "admin/api-keys", {"name": "x", "role": "editor", "scopes": ["read"]}, keeper),
    ):
        reply = house.send(method, path, body, as_=who)
        assert (403, "not_admin") == (reply.status, reply.json["code"]), (method, path, body)
    assert "authenticated" == house.get("user", as_=support).json["role"]
    assert [] == house.get("admin/api-keys", as_=keeper).json["api_keys"]
    assert [] == house.get("admin/users?filter=x@example.org", as_=support).json["users"]
    # Of themselves they may change what gives nothing, and send back what they were shown.
    shown = house.get("user", as_=support).json
    again = {"role": shown["role"], "app_metadata": shown["app_metadata"], "user_metadata": {"a": 1}}
    assert 200 == house.put(mine, again, as_=support).status
    assert 200 == house.put(mine, {"password": OTHER + " of fifteen"}, as_=support).status
    assert [] == events(house, "api_key_created")


@pytest.mark.settings(rate_limits="off")
def test_a_role_that_comes_meanwhile_is_seen(staffed: House) -> None:
    """S4: an account is given a role at the moment when its password is set: one of the two comes first, and counts."""
    house = staffed
    support, key = hire(house, "sue@example.org", "support"), service(house)

    async def round_(target: dict[str, Any]) -> Any:
        path = f"admin/users/{target['id']}"
        return await asyncio.gather(
            house.sending("PUT", path, {"password": OTHER}, as_=support),
            house.sending("PUT", f"{path}/roles/admin?empty=true", as_=key),
        )

    for _ in range(8):
        target = made(house, "plain")
        entered, given = house.run(round_(target))
        assert 200 == given.status
        if entered.status == 200:
            # The password was there before the role: so the log says as well.
            newest = [
                event.event
                for event in events(house, "role_granted", "user_updated_password")
                if event.subject == target["id"]
            ]
            assert ["role_granted", "user_updated_password"] == newest
        else:
            assert (403, "not_admin") == (entered.status, entered.json["code"])


@query
def _lowered(id: UUID) -> Any:
    return sa.update(Session).where(Session.id == id).values(aal="aal1")


@query
def _roleless(user_id: UUID) -> Any:
    return sa.delete(RoleAssignment).where(RoleAssignment.user_id == user_id)


MEANWHILE: dict[str, tuple[Callable[[Any, UUID, UUID, Any], Any], str]] = {
    "signed out": (lambda tx, session, user, now: end_sessions(tx, [session], now), "session_not_found"),
    "without the second factor": (lambda tx, session, user, now: tx.run(_lowered(session)), "insufficient_aal"),
    "without the role": (lambda tx, session, user, now: tx.run(_roleless(user)), "not_admin"),
}


@pytest.mark.settings(rate_limits="off")
@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_who_lost_it_after_they_were_let_in_does_nothing(
    staffed: House, meanwhile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RB1, TK5: every write of an administrator looks again at who asks, in the transaction that writes."""
    house, (change, code) = staffed, MEANWHILE[meanwhile]
    transact, wrong = house.store.transact, []
    writes = [route for route in ADMIN if route.method != "GET"]
    for route in writes:
        case = CASES[f"{route.method} {route.path}"][0]
        target = made(house, "plain")
        actor = hire(house, f"{uuid4().hex}@example.org")
        session, user = UUID(claims(actor)["session_id"]), UUID(actor["user"]["id"])
        before = look(house, target["id"])

        async def late(flow: Any, session: UUID = session, user: UUID = user) -> Any:
            # By the class: nobody watches what another process does.
            await Store.transact(house.store, lambda tx: change(tx, session, user, house.clock()))
            return await transact(flow)

        given = {"id": target["id"], "role": case.role}
        path = re.sub(r"\{(\w+)\}", lambda m, given=given: given.get(m[1], str(uuid4())), route.path)
        body = filled(case.body, email=target["email"], new=f"{uuid4().hex}@example.org")
        with monkeypatch.context() as patch:
            patch.setattr(house.store, "transact", late)
            reply = house.send(route.method, path, body, as_=actor)
        if code != reply.code or before != look(house, target["id"]):
            wrong.append((route.method, route.path, reply.status, reply.body[:100]))
    assert ([], True) == (wrong, len(writes) >= 12)


def test_every_way_to_a_role_goes_through_the_gate() -> None:
    """S4: what writes a role, a key, or what only the server says of an account, stands where the gate is asked."""
    writers = re.compile(r"\b(assign|unassign|add_key|set_facts|check_params)\(")
    source = Path(__file__).parents[2] / "src" / "backstay"
    calls = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if any(
            writers.search(line) and not re.match(r"\s*(async )?def ", line)
            for line in path.read_text(encoding="utf-8").splitlines()
        )
    }
    # `appoint` is for whoever has the server: there is no route to it.
    assert {
        "auth/admin/apikeys.py",
        "auth/admin/change.py",
        "auth/admin/create.py",
        "auth/admin/first.py",
        "auth/admin/roles.py",
    } == calls
    for name in calls - {"auth/admin/first.py"}:
        assert "check_gives(accounts, tx, asked" in (source / name).read_text(encoding="utf-8"), name


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"support": ["users:read", "users:fly"]}, "users:fly"),
        ({"support": "users:*"}, r"users:\*"),
        ({"admin": ["users:read"]}, "every permission already"),
    ],
)
def test_permissions_that_are_none(given: dict[str, Any], words: str) -> None:
    """BST-E204: a permission of another name, and one for the role that has them all."""
    with pytest.raises(ConfigError, match=words) as refused:
        permission_table(given)
    assert "BST-E204" == refused.value.code
    with pytest.raises(ConfigError, match="BST-E204"):
        Backstay(models=Base, permissions=given)


@pytest.mark.settings(rate_limits="off")
def test_a_ban_ends_no_sooner_by_whoever_may_not_lift_it(staffed: House) -> None:
    """S4: an earlier end is a ban lifted; a later one, a new ban and one that is over are bans like any other."""
    house, key = staffed, service(staffed)
    support = hire(house, "sue@example.org", "support")
    path = f"admin/users/{made(house, 'editor')['id']}"
    assert 200 == house.put(path, {"ban_duration": "48h"}, as_=support).status
    for sooner in ("1s", "0h1s", "1m", "47h59m", "none"):
        refused = house.put(path, {"ban_duration": sooner}, as_=support)
        assert (403, "not_admin") == (refused.status, refused.json["code"]), sooner
    for later in ("49h", "87600h"):
        assert 200 == house.put(path, {"ban_duration": later}, as_=support).status, later
    assert 200 == house.put(path, {"ban_duration": "10m"}, as_=key).status
    house.clock.turn(minutes=20)
    assert 200 == house.put(path, {"ban_duration": "1m"}, as_=support).status
    plain = f"admin/users/{made(house, 'plain')['id']}"
    for duration in ("48h", "1s", "none"):
        assert 200 == house.put(plain, {"ban_duration": duration}, as_=support).status


@pytest.mark.settings(rate_limits="off")
@pytest.mark.parametrize(
    "field",
    ["roles", "factors", "data", "banned_until", "email_proved_at", "email_confirmed_at", "is_sso", "aud", "Role"],
)
def test_a_field_that_does_nothing_is_refused(staffed: House, field: str) -> None:
    """S4: nobody is told that a role or a ban was set which was not; what the published clients know is taken."""
    house, key = staffed, service(staffed)
    user = made(house, "plain")
    path, before = f"admin/users/{user['id']}", look(house, user["id"])
    for method, where, body in (
        ("PUT", path, {"email": "moved@example.org", field: ["admin"]}),
        ("POST", "admin/users", {"email": "new@example.org", field: ["admin"]}),
    ):
        refused = house.send(method, where, body, as_=key)
        assert (400, "validation_failed", True) == (
            refused.status,
            refused.json["code"],
            field in refused.json["message"],
        )
    assert before == look(house, user["id"])
    assert [] == house.get("admin/users?filter=new@example.org", as_=key).json["users"]
    known = {"id": user["id"], "nonce": "1", "current_password": "x", "phone": None, "role": None, field: None}
    assert 200 == house.put(path, known, as_=key).status
    other = house.put(path, {"id": str(uuid4())}, as_=key)
    assert (400, "validation_failed") == (other.status, other.json["code"])
    assert 400 == house.put(path, {"role": ""}, as_=key).status
