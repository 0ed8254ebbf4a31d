"""``/_mail/``: what would have been sent, on a desk without a mail server.

1. These pages hold live links and codes.  They exist only where a `Catcher` does, which is never in production.
2. They answer whoever sits at the machine: the connection comes from it, the Host header names it (a page elsewhere
   whose name was made to point here does not), and no proxy has forwarded it.  Anybody else finds nothing.
3. A mail's HTML is shown as a document of its own without an origin, without scripts and without a network.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from backstay.mail import Catcher, Caught

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

Answer = Callable[[Request], Awaitable[Response]]


def mail_routes(catcher: Catcher, *, open_to_all: bool = False) -> list[Route]:
    """The routes under ``/_mail``; *open_to_all* answers other machines too."""

    async def index(request: Request) -> Response:
        return _page("list.html", caught=catcher.caught)

    async def one(request: Request) -> Response:
        found = catcher.find(request.path_params["id"])
        return _missing() if found is None else _page("one.html", mail=found.mail, at=found.at, links=found.links)

    async def html(request: Request) -> Response:
        found = catcher.find(request.path_params["id"])
        return _missing() if found is None else HTMLResponse(found.mail.html, headers=_headers(_MAIL_POLICY))

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
        Route(path, answer if open_to_all else _for_this_machine(answer), methods=["GET"])
        for path, answer in routes.items()
    ]


def is_this_machine(request: Request) -> bool:
    """Whether *request* was made on the machine that answers it, for a name of this machine."""
    if any(name in request.headers for name in _PROXIED) or request.client is None:
        return False
    return _is_loopback(request.client.host) and _names_loopback(request.headers.get("host", ""))


def _for_this_machine(answer: Answer) -> Answer:
    async def guarded(request: Request) -> Response:
        return await answer(request) if is_this_machine(request) else _missing()

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


def _missing() -> Response:
    return PlainTextResponse("Not Found", status_code=404)


def _headers(policy: str) -> dict[str, str]:
    return {"content-security-policy": policy, "cache-control": "no-store"}


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
