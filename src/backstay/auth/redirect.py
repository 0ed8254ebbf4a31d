"""``redirect_to``: where people may be sent back to (OA3).

A URL is parsed first, and then compared part by part: what browsers read differently from this parser is refused before
anything is compared.  What is not allowed is not an error, the site is where people go then; so a link in an old mail
still leads somewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from backstay.auth.options import AuthOptions

_MAX_CHARS: Final = 2048
#: What a browser turns into something else, or cuts off: controls, blanks, backslashes, quotes, and all beyond ASCII.
_STRANGE: Final = re.compile(r"[^!-~]|[\\\"<>^`{|}]")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*")
#: Schemes that run or show what stands in them.
_ACTIVE: Final = frozenset({"javascript", "data", "vbscript", "blob", "file", "about", "filesystem", "view-source"})
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


def allowed_redirect(options: AuthOptions, asked: str | None) -> str:
    """*asked* where it is allowed, the site's own URL else.

    Allowed are the site's origin, and what matches an entry of `AuthOptions.redirect_urls`: exactly, or where the entry
    has ``*`` (anything without ``.`` and ``/``), ``**`` (anything) or ``?`` (one character) outside of its scheme.

    >>> options = AuthOptions(site_url="https://app.example.org", redirect_urls=("https://*.preview.example/**",))
    >>> allowed_redirect(options, "https://app.example.org/welcome?x=1")
    'https://app.example.org/welcome?x=1'
    >>> allowed_redirect(options, "https://a.preview.example/x"), allowed_redirect(options, "https://evil.example/")
    ('https://a.preview.example/x', 'https://app.example.org')
    """
    if asked and is_plain(asked) and _matches(options, asked):
        return asked
    return options.site_url


def is_plain(url: str) -> bool:
    """Whether every reader of *url* finds the same scheme and host in it."""
    if len(url) > _MAX_CHARS or _STRANGE.search(url):
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if not _SCHEME.fullmatch(parts.scheme) or parts.scheme in _ACTIVE or "@" in parts.netloc:
        return False
    if parts.scheme in ("http", "https"):
        # ``https:/x`` and ``https:///x`` have no host here, and one for a browser.
        return bool(parts.hostname) and _is_plain_host(parts.netloc, port)
    # An app's own scheme (``com.example.app://callback``): only listed ones match.
    return "://" in url


def _is_plain_host(netloc: str, port: int | None) -> bool:
    host = netloc.removesuffix("" if port is None else f":{port}").lower()
    if host in _LOOPBACK:
        return True
    if host.startswith("[") or host.endswith((".", ":")) or not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", host):
        return False
    try:
        ip_address(host)
    except ValueError:
        # 2130706433, 0x7f.1 and 0177.0.0.1 are addresses to a browser: a host's last label is no number.
        return not re.fullmatch(r"\d+|0x[0-9a-f]*", host.rpartition(".")[2])
    return False


def _matches(options: AuthOptions, url: str) -> bool:
    site, asked = urlsplit(options.site_url), urlsplit(url)
    if (site.scheme, site.netloc.lower()) == (asked.scheme, asked.netloc.lower()):
        return True
    whole = url.partition("#")[0]
    return any(_fits(places, whole) for entry in options.redirect_urls for places in _readings(entry))


#: What letters may stand at a place of an entry, and whether so many as there are.
_Place: TypeAlias = tuple[Callable[[str], object], bool]


def _fits(places: Sequence[_Place], text: str) -> bool:
    """Whether *places* describe all of *text*.

    All ways to read it are followed at once, letter by letter: an expression with three stars would try each of them,
    and take the cube of what anybody sends.
    """
    ways = _reached(places, {0})
    for letter in text:
        here = [(at, *places[at]) for at in ways if at < len(places)]
        ways = _reached(places, {at + (not many) for at, fits, many in here if fits(letter)})
        if not ways:
            return False
    return len(places) in ways


def _reached(places: Sequence[_Place], ways: set[int]) -> set[int]:
    for at in sorted(ways):
        while at < len(places) and places[at][1]:
            at += 1
            ways.add(at)
    return ways


@lru_cache(maxsize=256)
def _readings(entry: str) -> list[list[_Place]]:
    """What *entry* describes, any of it: a single ``*`` stays within one label of the host or one part of the path."""
    scheme, _, rest = entry.partition("://")
    host, slash, path = rest.partition("/")
    stands_for = {"**": _place(r"[^@]", many=True), "*": _place(r"[^./@:]", many=True), "?": _place(r"[^./@:]")}
    labels = stands_for
    if scheme in ("http", "https") and "**" in host:
        # In a host ``**`` stands for labels only, and for every host there is it does not stand.
        of_host = _place(r"[a-z0-9.-]", many=True) if "." in host.rpartition("**")[2] else _place(r"(?!)")
        labels = stands_for | {"**": of_host}
    found = [*map(_letter, f"{scheme}://"), *_places(host, labels)]
    # An entry without a path is a host, and a browser writes the slash behind it or not.
    return [found + _places(slash + path, stands_for)] if path else [found, [*found, _letter("/")]]


def _places(text: str, stands_for: Mapping[str, _Place]) -> list[_Place]:
    parts = [part for part in re.split(r"(\*\*|\*|\?)", text) if part]
    return [place for part in parts for place in ([stands_for[part]] if part in stands_for else map(_letter, part))]


def _letter(letter: str) -> _Place:
    return _place(re.escape(letter))


def _place(letters: str, *, many: bool = False) -> _Place:
    return re.compile(letters).fullmatch, many
