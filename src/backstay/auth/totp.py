"""Codes of an authenticator app: RFC 6238 with SHA-1, six digits and 30 seconds, which every app can (MF1)."""

from __future__ import annotations

import hmac
from datetime import datetime
from io import BytesIO
from typing import Final

import pyotp

STEP_SECONDS: Final = 30
#: Steps before and after the present one whose codes are taken: clocks differ, and people are slow.
_WINDOW: Final = 1


def new_secret() -> str:
    """160 random bits in base32."""
    return pyotp.random_base32()


def enrolment_uri(secret: str, *, account: str, issuer: str) -> str:
    """What the QR code says to the authenticator app."""
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)


def qr_svg(uri: str) -> str:
    """*uri* as a QR code, in an SVG that stands in a ``data:`` URL as it is.

    The clients put ``data:image/svg+xml;utf-8,`` before it and encode nothing, so it must have no ``#``: what follows
    one is no part of the image.
    """
    import segno  # a quarter of a second, which only those pay who enrol

    written = BytesIO()
    segno.make(uri, error="m", micro=False).save(
        written, kind="svg", scale=4, dark="black", light="white", xmldecl=False, nl=False
    )
    return written.getvalue().decode().replace("#000", "black").replace("#fff", "white")


def step_of(secret: str, code: str, now: datetime, *, after: int | None) -> int | None:
    """The time step that *code* is right for, ``None`` for none.

    Steps up to *after* are used up.

    >>> from datetime import UTC
    >>> at = datetime.fromtimestamp(59, UTC)
    >>> secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    >>> step_of(secret, "287082", at, after=None), step_of(secret, "287082", at, after=1)
    (1, None)
    """
    given = "".join(code.split()).encode("utf-8", "replace")
    totp = pyotp.TOTP(secret)
    present = int(now.timestamp()) // STEP_SECONDS
    found = None
    for step in range(present - _WINDOW, present + _WINDOW + 1):
        # All are compared, so that the time says nothing of which.
        right = hmac.compare_digest(totp.generate_otp(step).encode(), given) if step >= 0 else False
        if right and (after is None or step > after):
            found = step
    return found
