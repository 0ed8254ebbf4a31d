"""Errors as bytes."""

from __future__ import annotations

import json

import pytest

from backstay.errors import BackstayError, Forbidden, PlanError, TokenError
from backstay.http.problem import problem
from backstay.policy.principal import ANONYMOUS, Principal
from backstay.response.reply import Reply


def header(reply: Reply, name: bytes) -> bytes | None:
    """The only value of a header."""
    values = [value for key, value in reply.headers if key == name]
    assert len(values) <= 1
    return values[0] if values else None


@pytest.mark.parametrize("details", [None, "text", ["a", {"b": 1}], {"k": None}, 5, "\udcff", ["\udcff"], object()])
@pytest.mark.parametrize("hint", [None, "do this"])
def test_all_four_keys(details: object, hint: str | None) -> None:
    """ER1: the body has exactly code, message, details and hint, nulls included, for any details."""
    body = json.loads(problem(PlanError("PGRST200", "message", details=details, hint=hint), None).body)
    assert {"code", "message", "details", "hint"} == set(body)
    assert ("PGRST200", "message", hint) == (body["code"], body["message"], body["hint"])
    assert (details is None) == (body["details"] is None)


@pytest.mark.parametrize(
    ("principal", "status", "challenge"),
    [
        (ANONYMOUS, 401, b"Bearer"),
        (Principal(), 401, b"Bearer"),
        (Principal(id="ada"), 403, None),
        (Principal("authenticated"), 403, None),
        (Principal("authenticated", "ada"), 403, None),
        (Principal("service_role"), 403, None),
        (None, 403, None),
    ],
)
def test_forbidden_by_principal(principal: Principal | None, status: int, challenge: bytes | None) -> None:
    """Only who has neither an id nor another role than anon is asked to sign in."""
    reply = problem(Forbidden("42501", "no"), principal)
    assert (status, challenge) == (reply.status, header(reply, b"www-authenticate"))


@pytest.mark.parametrize(
    ("message", "description"),
    [
        ("JWT expired", b"JWT expired"),
        ('a "b" \\ c', b"a 'b' ? c"),
        ("a\r\nx: y", b"a??x: y"),
        ("ä€\0", b"???"),
    ],
)
def test_token_errors_challenge(message: str, description: bytes) -> None:
    """RFC 6750 §3: the challenge is one line of ASCII, whatever the message holds."""
    reply = problem(TokenError("PGRST301", message), None)
    expected = b'Bearer error="invalid_token", error_description="' + description + b'"'
    assert (401, expected) == (reply.status, header(reply, b"www-authenticate"))


def test_an_errors_own_headers_win() -> None:
    """A Retry-After that the error brings is not doubled, and its headers cannot break their line."""
    reply = problem(BackstayError("BST503", "busy", headers=(("Retry-After", "7"), ("X-A", "1\r\nx-b: 2\0€"))), None)
    assert (503, b"7") == (reply.status, header(reply, b"retry-after"))
    assert b"1  x-b: 2 ?" == header(reply, b"x-a")


@pytest.mark.parametrize("code", ["PGRST100", "42501", "BST500", "57014", "23505", "PGRST300"])
def test_what_stays_wrong_is_not_retried(code: str) -> None:
    """Retry-After only stands where trying again can help."""
    assert header(problem(BackstayError(code, "no"), None), b"retry-after") is None


def test_the_proxy_status_names_the_code() -> None:
    """Detail 15."""
    assert b"PostgREST; error=23505" == header(problem(BackstayError("23505", "twice"), None), b"proxy-status")
