"""`Fetcher`: one guarded request, without redirects, cookies, proxies of the environment or kept connections."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from typing import Final, TypeAlias

import httpx2

from backstay.adapters.httpx2.guard import Address, Target, check_addresses, parse_target
from backstay.outbound import Answered, Call, OutboundError

SECONDS: Final = 5.0
MAX_BYTES: Final = 1024 * 1024
#: A host with more addresses than these is tried no further.
_TRIES: Final = 3

#: A look-up cannot be stopped: those that hang keep others waiting, and nothing else.
_RESOLVING: Final = ThreadPoolExecutor(4, thread_name_prefix="names")

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[Address]]]


async def resolved(host: str, port: int) -> Sequence[Address]:
    """Every address that the machine's resolver has for *host*."""
    look = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_RESOLVING, look)
    return tuple(dict.fromkeys(ip_address(entry[4][0]) for entry in found))


class Fetcher:
    """The port `Fetch`: call it with a `Call`.

    Args:
        loopback: whether http to this machine is allowed: on a desk.
        resolve: host and port to addresses.
        seconds: for everything, from the resolver to the last byte.
        max_bytes: of an answer.
        trust: the certificates to believe; by default those of the machine.
    """

    def __init__(
        self,
        *,
        loopback: bool = False,
        resolve: Resolve = resolved,
        seconds: float = SECONDS,
        max_bytes: int = MAX_BYTES,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._loopback = loopback
        self._resolve = resolve
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._trust = trust

    async def __call__(self, call: Call) -> Answered:
        """Send *call*.

        Raises:
            OutboundError: the target is refused, did not answer in time, or answered too much.
        """
        target = parse_target(call.url, private=call.private, loopback=self._loopback)
        try:
            async with asyncio.timeout(self._seconds):
                addresses = await self._addresses(target, call.private)
                return await self._sent(call, target, addresses)
        except TimeoutError:
            raise OutboundError("no answer in time") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError, ValueError) as fault:
            raise OutboundError(f"no answer: {type(fault).__name__}") from None

    async def _addresses(self, target: Target, private: bool) -> Sequence[Address]:
        found = (target.address,) if target.address else await self._resolve(target.host, target.port)
        return check_addresses(found, private=private, loopback=target.loopback)

    async def _sent(self, call: Call, target: Target, addresses: Sequence[Address]) -> Answered:
        tries = addresses[:_TRIES]
        for address in tries:
            try:
                return await self._send(call, target, address)
            except httpx2.ConnectError:
                if address is tries[-1]:
                    raise
        raise AssertionError("there is an address")

    async def _send(self, call: Call, target: Target, address: Address) -> Answered:
        if self._trust is None and target.scheme == "https":
            self._trust = httpx2.create_ssl_context(trust_env=False)
        host = f"[{address}]" if address.version == 6 else str(address)
        headers = {"accept": "application/json", "user-agent": "Backstay", **call.headers}
        headers |= {"host": target.authority, "accept-encoding": "identity"}
        # A transport of its own: a pool would know a connection by its address, and lend one host's to another.
        # nothing of the environment: a proxy would resolve the host again
        verify = self._trust if self._trust is not None else False
        transport = httpx2.AsyncHTTPTransport(verify=verify, trust_env=False)
        client = httpx2.AsyncClient(transport=transport, trust_env=False, follow_redirects=False, timeout=self._seconds)
        async with client:
            request = client.build_request(
                call.method,
                f"{target.scheme}://{host}:{target.port}{target.rest}",
                headers=headers,
                data=None if call.form is None else dict(call.form),
                # The certificate is checked for the host's name, and so is the server told (SNI).
                extensions={"sni_hostname": target.host} if target.scheme == "https" else {},
            )
            answer = await client.send(request, stream=True)
            try:
                return Answered(answer.status_code, await self._body(answer))
            finally:
                await answer.aclose()

    async def _body(self, answer: httpx2.Response) -> bytes:
        found = bytearray()
        async for chunk in answer.aiter_raw():
            found += chunk
            if len(found) > self._max_bytes:
                raise OutboundError("the answer is too long")
        return bytes(found)
