"""Secrets leave a text by value, by key and by form; the rest of it stays."""

from __future__ import annotations

import time

import pytest

from backstay.observe import Redactor, is_secret_key, redact

JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIiwicm9sZSI6ImFub24ifQ.c2lnbmF0dXJlLXNpZ25hdHVyZQ"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"token {JWT}", "token ***"),
        (f"Authorization: Bearer {JWT}", "Authorization: ***"),
        ("authorization: Basic dXNlcjpwYXNz", "authorization: ***"),
        ("sent Bearer abc.def to x", "sent Bearer *** to x"),
        ("{'authorization': 'Bearer abc', 'host': 'x'}", "{'authorization': ***, 'host': 'x'}"),
        ("[(b'authorization', b'Bearer abc')]", "[(b'authorization', b'Bearer ***')]"),
        ("key sb_secret_AbC-123_x.", "key sb_secret_***."),
        ("?apikey=abc&select=id", "?apikey=***&select=id"),
        ("?access_token=a.b.c&refresh_token=xyz", "?access_token=***&refresh_token=***"),
        ('{"password":"p w\\"d","email":"x"}', '{"password":***,"email":"x"}'),
        ("{'new_password': 'it is', 'n': 1}", "{'new_password': ***, 'n': 1}"),
        ("password = hunter22, next", "password = ***, next"),
        ("PASSWORD: hunter22", "PASSWORD: ***"),
        ("BACKSTAY_JWT_SECRET=abcdef", "BACKSTAY_JWT_SECRET=***"),
        ("BACKSTAY_ENCRYPTION_KEYS=k1:abcd rest", "BACKSTAY_ENCRYPTION_KEYS=*** rest"),
        ("postgresql://ann:hunter22@db/shop", "postgresql://ann:***@db/shop"),
        ("smtp://u:p@ss@host", "smtp://u:***@host"),
        ("otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&issuer=y", "otpauth://totp/x?secret=***&issuer=y"),
        ('{"code": "123456"}', '{"code": ***}'),
        ("otp=123456", "otp=***"),
        ("code_verifier=abcdef", "code_verifier=***"),
        ("key " + "0123456789abcdef" * 4, "key ***"),
        ("-----BEGIN EC PRIVATE KEY-----\nabc\n-----END EC PRIVATE KEY-----\nrest", "***\nrest"),
        ("mail to ann.bee+x@mail.example.org failed", "mail to a***@mail.example.org failed"),
        ('"password":"unfinished', '"password":***'),
    ],
)
def test_secrets_go(text: str, shown: str) -> None:
    """LG2: by key and by form."""
    assert shown == redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "GET '/rest/v1/posts' was answered 57014",
        "code PGRST116, 123456 rows on port 54321",
        'violates unique constraint "people_email_key"',
        "2026-11-21T12:30:00Z 0123456789abcdef 00000000-0000-4000-8000-00000000000a",
        "column author.code is integer",
        "the password is too short",
        "no such table: tokens",
        'File "/srv/app/secret.py", line 12, in own_secret',
        "x" * 300,
    ],
)
def test_the_rest_stays(text: str) -> None:
    """An operator must be able to find the mistake."""
    assert text == redact(text)


def test_known_secrets_go_by_value() -> None:
    """LG2: wherever they turn up, the longer first; what is short is part of ordinary words."""
    redactor = Redactor(["correct-horse", "correct-horse-battery", "abc", ""])
    assert "*** *** abc" == redactor("correct-horse-battery correct-horse abc")


def test_a_long_text_is_cut() -> None:
    """And looked through in time that grows with its length only."""
    began = time.process_time()
    for text in (
        "a" * 500_000,
        "password=" * 60_000,
        '"token":"' * 50_000,
        "a@" * 200_000,
        "eyJaaaa." * 60_000,
        "://a:" * 90_000,
    ):
        assert len(redact(text)) <= 2 * 65_537
    assert time.process_time() - began < 5


def test_names_of_secrets() -> None:
    """Of settings, of GoTrue's bodies, of headers."""
    secret = [
        "password",
        "encrypted_password",
        "access_token",
        "refreshToken",
        "token_hash",
        "apikey",
        "api_key",
        "secret",
        "client_secret",
        "otp",
        "code",
        "nonce",
        "Authorization",
        "cookie",
        "private_key",
        "recovery_codes",
        "code_verifier",
    ]
    plain = [
        "id",
        "email",
        "role",
        "aud",
        "event",
        "subject",
        "session_id",
        "factor_id",
        "kid",
        "count",
        "status",
        "table",
        "method",
        "encoded",
        "scope",
    ]
    assert (secret, []) == ([n for n in secret if is_secret_key(n)], [n for n in plain if is_secret_key(n)])


@pytest.mark.parametrize(
    "part", ["_", "-", "----", "eyJaaaa-", "password", "code_", "api-", "a.", "token:", "a@", "://:"]
)
def test_one_long_word_is_looked_through_once(part: str) -> None:
    """S7: no form begins anew at every letter of a word: a line of 64 kB takes no longer than its length."""
    started = time.thread_time()
    redact(part * (60_000 // len(part)))
    assert time.thread_time() - started < 0.5
