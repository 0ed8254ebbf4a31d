"""Errors as bytes."""

from __future__ import annotations

import json

import pytest

from backstay.errors import BackstayError, DatabaseError, Forbidden, PlanError, TokenError
from backstay.http.auth import auth_problem
from backstay.http.problem import problem, untold
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


@pytest.mark.parametrize("code", ["40P01", "40001", "XX000", "53300", "55P03", "57P01", "58030", "25P02", "08006"])
def test_the_databases_words_stay_inside(code: str, caplog: pytest.LogCaptureFixture) -> None:
    """A8, ER2: whose fault it is not learns an id, on every surface; the log has that id and the words."""
    words = "Process 471108154711 waits for ShareLock on transaction 815471108150 of backstay_users"
    error = DatabaseError(code, words, details=words, hint=words, headers=(("Retry-After", "1"),))
    told = untold(error, "POST", "/auth/v1/verify")
    (line,) = caplog.messages
    assert words in line
    id = str(told.details).removeprefix("Error id ")
    assert (16, True, error.status) == (len(id), id in line, told.status)
    for reply in (problem(told, None), auth_problem(told, {})):
        assert error.status == reply.status
        assert id.encode() in reply.body
        for word in (b"471108154711", b"815471108150", b"backstay_users", b"ShareLock"):
            assert word not in reply.body
        assert b"1" == header(reply, b"retry-after")


@pytest.mark.parametrize("code", ["PGRST001", "57014", "P0002", "PT503", "23505"])
def test_what_was_written_for_clients_is_told(code: str) -> None:
    """ER2: our own words, those of an app's function, and what the client can mend stay as they are."""
    error = DatabaseError(code, "words", details="more")
    assert error is untold(error, "GET", "/rest/v1/x")


def test_the_statement_budget_of_accounts_is_no_quotation() -> None:
    """A8: the data API says 57014 as PostgREST does; the accounts API has words of its own."""
    reply = auth_problem(DatabaseError("57014", "canceling statement due to statement timeout"), {})
    assert 500 == reply.status
    assert b"statement" not in reply.body
