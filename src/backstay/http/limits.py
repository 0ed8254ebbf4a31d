"""How much of a request is read before anybody is asked who sent it."""

from __future__ import annotations

from dataclasses import dataclass

from backstay.budget import DEFAULT_BUDGET
from backstay.request.limits import VALUE_BYTES


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds on one request, all inclusive: what is exactly at the limit passes (LM1, LM3, LM4, LM10)."""

    #: Header lines; one more is BST431.
    header_count: int = 100
    #: Bytes of the header block as HTTP/1.1 writes it (name, colon, space, value, CRLF); one more is BST431.
    header_bytes: int = 32 * 1024
    #: Bytes of the value of one header that is read piece by piece (`headers.READ`); one more is BST431.
    value_bytes: int = VALUE_BYTES
    #: Bytes of path and query as the client wrote them, without the ``?``; one more is BST414.
    url_bytes: int = 8 * 1024
    #: Bytes of a body, counted while it arrives whatever Content-Length says; one more is BST413.
    body_bytes: int = 1024 * 1024
    #: Seconds from the first wait for a body to its end; after them BST408.
    body_seconds: float = 60.0
    #: Bytes of bodies that have begun and not ended, over all requests of the process; beyond them BST503.
    unfinished_bytes: int = 64 * 1024 * 1024
    #: Data requests answered at the same time; one more is BST503.
    concurrent: int = 1024
    #: Bytes of one answer that is not a stream, of the data plane; one more is BST413.
    answer_bytes: int = DEFAULT_BUDGET.answer_bytes
    #: Seconds that a client may take for 64 KiB of an answer; after them the connection is cut off.
    send_seconds: float = 30.0
    #: Bytes of large answers that clients have not taken yet, over all of the process; beyond them BST503.
    unsent_bytes: int = 64 * 1024 * 1024
