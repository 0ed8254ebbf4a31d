"""Which pages may read answers."""

from __future__ import annotations

import pytest

from backstay.errors import ConfigError
from backstay.http.cors import CorsPolicy
from backstay.response.reply import Headers


def value(headers: Headers, name: bytes) -> bytes | None:
    """The value of the only header of that name."""
    values = [value for key, value in headers if key == name]
    assert len(values) <= 1
    return values[0] if values else None


ALLOW = b"access-control-allow-origin"
CREDENTIALS = b"access-control-allow-credentials"


def test_everyone_without_credentials() -> None:
    """WB3: the default is the literal ``*``, never the origin that asked, and never with credentials."""
    policy = CorsPolicy()
    for headers in (policy.headers(b"https://a.example"), policy.preflight(b"https://a.example").headers):
        assert b"*" == value(headers, ALLOW)
        assert value(headers, CREDENTIALS) is None
    assert () == policy.headers(None)


def test_null_is_nobody() -> None:
    """WB3: a sandboxed frame reads nothing, whatever the policy."""
    for policy in (CorsPolicy(), CorsPolicy(("https://a.example",)), CorsPolicy(())):
        assert value(policy.headers(b"null"), ALLOW) is None
        preflight = policy.preflight(b"null")
        assert (204, None) == (preflight.status, value(preflight.headers, ALLOW))


def test_listed_origins_are_echoed() -> None:
    """WB3: a listed origin gets itself and Vary, and never credentials."""
    policy = CorsPolicy(("https://a.example", "http://localhost:3000"))
    for origin in (b"https://a.example", b"http://localhost:3000"):
        for headers in (policy.headers(origin), policy.preflight(origin).headers):
            assert origin == value(headers, ALLOW)
            assert b"Origin" == value(headers, b"vary")
            assert None is value(headers, CREDENTIALS)


@pytest.mark.parametrize(
    "origin",
    [
        b"https://b.example",
        b"http://a.example",
        b"https://a.example:444",
        b"https://a.example.evil.net",
        b"https://evila.example",
        b"https://A.example",
        b"https://a.example/",
        b"https://a.example https://b.example",
        b"https://a.example, https://b.example",
        b"*",
        b"null",
        b"",
        b"https://a.example\x00",
    ],
)
def test_strangers_get_nothing(origin: bytes) -> None:
    """WB3: nothing is reflected that is not literally listed, and caches are told that the answer varies."""
    policy = CorsPolicy(("https://a.example",))
    assert ((b"vary", b"Origin"),) == policy.headers(origin)
    assert value(policy.preflight(origin).headers, ALLOW) is None


def test_a_list_varies_without_an_origin_too() -> None:
    """WB3: a shared cache must not give a page the answer that was stored for a script."""
    assert ((b"vary", b"Origin"),) == CorsPolicy(("https://a.example",)).headers(None)


def test_pages_may_read_what_clients_read() -> None:
    """The published clients read these headers; without Content-Range some of them throw."""
    exposed = (value(CorsPolicy().headers(b"https://a.example"), b"access-control-expose-headers") or b"").split(b", ")
    expected = {b"Content-Range", b"Content-Location", b"Location", b"Preference-Applied", b"Content-Profile"}
    assert expected | {b"ETag", b"Link", b"Retry-After", b"Proxy-Status"} <= set(exposed)


def test_a_preflight_names_methods_and_headers() -> None:
    """Detail 39: what a page may send, and for how long the browser may remember it."""
    headers = CorsPolicy().preflight(b"https://a.example").headers
    assert b"86400" == value(headers, b"access-control-max-age")
    methods = (value(headers, b"access-control-allow-methods") or b"").split(b", ")
    assert {b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE"} <= set(methods)
    allowed = (value(headers, b"access-control-allow-headers") or b"").split(b", ")
    assert {b"apikey", b"authorization", b"x-client-info", b"prefer", b"range", b"range-unit"} <= set(allowed)
    assert {b"content-type", b"x-retry-count", b"idempotency-key", b"if-match", b"if-none-match"} <= set(allowed)


@pytest.mark.parametrize(
    "origins",
    [
        ("*", "https://a.example"),
        ("null",),
        ("a.example",),
        ("https://a.example/",),
        ("https://A.example",),
        ("https://*.example",),
        ("https://u@a.example",),
        ("https://a.example\r\nx: y",),
    ],
)
def test_policies_that_cannot_be(origins: tuple[str, ...]) -> None:
    """WB3: a policy that would be wide open or would never match does not start."""
    with pytest.raises(ConfigError, match="BST-E301"):
        CorsPolicy(origins)


def test_plain_answers_are_those_of_postgrest() -> None:
    """WB3: a reflected database lets pages set the headers that they ask for, and still sends no credentials."""
    policy = CorsPolicy(plain=True)
    reply = policy.preflight(b"https://a.example", b"X-Cup, x-sugar ,two words,\r\nX-Evil: 1,")
    assert (200, b"*") == (reply.status, value(reply.headers, ALLOW))
    allowed = b"Authorization, X-Cup, x-sugar, Accept, Accept-Language, Content-Language"
    assert allowed == value(reply.headers, b"access-control-allow-headers")
    assert b"GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD" == value(reply.headers, b"access-control-allow-methods")
    assert value(reply.headers, CREDENTIALS) is None
    exposed = value(policy.headers(b"https://a.example"), b"access-control-expose-headers")
    assert exposed is not None
    assert exposed.endswith(b"Location, Server, Transfer-Encoding, Range-Unit")
    assert b"Authorization, Accept, Accept-Language, Content-Language" == value(
        policy.preflight(b"https://a.example").headers, b"access-control-allow-headers"
    )


def test_plain_answers_keep_strangers_out() -> None:
    """WB3: whoever is not listed gets nothing, in PostgREST's place too."""
    policy = CorsPolicy(("https://a.example",), plain=True)
    assert (200, b"https://a.example") == (
        (reply := policy.preflight(b"https://a.example")).status,
        value(reply.headers, ALLOW),
    )
    for origin in (b"https://b.example", b"null"):
        assert (204, None) == ((reply := policy.preflight(origin)).status, value(reply.headers, ALLOW))
    assert value(policy.headers(None, "OPTIONS"), ALLOW) is None


def test_options_says_so_to_everybody() -> None:
    """What answers OPTIONS in PostgREST's place may be read by every page, also where nobody asked."""
    assert b"*" == value(CorsPolicy(plain=True).headers(None, "OPTIONS"), ALLOW)
    assert () == CorsPolicy(plain=True).headers(None, "GET")
    assert () == CorsPolicy().headers(None, "OPTIONS")
