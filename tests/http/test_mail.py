"""``/_mail/``: what a desk without a mail server would have sent, for whoever sits at it."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from backstay.http.mail import address_of, mail_routes
from backstay.mail import Catcher, Letter, Mail, Words

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LINK = "https://shop.example.org/auth/v1/verify?token=s3cret&type=signup"
HOSTILE = "</textarea><script>alert(1)</script><img src=x onerror=alert(1)>"


def catcher() -> Catcher:
    made = Catcher("http://localhost:8000/_mail/", now=lambda: AT)
    letter = Letter("ann@example.org", "confirmation", "de", {"link": LINK, "code": "918273", "minutes": "10"})
    asyncio.run(made.send(Words("Shop").render(letter, "first")))
    asyncio.run(
        made.send(Mail("second", "bob@example.org", HOSTILE, HOSTILE, HOSTILE, "invite", "en", {"X-A": HOSTILE}))
    )
    return made


SECRET = "of-this-start"


def client(
    *,
    at: tuple[str, int] | None = ("127.0.0.1", 5),
    open_to_all: bool = False,
    name: str = "localhost",
    secret: str | None = SECRET,
) -> Any:
    app = Starlette(routes=mail_routes(catcher(), secret=SECRET, open_to_all=open_to_all))
    cookies = {} if secret is None else {"backstay-mail": secret}
    return TestClient(app, client=at, base_url=f"http://{name}:8000", cookies=cookies)  # type: ignore[arg-type]


def page(reply: Any) -> ElementTree.Element:
    """The pages are written so that an XML parser takes them."""
    return ElementTree.fromstring(reply.text.removeprefix("<!DOCTYPE html>"))


def test_the_list_has_the_newest_first() -> None:
    """With a link to each, a heading, and a table that says what its columns are."""
    found = page(client().get("/_mail/"))
    assert ["second", "first"] == [link.get("href") for link in found.findall(".//td/a")]
    assert ("en", 1, 4) == (found.get("lang"), len(found.findall(".//h1")), len(found.findall(".//th[@scope='col']")))


def test_a_mail_is_shown_with_its_links() -> None:
    """Text and head on the page, the HTML in a frame that can do nothing."""
    found = page(client().get("/_mail/first"))
    assert LINK in [link.get("href") for link in found.findall(".//li/a")]
    frame = found.find(".//iframe")
    assert frame is not None
    assert ("first/html", "") == (frame.get("src"), frame.get("sandbox"))
    assert frame.get("title")
    assert "918273" in "".join(found.itertext())


def test_the_html_of_a_mail_is_a_document_without_powers() -> None:
    """WB5: no origin, no script, no network; only its own style."""
    reply = client().get("/_mail/first/html")
    policy = reply.headers["content-security-policy"].split("; ")
    assert {"sandbox", "default-src 'none'", "style-src 'unsafe-inline'", "frame-ancestors 'self'"} <= set(policy)
    assert LINK.replace("&", "&amp;") in reply.text


@pytest.mark.parametrize("path", ["/_mail/", "/_mail/first", "/_mail/second"])
def test_pages_run_nothing_and_are_not_stored(path: str) -> None:
    """WB5, WB7: no inline script or style on our pages, whatever a mail holds, and nobody frames them."""
    reply = client().get(path)
    policy = reply.headers["content-security-policy"]
    for rule in ("default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert rule in policy.split("; ")
    assert "unsafe" not in policy
    assert "no-store" == reply.headers["cache-control"]
    found = page(reply)
    assert [] == [element.tag for element in found.iter() if element.tag in ("script", "style", "img")]
    assert [] == [name for element in found.iter() for name in element.attrib if re.match("on|style$", name)]


def test_the_style_is_a_file() -> None:
    """Of the type that nosniff wants."""
    reply = client().get("/_mail/style.css")
    assert (200, "text/css; charset=utf-8") == (reply.status_code, reply.headers["content-type"])


def test_tests_read_json() -> None:
    """All of a mail, the newest first, or those to one address."""
    both = client().get("/_mail/messages.json").json()
    assert ["second", "first"] == [one["id"] for one in both]
    (one,) = client().get("/_mail/messages.json?to=ann@example.org").json()
    assert ("confirmation", "de", [LINK], AT.isoformat()) == (one["kind"], one["language"], one["links"], one["at"])
    assert "918273" in one["text"]
    assert "918273" in one["html"]


@pytest.mark.parametrize(
    ("path", "status"),
    [("/_mail/nothing", 404), ("/_mail/nothing/html", 404), ("/_mail/../secret", 404), ("/_mail", 307)],
)
def test_what_is_not_there(path: str, status: int) -> None:
    """Is 404, or leads to the list."""
    assert status == client().get(path, follow_redirects=False).status_code


PATHS = ["/_mail/", "/_mail/first", "/_mail/first/html", "/_mail/messages.json", "/_mail/style.css"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("given", "headers"),
    [
        ({"at": ("192.0.2.7", 5)}, {}),
        ({"at": ("::ffff:192.0.2.7", 5)}, {}),
        ({"at": ("testclient", 5)}, {}),
        ({"at": None}, {}),
        ({"name": "evil.example"}, {}),
        ({"name": "localhost.evil.example"}, {}),
        ({"name": "127.0.0.1.evil.example"}, {}),
        ({}, {"x-forwarded-for": "192.0.2.7"}),
        ({}, {"x-forwarded-for": "127.0.0.1"}),
        ({}, {"forwarded": "for=192.0.2.7"}),
        ({}, {"via": "1.1 tunnel"}),
    ],
)
def test_only_this_machine_sees_them(path: str, given: dict[str, Any], headers: dict[str, str]) -> None:
    """A neighbour, a page whose name points here (DNS rebinding), and a tunnel find nothing."""
    reply = client(**given).get(path, headers=headers)
    assert (404, "Not Found") == (reply.status_code, reply.text)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("secret", [None, "", "of-this-star", "of-this-start2", "öf", "OF-THIS-START"])
def test_this_machine_alone_proves_nothing(path: str, secret: str | None) -> None:
    """S9: a proxy on the same machine comes from it, with any Host and without a word about whom it forwards."""
    for found in (
        client(secret=None).get(path, params={} if secret is None else {"secret": secret}),
        client(secret=None).get(path, headers={} if secret is None else {"cookie": f"backstay-mail={quote(secret)}"}),
        # A wrong one in the address is not mended by a right cookie.
        client().get(path, params={"secret": secret or ""}),
    ):
        assert (404, "Not Found", None) == (found.status_code, found.text, found.headers.get("set-cookie"))


@pytest.mark.parametrize("path", PATHS)
def test_the_printed_address_opens_the_pages(path: str) -> None:
    """S9: the first visit leaves the secret in a cookie that no script and no other site gets; no page is told whence."""
    visitor = client(secret=None)
    reply = visitor.get(address_of(path, SECRET))
    assert (200, "no-referrer") == (reply.status_code, reply.headers["referrer-policy"])
    assert "backstay-mail=of-this-start; HttpOnly; Path=/_mail; SameSite=strict" == reply.headers["set-cookie"]
    assert SECRET not in reply.text
    again = visitor.get("/_mail/first")
    assert (200, None) == (again.status_code, again.headers.get("set-cookie"))


def test_whoever_may_read_is_asked_even_with_the_secret() -> None:
    """S9: the secret alone does not open the pages to another machine, nor through a proxy that says what it is."""
    for given, headers in (
        ({"at": ("192.0.2.7", 5)}, {}),
        ({}, {"x-forwarded-for": "127.0.0.1"}),
        ({"name": "a.b"}, {}),
    ):
        reply = client(**given).get(address_of("/_mail/", SECRET), headers=headers)
        assert (404, None) == (reply.status_code, reply.headers.get("set-cookie"))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"at": ("::1", 5)},
        {"at": ("127.8.9.1", 5)},
        {"at": ("::ffff:127.0.0.1", 5)},
        {"name": "127.0.0.1"},
        {"name": "[::1]"},
        {"name": "shop.localhost"},
        {"name": "LOCALHOST."},
        {"at": ("192.0.2.7", 5), "name": "shop.example", "open_to_all": True},
    ],
)
def test_this_machine_has_many_names(given: dict[str, Any]) -> None:
    """And an operator may open the pages, in a container for example."""
    assert 200 == client(**given).get("/_mail/").status_code


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed(method: str) -> None:
    """WB2: so no other page can change anything through a browser."""
    assert 405 == client().request(method, "/_mail/").status_code
