"""Bodies, counted while they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from starlette.types import Message, Receive

from backstay.errors import RequestError
from backstay.http.body import BodyReader
from backstay.http.limits import HttpLimits


def arriving(*parts: bytes, end: bool = True) -> Receive:
    """A receive() of *parts*; without *end* it then waits forever."""
    messages: list[Message] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    if end:
        messages.append({"type": "http.request"})  # ASGI: body and more_body may be left out.

    async def receive() -> Message:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop(0)

    return receive


async def read(receive: Receive, headers: Mapping[bytes, bytes] | None = None, **limits: float) -> bytes:
    """Read one body with a reader of its own, and check that it holds nothing afterwards."""
    reader = BodyReader(HttpLimits(**limits))  # type: ignore[arg-type]
    try:
        return await reader.read(receive, headers or {})
    finally:
        assert 0 == reader.unfinished


async def test_parts_are_put_together() -> None:
    """A body in many parts, some of them empty, is one bytes object."""
    assert b"abc" == await read(arriving(b"a", b"", b"bc"))
    assert b"" == await read(arriving())


async def test_a_declared_empty_body_is_not_waited_for() -> None:
    """Content-Length 0 says all there is to say."""
    assert b"" == await read(arriving(end=False), {b"content-length": b"0"})


@pytest.mark.parametrize("parts", [[b"12345"], [b"123", b"45"], [b"1", b"2", b"3", b"4", b"5"]])
async def test_the_limit_counts_what_arrives(parts: list[bytes]) -> None:
    """LM3: the limit passes and one byte more is BST413, however small Content-Length claims it to be."""
    assert b"12345" == await read(arriving(*parts), body_bytes=5)
    with pytest.raises(RequestError, match="BST413"):
        await read(arriving(*parts), {b"content-length": b"1"}, body_bytes=4)


async def test_too_large_is_noticed_before_the_end() -> None:
    """LM3: a body without end is refused as soon as it is over the limit."""
    with pytest.raises(RequestError, match="BST413"):
        await read(arriving(b"123", b"456", end=False), body_bytes=5)


async def test_one_message_over_the_limit() -> None:
    """LM3: servers may hand over a whole body at once."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"123456", "more_body": False}

    with pytest.raises(RequestError, match="BST413"):
        await read(receive, body_bytes=5)


@pytest.mark.parametrize("length", [b"-1", b"+1", b"1_0", b"1.0", b"", b" 1", b"0x1", "١".encode(), b"9" * 20])
async def test_odd_content_lengths(length: bytes) -> None:
    """A Content-Length that int() might take and HTTP does not is BST400."""
    with pytest.raises(RequestError, match="BST400"):
        await read(arriving(), {b"content-length": length})


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"identity, gzip", b"x", b""])
async def test_encodings_are_refused(encoding: bytes) -> None:
    """LM3: there is no request decompression, so there are no bombs."""
    with pytest.raises(RequestError, match="BST415"):
        await read(arriving(b"x"), {b"content-encoding": encoding})


async def test_identity_is_no_encoding() -> None:
    """``identity`` in any case is the body itself."""
    assert b"x" == await read(arriving(b"x"), {b"content-encoding": b" Identity"})


@pytest.mark.parametrize("parts", [[], [b"x"]])
async def test_a_body_that_does_not_come(parts: list[bytes]) -> None:
    """LM2: after its time a body is given up, and the connection with it."""
    with pytest.raises(RequestError, match="BST408") as caught:
        await read(arriving(*parts, end=False), body_seconds=0.01)
    assert 408 == caught.value.status
    assert (("connection", "close"),) == caught.value.headers


@pytest.mark.parametrize("parts", [[], [b"x"]])
async def test_a_body_that_breaks_off(parts: list[bytes]) -> None:
    """S10: Granian says of chunks that it does not take that the client has left, and answers 500 if nobody does."""
    messages = iter([{"type": "http.request", "body": part, "more_body": True} for part in parts])

    async def receive() -> Message:
        return next(messages, {"type": "http.disconnect"})

    reader = BodyReader(HttpLimits())
    with pytest.raises(RequestError, match="BST400") as caught:
        await reader.read(receive, {})
    assert ((("connection", "close"),), 0) == (caught.value.headers, reader.unfinished)
    assert caught.value.hint


async def test_unfinished_bodies_are_bounded_together() -> None:
    """LM10: many slow bodies, each under its limit, cannot fill the memory; when they end there is room again."""
    reader = BodyReader(HttpLimits(unfinished_bytes=10))
    slow = asyncio.ensure_future(reader.read(arriving(b"12345678", end=False), {}))
    while reader.unfinished < 8:
        await asyncio.sleep(0)
    assert b"12" == await reader.read(arriving(b"12"), {})
    with pytest.raises(RequestError, match="BST503"):
        await reader.read(arriving(b"123"), {})
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    assert 0 == reader.unfinished
    assert b"123" == await reader.read(arriving(b"123"), {})


async def test_pieces_are_counted() -> None:
    """S7, LM10: each is a message, however little is in it; beyond a thousand they have sixteen bytes on average."""
    assert 1_000 == len(await read(arriving(*[b"a"] * 1_000)))
    assert 40_000 == len(await read(arriving(*[b"sixteen letters."] * 2_500)))
    for parts in ([b"a"] * 1_100, [b""] * 1_001, [b"five."] * 1_500):
        with pytest.raises(RequestError, match="too many pieces"):
            await read(arriving(*parts, end=False))
