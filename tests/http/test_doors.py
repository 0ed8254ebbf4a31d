"""Every way to the app's surfaces: what is spelled otherwise, and which methods there are (LM1, S10)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from backstay import Backstay, Me, Settings, allow, function
from tests.accounts.house import KEYRING, SECRET, Base, Notice
from tests.http.client import Answer, Client


@allow("read", Notice)
def everybody(_: Me) -> bool:
    """Anybody's."""
    return True


@function(to="anon", read_only=True)
async def add(a: int) -> int:
    """Reads."""
    return a


@function(to="anon")
async def stir(a: int) -> int:
    """May write."""
    return a


@function(to="service_role")
async def hidden(a: int) -> int:
    """Not for everybody."""
    return a


async def beside(scope: Any, receive: Any, send: Any) -> None:
    """An app of somebody else, which takes what it is given."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"beside"})


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One request to the app."""
    folder: Path = tmp_path_factory.mktemp("doors")
    settings = Settings(database=f"sqlite:///{folder / 'doors.db'}", jwt_secret=SECRET, encryption_keys=KEYRING)
    app = Backstay(models=Base, policies=[everybody], functions=[add, stir, hidden], settings=settings)
    app.mount("/beside", beside)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(app._start())

    def ask(method: str, target: str, *headers: tuple[bytes, bytes], root: str = "") -> Answer:
        asking = Client(app).ask(
            method, root + target, *headers, path=unquote(root + target.partition("?")[0]), root_path=root
        )
        return loop.run_until_complete(asking)

    yield ask
    loop.run_until_complete(app._stop())
    loop.close()


def shape(answer: Answer) -> str:
    """Whose words a refusal is in; HTML, a text or nothing at all is nobody's."""
    assert (answer.one("content-type") or "").startswith("application/json"), answer
    told = json.loads(answer.body)
    if {"code", "message", "details", "hint"} == told.keys():
        return "data"
    assert {"code", "error_code", "msg"} == told.keys()
    return "accounts"


NOWHERE = [
    ("/auth", "accounts"),
    ("/auth/", "accounts"),
    ("/auth/v1", "accounts"),
    ("/auth/v1/", "accounts"),
    ("/auth/v1/nothing", "accounts"),
    ("/auth/v1/settings/", "accounts"),
    ("/auth/v1//settings", "accounts"),
    ("/auth//v1/settings", "accounts"),
    ("//auth/v1/settings", "accounts"),
    ("/auth%2Fv1/settings", "accounts"),
    ("/auth/v1%2Fsettings", "accounts"),
    ("/auth/v1%2fsettings", "accounts"),
    ("/auth/v1/admin%2Fusers", "accounts"),
    ("/auth/v1/user%2F", "accounts"),
    ("/auth/v2/settings", "accounts"),
    ("/auth/v1/../v1/settings", "accounts"),
    ("/auth/v1/%2e%2e/v1/settings", "accounts"),
    ("/rest", "data"),
    ("/rest/", "data"),
    ("//rest", "data"),
    ("//rest/v1/notices", "data"),
    ("/rest//v1", "data"),
    ("/rest//v1/", "data"),
    ("/rest//v1/notices", "data"),
    ("/rest/v1//", "data"),
    ("/rest/v1//notices", "data"),
    ("/rest/v1/notices/", "data"),
    ("/rest/v1/notices//", "data"),
    ("/rest%2Fv1", "data"),
    ("/rest%2Fv1/", "data"),
    ("/rest%2Fv1/notices", "data"),
    ("/rest/v1%2Fnotices", "data"),
    ("/rest%2fv1%2fnotices", "data"),
    ("/rest/v1/notices%2F", "data"),
    ("/rest/v1/rpc%2Fadd?a=1", "data"),
    ("/rest/v1/rpc/add/?a=1", "data"),
    ("/rest/v1/rpc//add?a=1", "data"),
    ("/rest/v1/rpc", "data"),
    ("/rest/v1/rpc/", "data"),
    ("/rest/v2/notices", "data"),
    ("/REST/v1/notices", "data"),
    ("/rest/v1/../../auth/v1/settings", "data"),
    ("/rest/v1/%2e%2e/%2e%2e/health", "data"),
    ("/health/", "data"),
    ("//health", "data"),
    ("/health%2F", "data"),
    ("/openapi.json/", "data"),
    ("/restaurant", "data"),
    ("/nothing", "data"),
    ("//", "data"),
    ("//beside/x", "data"),
]


@pytest.mark.parametrize(("target", "expected"), NOWHERE)
@pytest.mark.parametrize("root", ["", "/under"])
def test_a_path_has_one_spelling(client: Any, target: str, expected: str, root: str) -> None:
    """LM1: 404 in the words of the surface that was meant, and never another surface's answer, under a prefix too."""
    for method in ("GET", "POST", "DELETE"):
        answer = client(method, target, (b"content-length", b"0"), root=root)
        assert (404, expected) == (answer.status, shape(answer))


@pytest.mark.parametrize("root", ["", "/under"])
@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/rest/v1", 200),
        ("/rest/v1/", 200),
        ("/rest/v1/notices", 200),
        ("/%72est/v1/notices", 200),
        ("/rest/v1/rpc/add?a=1", 200),
        ("/auth/v1/settings", 200),
        ("/health", 200),
        ("/", 200),
        ("/beside/x%2Fy", 200),
    ],
)
def test_the_one_spelling_is_answered(client: Any, target: str, status: int, root: str) -> None:
    """An encoded slash within a key is a character of the key; what needs no code may have one (RFC 3986 §6.2.2.2)."""
    assert status == client("GET", target, root=root).status
    assert b'"BST404"' in client("GET", "/rest/v1/notices/a%2Fb", root=root).body


ALLOW = [
    ("/rest/v1/", "data", "OPTIONS,GET,HEAD"),
    ("/openapi.json", "data", "OPTIONS,GET,HEAD"),
    ("/rest/v1/notices", "data", "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"),
    ("/rest/v1/rpc/add", "data", "OPTIONS,GET,HEAD,POST"),
    ("/rest/v1/rpc/stir", "data", "OPTIONS,POST"),
    ("/rest/v1/batch", "data", "OPTIONS,POST"),
    ("/rest/v1/nothing", "data", "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"),
    ("/rest/v1/rpc/hidden", "data", "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"),
    ("/rest/v1/rpc/nothing", "data", "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"),
    ("/auth/v1/settings", "accounts", "GET, HEAD, OPTIONS"),
    ("/auth/v1/user", "accounts", "GET, HEAD, OPTIONS, PUT"),
    ("/health", "data", "GET, HEAD"),
]


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "FOO", "PROPFIND", "get", "QUERY"])
@pytest.mark.parametrize(("target", "expected", "allow"), [*ALLOW, ("/", "data", None)])
def test_a_method_that_a_path_does_not_have(
    client: Any, method: str, target: str, expected: str, allow: str | None
) -> None:
    """LM1: 405 with a body and with Allow, which says what OPTIONS says (RFC 9110 §15.5.6)."""
    answer = client(method, target)
    assert (405, expected) == (answer.status, shape(answer))
    assert "GET" in str(answer.one("allow")) if allow is None else allow == answer.one("allow")


@pytest.mark.parametrize(
    ("method", "target", "allow"),
    [
        ("GET", "/rest/v1/rpc/stir?a=1", "OPTIONS,POST"),
        ("DELETE", "/rest/v1/rpc/add", "OPTIONS,GET,HEAD,POST"),
        ("GET", "/rest/v1/batch", "OPTIONS,POST"),
        ("POST", "/rest/v1/", "OPTIONS,GET,HEAD"),
        ("POST", "/health", "GET, HEAD"),
        ("POST", "/", "GET, HEAD"),
        ("DELETE", "/auth/v1/user", "GET, HEAD, OPTIONS, PUT"),
    ],
)
def test_a_usual_method_that_a_path_does_not_have(client: Any, method: str, target: str, allow: str) -> None:
    """LM1: the same for methods that other paths have."""
    answer = client(method, target, (b"content-length", b"0"))
    assert (405, allow) == (answer.status, answer.one("allow"))
    shape(answer)


@pytest.mark.parametrize("target", ["/rest/v1/rpc/add", "/rest/v1/rpc/stir", "/rest/v1/batch", "/rest/v1/notices"])
def test_options_says_what_there_is(client: Any, target: str) -> None:
    """The same words as the refusal of another method."""
    answer = client("OPTIONS", target)
    assert (200, client("FOO", target).one("allow")) == (answer.status, answer.one("allow"))
    for unknown in ("hidden", "nothing"):
        assert 404 == client("OPTIONS", f"/rest/v1/rpc/{unknown}").status


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
@pytest.mark.parametrize("target", ["/beside/x", "/beside", "/nothing", "", "localhost:80"])
def test_what_no_app_is_asked(client: Any, method: str, target: str) -> None:
    """LM1: neither shows a client's own headers to a page nor asks for a tunnel, an app beside ours included."""
    answer = client(method, target)
    assert (405, "data", True) == (answer.status, shape(answer), answer.one("allow") is not None)
    assert b"beside" == client("PROPFIND", "/beside/x").body
