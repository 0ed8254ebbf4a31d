"""`AuthRequest`: what a request says of its caller besides its body."""

from __future__ import annotations

from types import MappingProxyType, SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from backstay.audit import Actor
from backstay.auth.route import AuthRequest
from backstay.auth.session import Device
from backstay.policy.principal import ANONYMOUS, SERVICE, Principal

KEY = UUID(int=7)


def request(
    headers: dict[bytes, bytes] | None = None,
    query: dict[str, str] | None = None,
    principal: Principal = ANONYMOUS,
    session: Any = None,
    ip: str = "192.0.2.7",
) -> AuthRequest:
    return AuthRequest("GET", {}, query or {}, headers or {}, None, principal, Device(ip, ""), session)


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        (b"de", "de"),
        (b"DE-at,en;q=0.5", "de"),
        (b" fr ;q=0.9, de", "fr"),
        (b"gsw-CH", "gsw"),
        (b"d", None),
        (b"dech", None),
        (b"*", None),
        (b"d1", None),
        (b"\xe4\xf6", None),
        (b"", None),
    ],
)
def test_the_first_language_counts(header: bytes, locale: str | None) -> None:
    """Two or three letters of it, or none."""
    assert locale == request({b"accept-language": header}).locale
    assert request().locale is None


@pytest.mark.parametrize(
    ("query", "header", "expected"),
    [
        ({"redirect_to": "https://a"}, b"https://b", "https://a"),
        ({"redirect_to": ""}, b"https://b", "https://b"),
        ({}, b"https://b/\xe4", "https://b/ä"),
        ({}, None, None),
        ({"redirect_to": "https://a"}, None, "https://a"),
    ],
)
def test_where_people_are_wanted_back(query: dict[str, str], header: bytes | None, expected: str | None) -> None:
    """The query's word, or else the header's; neither is checked here."""
    assert expected == request({} if header is None else {b"redirect_to": header}, query).redirect_to


@pytest.mark.parametrize(
    ("principal", "session", "ip", "actor"),
    [
        (ANONYMOUS, None, "192.0.2.7", Actor("anon", None, "192.0.2.7")),
        (ANONYMOUS, None, "", Actor("anon", None, None)),
        (Principal(SERVICE), None, "192.0.2.7", Actor("service", None, "192.0.2.7")),
        (
            Principal(SERVICE, claims=MappingProxyType({"key_id": str(KEY)})),
            None,
            "192.0.2.7",
            Actor("service", KEY, "192.0.2.7"),
        ),
        (Principal(SERVICE, claims=MappingProxyType({"key_id": 7})), None, "", Actor("service", None, None)),
        (Principal("authenticated", "1"), SimpleNamespace(user_id=KEY), "192.0.2.7", Actor("user", KEY, "192.0.2.7")),
    ],
)
def test_who_acts(principal: Principal, session: Any, ip: str, actor: Actor) -> None:
    """AU3: an account, a key by its id, or nobody; and from where, if that is known."""
    assert actor == request(principal=principal, session=session, ip=ip).actor
