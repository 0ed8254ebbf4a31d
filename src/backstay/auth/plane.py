"""`AuthPlane`: answers every request to ``/auth/v1``.

It finds the route, lets in whom the route is for, decodes the body, and hands over to the route's handler.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from math import isfinite
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from backstay.auth.accounts import Accounts
from backstay.auth.refusal import AuthError, invalid
from backstay.auth.rights import check_may
from backstay.auth.route import AuthRequest, Route
from backstay.auth.session import Device, session_by_id
from backstay.auth.trust import session_of
from backstay.errors import RequestError, TokenError
from backstay.pipeline.request import DataRequest
from backstay.policy.principal import ANON, ANONYMOUS, Principal
from backstay.request.limits import BodyLimits
from backstay.request.strictjson import parse_json
from backstay.response.reply import Reply

#: LM3: an account needs no more.
MAX_BODY_BYTES: Final = 64 * 1024
_LIMITS: Final = BodyLimits(size_bytes=MAX_BODY_BYTES, values=5_000)
_MAX_PARAMETERS: Final = 50


class AuthPlane:
    """The accounts API.

    Args:
        routes: all of them.
        authenticate: headers to principal; raises `TokenError`.
        address: whose request it is, by peer and headers: an IP address, and what limits count it as (TH7).
    """

    def __init__(
        self,
        accounts: Accounts,
        routes: Sequence[Route],
        authenticate: Callable[[Mapping[bytes, bytes]], Principal],
        address: Callable[[str, Mapping[bytes, bytes]], tuple[str, str]],
    ) -> None:
        self._accounts = accounts
        self._authenticate = authenticate
        self._address = address
        self._fixed: dict[str, dict[str, Route]] = {}
        self._patterns: list[tuple[re.Pattern[str], dict[str, Route]]] = []
        by_path: dict[str, dict[str, Route]] = {}
        for route in routes:
            by_path.setdefault(route.path, {})[route.method] = route
        for path, methods in by_path.items():
            if "{" in path:
                pattern = re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))
                self._patterns.append((pattern, methods))
            else:
                self._fixed[path] = methods

    async def answer(self, request: DataRequest) -> Reply:
        """Answer one request; *request.path* is what follows ``/auth/v1/``.

        Raises:
            BackstayError: whatever refuses it, with its code.
        """
        if b"%2f" in request.raw_path.lower():
            # No path of ours has a slash inside of a part: who guards one by its text would not see it.
            raise AuthError("not_found", "There is nothing at this path")
        methods, named = self._find(request.path)
        method = "GET" if request.method == "HEAD" else request.method
        route = methods.get(method)
        if route is None:
            allow = ", ".join(sorted({*methods, *(("HEAD",) if "GET" in methods else ()), "OPTIONS"}))
            if request.method == "OPTIONS":
                return Reply(204, ((b"allow", allow.encode()),))
            refusal = AuthError("method_not_allowed", f"{request.method} is not a method of this path")
            refusal.headers = (("Allow", allow),)
            raise refusal
        principal, session = await self._caller(route, request.headers)
        ip, bucket = self._address(request.peer, request.headers)
        asked = AuthRequest(
            request.method,
            named,
            _query(request.query),
            request.headers,
            _form(request) if route.takes_form else None if route.body is None else _body(route.body, request),
            principal,
            Device(ip, (request.header(b"user-agent") or "").encode("ascii", "replace").decode(), bucket),
            session,
            route.permission,
        )
        return await route.handle(asked, self._accounts)

    def _find(self, path: str) -> tuple[dict[str, Route], dict[str, str]]:
        fixed = self._fixed.get(path)
        if fixed is not None:
            return fixed, {}
        for pattern, methods in self._patterns:
            found = pattern.fullmatch(path)
            if found is not None:
                return methods, found.groupdict()
        raise AuthError("not_found", "There is nothing at this path")

    async def _caller(self, route: Route, headers: Mapping[bytes, bytes]) -> tuple[Principal, Any]:
        """Who asks, and its session (row), where the route needs to know (RB1).

        The row is read each time: what it says is newer than any token, and a session that was ended has none.
        """
        if route.who == "anyone":
            # Clients send an old access token along; it must not keep anybody from signing in again.
            return ANONYMOUS, None
        try:
            try:
                principal = self._authenticate(headers)
            except TokenError:
                if not await self._accounts.trust.look_again():
                    raise
                principal = self._authenticate(headers)
        except TokenError as error:
            raise AuthError("bad_jwt", f"invalid JWT: {error.message}") from None
        if principal.read_only and route.method != "GET":
            raise AuthError("not_admin", "The API key may only read")
        if principal.is_service and route.who == "admin":
            return principal, None
        if principal.role == ANON and principal.id is None:
            raise AuthError("no_authorization", "This endpoint requires a valid Bearer token")
        id = session_of(principal)
        if id is None:
            raise AuthError("bad_jwt", "invalid claim: missing session_id claim")
        session = await self._accounts.store.one(session_by_id(id))
        if session is None or str(session.user_id) != principal.id:
            raise AuthError("session_not_found", "Session from session_id claim in JWT does not exist")
        if route.who == "user":
            return principal, session
        await check_may(self._accounts, self._accounts.store, session, route.permission)
        return principal, session


def _query(raw: bytes) -> dict[str, str]:
    try:
        return dict(
            parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS)
        )
    except ValueError:
        raise invalid("The query string is malformed") from None


def _form(request: DataRequest) -> dict[str, str]:
    if len(request.body) > MAX_BODY_BYTES:
        raise AuthError("request_body_too_large", f"The body is longer than {MAX_BODY_BYTES} bytes")
    media = (request.header(b"content-type") or "").partition(";")[0].strip().lower()
    if media != "application/x-www-form-urlencoded":
        raise AuthError("unsupported_media_type", "Send the body as application/x-www-form-urlencoded")
    try:
        return _query(request.body)
    except AuthError:
        raise invalid("The form is malformed") from None


def _body(kind: type[msgspec.Struct], request: DataRequest) -> Any:
    if len(request.body) > MAX_BODY_BYTES:
        raise AuthError("request_body_too_large", f"The body is longer than {MAX_BODY_BYTES} bytes")
    media = (request.header(b"content-type") or "application/json").partition(";")[0].strip().lower()
    if request.body and media != "application/json":
        raise AuthError("unsupported_media_type", "Send the body as application/json")
    try:
        value = parse_json(request.body or b"{}", _LIMITS)
    except RequestError as error:
        raise AuthError("bad_json", f"Could not parse request body as JSON: {error.details or error.message}") from None
    try:
        return msgspec.convert(_given(_plain(value)), kind)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None


def _given(value: Any) -> Any:
    """Without fields that are ``null``, which GoTrue takes for left out: supabase-py sends so what it was not given."""
    return {key: inner for key, inner in value.items() if inner is not None} if isinstance(value, dict) else value


def _plain(value: Any) -> Any:
    """Numbers as JSON's readers in other languages take them: an account's metadata holds no prices."""
    match value:
        case dict():
            return {key: _plain(inner) for key, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case Decimal():
            number = float(value)
            if not isfinite(number):
                # JSON has no word for it: neither the database nor a token could hold it.
                raise invalid("A number is larger than any floating-point number")
            return number
        case _:
            return value
