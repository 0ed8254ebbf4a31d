"""T-MAT: every route of the accounts API × every kind of caller, from the router's own rows (RB1).

What a caller may do follows from the row (`Route.who`), so a new route is in the matrix by being there; `BODIES` says how
to ask each, and a route without an entry fails.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from backstay.auth.refusal import AUTH_STATUS
from backstay.auth.rights import PERMISSIONS
from backstay.auth.route import Route
from backstay.auth.routes import ROUTES
from tests.accounts.house import House
from tests.accounts.staff import give, hire, lift, path_of, service
from tests.accounts.test_mails import claims

#: A body for each route, ``None`` where there is none: good enough to get past the door, harmless where it is let in.
BODIES: dict[str, Any] = {
    "POST signup": {"email": "no address"},
    "POST token": {},
    "POST user/identities/confirm": {},
    "GET user": None,
    "PUT user": {},
    "POST logout": None,
    "GET sessions": None,
    "DELETE sessions": None,
    "DELETE sessions/{id}": None,
    "POST recover": {},
    "POST otp": {},
    "POST magiclink": {},
    "POST resend": {},
    "GET reauthenticate": None,
    "POST verify": {},
    "GET verify": None,
    "POST factors": {},
    "GET factors": None,
    "DELETE factors/{id}": None,
    "POST factors/{id}/challenge": {},
    "POST factors/{id}/verify": {},
    "GET factors/recovery-codes": None,
    "POST factors/recovery-codes": None,
    "DELETE factors/recovery-codes": None,
    "POST factors/recovery-codes/regenerate": None,
    "POST factors/recovery-codes/verify": {},
    "POST passkeys/registration/options": None,
    "POST passkeys/registration/verify": {},
    "POST passkeys/authentication/options": None,
    "POST passkeys/authentication/verify": {},
    "GET passkeys": None,
    "PATCH passkeys/{id}": {},
    "DELETE passkeys/{id}": None,
    "GET authorize": None,
    "GET callback": None,
    "POST callback": None,
    "GET user/identities/authorize": None,
    "DELETE user/identities/{identity_id}": None,
    "GET settings": None,
    "GET health": None,
    "GET openapi.json": None,
    "GET .well-known/jwks.json": None,
    "GET .well-known/openid-configuration": None,
    "GET admin/users": None,
    "POST admin/users": {},
    "GET admin/users/{id}": None,
    "PUT admin/users/{id}": {},
    "DELETE admin/users/{id}": {},
    "GET admin/users/{id}/factors": None,
    "DELETE admin/users/{id}/factors/{factor_id}": None,
    "GET admin/users/{id}/passkeys": None,
    "DELETE admin/users/{id}/passkeys/{passkey_id}": None,
    "GET admin/users/{id}/roles": None,
    "PUT admin/users/{id}/roles/{role}": None,
    "DELETE admin/users/{id}/roles/{role}": None,
    "GET admin/users/{id}/sessions": None,
    "DELETE admin/users/{id}/sessions": None,
    "DELETE admin/users/{id}/sessions/{session_id}": None,
    "POST invite": {},
    "POST admin/generate_link": {},
    "GET admin/audit": None,
    "GET admin/api-keys": None,
    "POST admin/api-keys": {},
    "DELETE admin/api-keys/{id}": None,
}

#: Routes for people who have proved a second factor.
STRONG = frozenset(
    {"POST factors/recovery-codes", "DELETE factors/recovery-codes", "POST factors/recovery-codes/regenerate"}
)

CALLERS = (
    "anon",
    "user",
    "expired",
    "revoked",
    "banned",
    "aal1 admin",
    "aal2 user",
    "aal2 admin",
    "service",
    "reading service",
    "forged",
    "garbage",
)

#: What turns a caller away before anything is looked at.
DOOR = frozenset({"no_authorization", "bad_jwt", "session_not_found", "not_admin", "insufficient_aal", "user_banned"})


def expected(route: Route, caller: str) -> str | None:
    """The code that turns *caller* away, ``None`` where it is let in."""
    if route.who == "anyone":
        return None
    stopped = {
        "anon": "no_authorization",
        "expired": "bad_jwt",
        "forged": "bad_jwt",
        "garbage": "bad_jwt",
        "revoked": "session_not_found",
        "banned": "session_not_found",
    }
    if caller in stopped:
        return stopped[caller]
    if route.who == "user":
        # These keys are nobody's session.
        no_session = {"service": "bad_jwt", "reading service": "bad_jwt" if route.method == "GET" else "not_admin"}
        if named(route) in STRONG and caller in ("user", "aal1 admin"):
            return "insufficient_aal"
        return no_session.get(caller)
    allowed = {"aal2 admin": None, "service": None}
    if route.method == "GET":
        allowed["reading service"] = None
    refused = {"aal1 admin": "insufficient_aal"}
    return allowed[caller] if caller in allowed else refused.get(caller, "not_admin")


def named(route: Route) -> str:
    return f"{route.method} {route.path}"


def test_every_route_has_an_expectation() -> None:
    """RB1: a route that nobody thought about fails here; so does a permission that is none."""
    assert set() == {named(route) for route in ROUTES} - set(BODIES)
    assert len(ROUTES) == len({named(route) for route in ROUTES})
    for route in ROUTES:
        assert (route.permission in PERMISSIONS) == (route.who == "admin"), named(route)
        assert route.path.startswith(("admin/", "invite")) == (route.who == "admin"), named(route)


def tokens(house: House) -> dict[str, str | None]:
    """What each caller shows."""
    user = house.sign_up("user@example.org")
    key = ECKey.generate_key("P-256", private=True)
    kid = house.get(".well-known/jwks.json").json["keys"][0]["kid"]
    forged = jwt.encode({"alg": "ES256", "kid": kid}, claims(user), key)
    expired = house.sign_up("expired@example.org")
    house.clock.turn(minutes=61)
    user = house.sign_in("user@example.org")
    revoked = house.sign_up("revoked@example.org")
    house.post("logout", as_=revoked)
    banned = house.sign_up("banned@example.org")
    house.put(f"admin/users/{banned['user']['id']}", {"ban_duration": "1h"}, as_=service(house))
    weak = house.sign_up("weak@example.org")
    give(house, weak, "admin")
    reading = house.post(
        "admin/api-keys", {"name": "r", "role": "service_role", "scopes": ["read"]}, as_=service(house)
    )
    return {
        "anon": None,
        "user": user["access_token"],
        "expired": expired["access_token"],
        "revoked": revoked["access_token"],
        "banned": banned["access_token"],
        "aal1 admin": weak["access_token"],
        "aal2 user": lift(house, house.sign_up("strong@example.org"))["access_token"],
        "aal2 admin": hire(house, "boss@example.org")["access_token"],
        "service": service(house),
        "reading service": reading.json["api_key"],
        "forged": forged,
        "garbage": "a.b.c",
    }


@pytest.mark.settings(rate_limits="off")
def test_the_matrix(house: House) -> None:
    """T-MAT: each is let in or turned away as its row says, with that code; nobody makes the server fail."""
    shown = tokens(house)
    assert set(CALLERS) == set(shown)
    wrong = []
    for route in ROUTES:
        # What ends the caller's own session comes after everything else.
        if route.who == "user" and route.method in ("POST", "DELETE"):
            continue
        wrong += ask_all(house, route, shown)
    for route in ROUTES:
        if route.who == "user" and route.method in ("POST", "DELETE"):
            for caller in CALLERS:
                fresh = dict(shown)
                if expected(route, caller) is None:
                    session = house.sign_up(f"{uuid4().hex}@example.org")
                    fresh[caller] = (lift(house, session) if caller.startswith("aal2") else session)["access_token"]
                wrong += ask_all(house, route, {caller: fresh[caller]})
    assert [] == wrong


def ask_all(house: House, route: Route, shown: dict[str, str | None]) -> list[tuple[str, str, int, Any, str | None]]:
    """What went otherwise than expected."""
    path = path_of(route)
    wrong = []
    for caller, token in shown.items():
        reply = house.send(route.method, path, BODIES[named(route)], as_=token)
        told = reply.json if reply.body and reply.status >= 400 else {}
        code = told.get("code") if isinstance(told, dict) else None
        met = code if code in DOOR else None
        known = code is None or AUTH_STATUS.get(code) == reply.status
        if met != expected(route, caller) or reply.status >= 500 or not known:
            wrong.append((named(route), caller, reply.status, code, expected(route, caller)))
    return wrong


def test_one_account_never_reaches_another(house: House) -> None:
    """User B, with whatever ids of user A, sees and ends nothing of A's."""
    ann, bob = house.sign_up(), house.sign_up("bob@example.org")
    id, session_id = ann["user"]["id"], claims(ann)["session_id"]
    assert [claims(bob)["session_id"]] == [one["id"] for one in house.get("sessions", as_=bob).json["sessions"]]
    assert 404 == house.delete(f"sessions/{session_id}", as_=bob).status
    assert 204 == house.delete("sessions", as_=bob).status
    for route in ROUTES:
        if route.who == "admin":
            path = path_of(route, id=id, session_id=session_id)
            reply = house.send(route.method, path, BODIES[named(route)], as_=bob)
            assert (403, "not_admin") == (reply.status, reply.json["code"]), named(route)
    assert 200 == house.get("user", as_=ann).status
