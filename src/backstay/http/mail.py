"""``/_mail/``: what would have been sent, on a desk without a mail server.

1. These pages hold live links and codes.  They exist only where a `Catcher` does, which is never in production.
2. They answer whoever has the secret of this start, which stands in the address that the process printed.  Where a
   connection comes from proves nothing: a proxy on the same machine brings the whole world.  The first visit leaves it
   in a cookie; it is compared in constant time and never logged.
3. They answer no other machine either: the connection comes from this one, the Host header names it (a page elsewhere
   whose name was made to point here does not), and no proxy has said that it forwarded it.
4. Anybody else finds nothing.
5. A mail's HTML is shown as a document of its own without an origin, without scripts and without a network.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from hmac import compare_digest
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from backstay.mail import Catcher, Caught
from backstay.request.cookie import read_cookies

_PAGES: Final = Path(__file__).parent / "mail_pages"
_PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'"
)
# A mail brings its style along; nothing else of it works.  `sandbox` takes its origin, scripts, forms and pop-ups.
_MAIL_POLICY: Final = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)
_PROXIED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")

#: In a query; what is called so is taken out of every line of a log.
_SECRET: Final = "secret"  # noqa: S105 - a name
_COOKIE: Final = "backstay-mail"

Answer = Callable[[Request], Awaitable[Response]]


def mail_routes(catcher: Catcher, *, secret: str, open_to_all: bool = False) -> list[Route]:
    """The routes under ``/_mail``, for who knows *secret*; *open_to_all* answers everybody, from other machines too."""

    async def index(request: Request) -> Response:
        return _page("list.html", caught=catcher.caught)

    async def one(request: Request) -> Response:
        found = catcher.find(request.path_params["id"])
        if found is None:
            raise _missing()
        return _page("one.html", mail=found.mail, at=found.at, links=found.links)

    async def html(request: Request) -> Response:
        found = catcher.find(request.path_params["id"])
        if found is None:
            raise _missing()
        return HTMLResponse(found.mail.html, headers=_headers(_MAIL_POLICY))

    async def messages(request: Request) -> Response:
        to = request.query_params.get("to")
        chosen = [_shown(one) for one in catcher.caught if to is None or one.mail.to == to]
        return JSONResponse(chosen, headers=_headers(_PAGE_POLICY))

    async def style(request: Request) -> Response:
        return Response(_style(), media_type="text/css", headers=_headers(_PAGE_POLICY))

    routes: dict[str, Answer] = {
        "/_mail/": index,
        "/_mail/style.css": style,
        "/_mail/messages.json": messages,
        "/_mail/{id}/html": html,
        "/_mail/{id}": one,
    }
    return [
        Route(path, answer if open_to_all else _for_who_knows(secret, answer), methods=["GET"])
        for path, answer in routes.items()
    ]


def is_this_machine(request: Request) -> bool:
    """Whether *request* was made on the machine that answers it, for a name of this machine."""
    if any(name in request.headers for name in _PROXIED) or request.client is None:
        return False
    return _is_loopback(request.client.host) and _names_loopback(request.headers.get("host", ""))


def address_of(page: str, secret: str) -> str:
    """The address to visit first: *page* with its *secret*.

    >>> address_of("http://127.0.0.1:8000/_mail/", "x")
    'http://127.0.0.1:8000/_mail/?secret=x'
    """
    return f"{page}?{_SECRET}={secret}"


def _for_who_knows(secret: str, answer: Answer) -> Answer:
    async def guarded(request: Request) -> Response:
        asked = request.query_params.get(_SECRET)
        # Not ``request.cookies``: see ``request/cookie.py``.
        cookies = read_cookies("; ".join(request.headers.getlist("cookie")))
        given = cookies.get(_COOKIE, "") if asked is None else asked
        known = compare_digest(given.encode("utf-8", "replace"), secret.encode())
        if not known or not is_this_machine(request):
            raise _missing()
        response = await answer(request)
        if asked is not None:
            response.set_cookie(
                _COOKIE,
                secret,
                path=f"{request.scope.get('root_path', '')}/_mail",
                secure=request.url.scheme == "https",
                httponly=True,
                samesite="strict",
            )
        return response

    return guarded


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _names_loopback(host: str) -> bool:
    name = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
    name = name.lower().removesuffix(".")
    return name == "localhost" or name.endswith(".localhost") or _is_loopback(name)


def _shown(one: Caught) -> dict[str, Any]:
    mail = one.mail
    return {
        "id": mail.id,
        "at": one.at.isoformat(),
        "to": mail.to,
        "kind": mail.kind,
        "language": mail.language,
        "subject": mail.subject,
        "headers": dict(mail.headers),
        "text": mail.text,
        "html": mail.html,
        "links": list(one.links),
    }


def _page(name: str, **values: Any) -> Response:
    return HTMLResponse(_templates().get_template(name).render(values), headers=_headers(_PAGE_POLICY))


def _missing() -> HTTPException:
    """As if there were no such route: who may not see the pages does not learn that they are there."""
    return HTTPException(404)


def _headers(policy: str) -> dict[str, str]:
    return {"content-security-policy": policy, "cache-control": "no-store", "referrer-policy": "no-referrer"}


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(_PAGES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


@cache
def _style() -> bytes:
    return (_PAGES / "style.css").read_bytes()
