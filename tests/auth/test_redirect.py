"""Where people may be sent back to (OA3): the table."""

from __future__ import annotations

import pytest

from backstay.auth.options import AuthOptions
from backstay.auth.redirect import allowed_redirect
from tests.counting import lines

SITE = "https://app.example.org"
LISTED = (
    "https://exact.example.net/welcome",
    "https://root.example.net",
    "https://*.preview.example/**",
    "https://docs.example.net/*/done",
    "https://one.example.net/page?",
    "com.example.app://callback",
    "com.example.deep://**",
    "http://localhost:3000/**",
    "http://127.0.0.1:*/cb",
    "https://wild.example.net/**",
    "https://**.deep.example/in",
)
OPTIONS = AuthOptions(site_url=SITE, redirect_urls=LISTED)

GOOD = [
    # the site's own origin
    "https://app.example.org", "https://app.example.org/", "https://app.example.org/a/b?c=d#e", "https://APP.example.org/x",
    "https://app.example.org/%2e%2e/x", "https://app.example.org/?next=https://evil.example/",
    "https://app.example.org/@evil.example",
    # exact entries
    "https://exact.example.net/welcome", "https://exact.example.net/welcome#x", "https://root.example.net",
    "https://root.example.net/", "com.example.app://callback",
    # patterns
    "https://a.preview.example/x", "https://a-1.preview.example/x/y?z=1", "https://docs.example.net/v2/done",
    "https://one.example.net/page1", "http://localhost:3000/x/y", "http://127.0.0.1:8123/cb", "com.example.deep://a/b",
    "https://wild.example.net/a.b/c:d?e=f", "https://a.b.deep.example/in",
]  # fmt: skip

BAD = [
    "", " ", "/", "/x", "x", "app.example.org", "//app.example.org", "//evil.example", "///evil.example",
    # another origin
    "https://evil.example", "https://evil.example/app.example.org", "https://app.example.org.evil.example/",
    "https://evilapp.example.org/", "https://xapp.example.org/", "https://app.example.org:8443/",
    "http://app.example.org/", "https://app.example.org:443/", "https://app.example/", "https://example.org/",
    "https://sub.app.example.org/",
    # userinfo
    "https://app.example.org@evil.example/", "https://app.example.org:x@evil.example/", "https://@app.example.org/",
    "https://user@app.example.org/", "https://evil.example%40app.example.org/", "https://a.preview.example@evil.example/",
    # backslashes
    "https://app.example.org\\@evil.example/", "https://evil.example\\app.example.org/", "https:\\\\evil.example/",
    "/\\evil.example", "https:/\\app.example.org/", "https://app.example.org/\\evil",
    # control characters and blanks
    " https://app.example.org/", "https://app.example.org/ ", "https://app.example.org/\n", "https://app.example.org\t/",
    "https://app.example.org/\r\nSet-Cookie: a=b", "https://app.example.org/\x00", "java\nscript:alert(1)",
    "https://app.example.org\u2028.evil.example/", "\u0000https://app.example.org/",
    # schemes
    "javascript:alert(1)", "javascript://app.example.org/%0aalert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x",
    "data://app.example.org/x", "vbscript:x", "file:///etc/passwd", "blob:https://app.example.org/x", "about:blank",
    "ftp://app.example.org/", "mailto:ann@example.org", "com.example.evil://callback", "com.example.app:callback",
    "com.example.app://callback2", "com.example.app://evil", "https:app.example.org", "https:/app.example.org",
    "https:///app.example.org", "https:////app.example.org", "view-source:https://app.example.org", ":", "://", "https://",
    "https", "http:", "1https://app.example.org/",
    # addresses
    "https://10.0.0.1/", "https://8.8.8.8/", "https://[2001:db8::1]/", "http://2130706433:3000/", "http://0x7f000001:3000/",
    "http://0177.0.0.1:3000/", "http://127.1:3000/", "http://127.0.0.2:80/cb", "http://[::ffff:127.0.0.1]:3000/",
    "http://0.0.0.0:3000/", "http://0:3000/", "https://[::1/", "https://[x]/",
    # loopback that is not listed
    "http://localhost:3001/x", "http://localhost/x", "https://localhost:3000/x", "http://127.0.0.1:8123/other",
    "http://127.0.0.1:80@evil.example/cb", "http://127.0.0.1:8/x/cb", "http://[::1]:3000/x",
    # unicode
    "https://аpp.example.org/", "https://app.example.org。evil.example/", "https://app．example.org/", "https://app.example.org/ü",
    "https://bücher.example/", "https://a.preview.example／x", "https://①.preview.example/",
    # patterns, past their edges
    "https://preview.example/x", "https://a.b.preview.example/x", "https://.preview.example/x", "https://a.preview.example",
    "https://evil.example/.preview.example/x", "https://evil.example?.preview.example/x",
    "https://evil.example#.preview.example/x", "https://a.preview.example:8443/x", "https://docs.example.net/a/b/done",
    "https://docs.example.net/a.b/done", "https://docs.example.net//done/", "https://one.example.net/page",
    "https://one.example.net/page12", "https://exact.example.net/welcome/", "https://exact.example.net/welcome?x=1",
    "https://exact.example.net/welcome/../x", "https://exact.example.net/WELCOME", "https://root.example.net/x",
    "https://wild.example.net.evil.example/", "https://wild.example.net:81/", "https://wild.example.net/x@y",
    "https://evil.example/x.deep.example/in", "https://a.deep.example/other", "https://a.deep.example./in",
    "https://evil.example?x.deep.example/in", "https://app.example.org./", "https://app.example.org:/", "https://app.example.org:x/",
    "https://app.example.org:99999/", "https://-a.preview.example:x/", "https://app.example.org/" + "x" * 3000,
    "https://app.example.org/<script>", "https://app.example.org/\"x", "https://app.example.org/{x}", "https://app..example.org/",
    # encoded
    "https%3A%2F%2Fapp.example.org", "https://app%2eexample.org/", "https://%61pp.example.org/", "https://app.example.org%2f@evil.example/",
    "https://app.example.org%00.evil.example/", "https://app.example.org%23.evil.example/",
]  # fmt: skip


@pytest.mark.parametrize("url", GOOD)
def test_allowed(url: str) -> None:
    """The site, and what is listed (OA3)."""
    assert url == allowed_redirect(OPTIONS, url)


@pytest.mark.parametrize("url", BAD, ids=range(len(BAD)))
def test_the_site_instead(url: str) -> None:
    """Whatever is not allowed leads to the site (OA3)."""
    assert SITE == allowed_redirect(OPTIONS, url)


@pytest.mark.parametrize(
    ("entry", "url", "allowed"),
    [
        ("https://*", "https://evil.example/", False),
        ("https://*", "https://evil", True),
        ("https://**", "https://evil.example/", False),
        ("https://*.example.org", "https://a.example.org/", True),
        ("https://*.example.org", "https://a.example.org/x", False),
        ("https://*.example.org", "https://evil.example/a.example.org", False),
        ("https://a.example.org/*", "https://a.example.org/x", True),
        ("https://a.example.org/*", "https://a.example.org/x/y", False),
        ("https://a.example.org/**", "https://a.example.org/", True),
        ("https://a.example.org/**", "https://a.example.org", False),
        ("https://a?.example.org/", "https://ab.example.org/", True),
        ("https://a?.example.org/", "https://a..example.org/", False),
        ("https://a.example.org/x.y", "https://a.example.org/x-y", False),
        ("http://[::1]:3000/cb", "http://[::1]:3000/cb", True),
        ("https://10.0.0.1/cb", "https://10.0.0.1/cb", False),
        ("app://", "app://", True),
    ],
)
def test_entries(entry: str, url: str, allowed: bool) -> None:
    """What one pattern stands for."""
    options = AuthOptions(site_url=SITE, redirect_urls=(entry,))
    assert (url if allowed else SITE) == allowed_redirect(options, url)


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("https://*-*-*-*.example.net/x", "https://" + "-" * 2000),
        ("https://a.example.net/**/**/**/**/x", "https://a.example.net" + "/" * 2000),
        ("https://**a.**a.**a.example.net/x", "https://" + "a." * 1000 + "net"),
    ],
)
def test_stars_are_followed_at_once(entry: str, url: str) -> None:
    """A2: trying one way after the other would take the cube of the length, or worse, of what anybody sends."""
    options = AuthOptions(site_url=SITE, redirect_urls=(entry,))
    assert lines(lambda: allowed_redirect(options, url)) < 100 * len(url)
    assert SITE == allowed_redirect(options, url)


def test_nothing_asked() -> None:
    """No wish leads to the site, and the table is as long as it should be."""
    assert SITE == allowed_redirect(OPTIONS, None)
    assert len(BAD) + len(GOOD) >= 80
