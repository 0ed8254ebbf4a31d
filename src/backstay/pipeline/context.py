"""What a function of the database may ask about the request: settings until its transaction ends, as in PostgREST.

``current_setting('request.headers', true)::json ->> 'user-agent'``, and ``request.method``, ``request.path``,
``request.cookies`` and ``request.jwt.claims``.  The token itself is not among them, only what it proves: what a
database logs of its statements must not let anybody in here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from backstay.pipeline.request import DataRequest
from backstay.policy import Principal
from backstay.request.cookie import read_cookies
from backstay.sql.statement import Rows, Statement, Steps

_SECRET: Final = frozenset((b"authorization", b"apikey", b"proxy-authorization", b"cookie"))

_NAMES: Final = (
    "request.method",
    "request.path",
    "request.headers",
    "request.cookies",
    "request.jwt.claims",
    "response.headers",
    "response.status",
    "transaction_read_only",
)
_SET: Final = "SELECT " + ", ".join(f"set_config('{name}', ${at}, true)" for at, name in enumerate(_NAMES, 1))
_SET_WRITING: Final = _SET.rpartition(", set_config")[0]


def in_context(request: DataRequest, statement: Statement, *, read_only: bool) -> Steps[Rows]:
    """*statement* behind one that tells the database about *request*, and forbids it to write if *read_only*."""
    values = (
        request.method,
        "/" + request.path,
        _json({_text(name): _text(value) for name, value in request.headers.items() if name not in _SECRET}),
        _json(read_cookies(request.header(b"cookie") or "")),
        _json(_claims(request.principal)),
        # A function before this one, in the same transaction, may have set them.
        "",
        "",
    )
    yield Statement(_SET, (*values, "on")) if read_only else Statement(_SET_WRITING, values)
    return (yield statement)


def _claims(principal: Principal) -> Mapping[str, Any]:
    return {**principal.claims, "role": principal.role}


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, default=str)


def _text(value: bytes) -> str:
    return value.decode("latin-1")
