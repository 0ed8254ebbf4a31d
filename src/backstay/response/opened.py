"""Rows as a database finished them, with encrypted values opened: only for plans that select some.

Everything else in the rows stays as it is written: no digit is lost on the way.
"""

from __future__ import annotations

import msgspec

from backstay.catalog.sealing import Place, key_text
from backstay.crypt import Keyring, Unsealable
from backstay.plan.opening import Each, Objects, Opened

_objects = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def open_rows(body: str, rows: Objects, keyring: Keyring, faults: list[Unsealable] | None = None) -> str:
    """*body*, an object or an array of objects, with the values that *rows* points to.

    With *faults* a value that does not open is null and its fault one of them: a row must not take its page.

    Raises:
        Unsealable: without, when one was altered or moved, or its key is gone.  It is nobody's fault who asks: the
            answer is a 500 with an id, and the log names the row.
    """
    return _opened(body.encode(), rows, keyring, faults).decode() if body else body


def _opened(raw: bytes, opened: Opened, keyring: Keyring, faults: list[Unsealable] | None) -> bytes:
    if raw == b"null":
        return raw
    match opened:
        case Place():
            try:
                return open_value(raw, opened, keyring)
            except Unsealable as fault:
                if faults is None:
                    raise
                faults.append(fault)
                return b"null"
        case Each(element):
            return _encode([msgspec.Raw(_opened(bytes(one), element, keyring, faults)) for one in _array(raw)])
        case Objects() if raw.lstrip().startswith(b"["):
            return _encode([_filled(row, opened, keyring, faults) for row in _objects(raw)])
        case Objects():
            return _encode(_filled(_object(raw), opened, keyring, faults))


def open_value(raw: bytes, place: Place, keyring: Keyring) -> bytes:
    """The JSON of one value as the database gives it, ``[ciphertext, key…]``; its blind index is compared with it.

    Raises:
        Unsealable: when it does not open, or the index is another one's.
    """
    stored, *beside = msgspec.json.decode(raw)
    index = beside.pop(0) if place.indexed else None
    key = tuple(map(key_text, beside))
    text = place.open(keyring, bytes.fromhex(stored), key)
    if index is not None:
        place.check_index(keyring, text, index, key)
    return text.encode()


def _filled(
    row: dict[str, msgspec.Raw], rows: Objects, keyring: Keyring, faults: list[Unsealable] | None
) -> dict[str, msgspec.Raw]:
    for key, opened in rows.keys.items():
        if key in row:
            row[key] = msgspec.Raw(_opened(bytes(row[key]), opened, keyring, faults))
    return row
