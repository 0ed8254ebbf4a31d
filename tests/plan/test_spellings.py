"""What is read of a client's text is what PostgreSQL reads of it, asked of PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import os
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
import sqlalchemy as sa

from backstay.errors import PlanError
from backstay.plan.coerce import coerce
from tests.http.api import SERVER

DATES = (
    *("2024-02-29", "20240229", "2024-060", "2024-2-9", "2023-366", "2024-000", "2024-367", "2024060", "0000-01-01"),
    *("2024-W09-4", "2024W094", "2024-W09", "2024", "2024-02", "24-02-29", "2023-02-29", "2024-13-01", "2024-00-01"),
    *("\uff12\uff10\uff12\uff14-02-29", "2024\u201002\u201029", "2_024-02-29", "+2024-02-29", " 2024-02-29\t", "\u00a02024-02-29"),
)  # fmt: skip
TIMES = (
    *("10", "10:30", "1030", "1:5", "10:30:15", "103015", "10:30:15.", "10:30:15.5", "103015.25", "10:30:15,5", "10.5"),
    *("10:30:15.1234565", "10:30:15.9999999", "23:59:59.9999995", "10:30:15.5.5", "10:30.5", "10:30:60", "10:30:61"),
    *("24:00", "24:00:00.0", "24:00:01", "25:00", "10:60", "1_0:30", "\u0661\u0660:30", "10:30:15.\u0661", "T10:3x"),
)  # fmt: skip
ZONES = (
    *("", "Z", "z", " Z", "+00", "-00:00", "+2", "+02", "+0230", "+02:30", "+02:30:15", "+15:59:59", "-15:59:59"),
    *("+16", "+02:60", "+2:30", "+02:30:15.5", "+02:3", "+\u0662", "\u221202", "+0_2"),
)
NUMBERS = (
    *("1", "+1", "-1", " 1\n", "\u00a01", "\u0661", "\uff11", "1_000", "1,000", "1e5", "1E+5", "1e-5", "1.", ".5", "1.5"),
    *("0x10", "0b1", "--1", "+ 1", "", "e5", "1e", "007", "-0", "0" * 5000 + "1", "9" * 20, "9" * 5000, "1e400", "1e-400"),
    *("4e-324", "NaN", "-nan", "inf", "+Infinity", "infinit", "nano", "1e1000", "32767", "-32769", "2147483648"),
)  # fmt: skip
OTHERS = (
    *("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "A0EEBC999C0B4EF8BB6D6BB9BD380A11", "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11"),
    *("{a0eebc999c0b4ef8bb6d6bb9bd380a11}", "{a0eebc999c0b4ef8bb6d6bb9bd380a11", "a0eebc999c0b4ef8bb6d6bb9bd380a11}"),
    *("urn:uuid:a0eebc999c0b4ef8bb6d6bb9bd380a11", "a0e-ebc999c0b4ef8bb6d6bb9bd380a11", " a0eebc999c0b4ef8bb6d6bb9bd380a11"),
    *("0x0eebc999c0b4ef8bb6d6bb9bd380a1", "\uff100eebc999c0b4ef8bb6d6bb9bd380a11", "a0eebc999c0b4ef8bb6d6bb9bd380a1_1"),
    *("t", "TRUE", " yes ", "o", "on", "\uff54", "\u00a0t", "1", "01", "o\ufb00", "TRU\u0045", "\\x00fF", "\\x 0 0", "\\x00 ff"),
    *("\\x0", "\\xg0", "\\x0_0", "\\000", "\\377", "\\400", "a\\\\b", "a\\b", "\\X00", "\u00e9", "\\x\u0661\u0661"),
)  # fmt: skip
MOMENTS = [*DATES, *(f"2024-02-29{gap}{at}" for gap in ("T", "t", " ", "  ", "_", "") for at in TIMES)]
MOMENTS += [f"2024-02-29T10:30{zone}" for zone in ZONES] + [f"{day} 24:00+02" for day in DATES]
MOMENTS += ["9999-12-31T24:00Z", "0001-01-01T00:00+01", "0001-01-01T00:00-01", "2024-02-29-10:30", "2024-12-31 24:00"]
CLOCKS = [f"{at}{zone}" for at, zone in product(TIMES, ("", "Z", "+02"))] + [f"10:30{zone}" for zone in ZONES]
CASES: list[tuple[str, sa.types.TypeEngine[Any], list[str]]] = [
    ("timestamptz", sa.DateTime(timezone=True), MOMENTS),
    ("timestamp", sa.DateTime(), MOMENTS),
    ("date", sa.Date(), MOMENTS),
    ("time", sa.Time(), CLOCKS),
    ("smallint", sa.SmallInteger(), list(NUMBERS)),
    ("integer", sa.Integer(), list(NUMBERS)),
    ("bigint", sa.BigInteger(), list(NUMBERS)),
    ("numeric", sa.Numeric(), list(NUMBERS)),
    ("float8", sa.Double(), list(NUMBERS)),
    ("uuid", sa.Uuid(), list(OTHERS)),
    ("boolean", sa.Boolean(), list(OTHERS)),
    ("bytea", sa.LargeBinary(), list(OTHERS)),
]


def _kind(code: str) -> str:
    """What is no moment is told in three ways, and PostgreSQL chooses by what it has read so far."""
    return "no moment" if code in ("22007", "22008", "22009") else code


def ours(text: str, type_: sa.types.TypeEngine[Any]) -> Any:
    try:
        value = coerce(text, type_)
    except PlanError as refused:
        return _kind(refused.code)
    if isinstance(value, bytes):
        return {"\\x" + value.hex()}
    if isinstance(type_, sa.Boolean):
        return {bool(value)}
    if isinstance(value, float):
        return {repr(value + 0.0)}
    return {Decimal(value) if isinstance(type_, sa.Numeric) and not isinstance(type_, sa.Float) else value}


async def theirs(texts: list[str], name: str) -> list[Any]:
    import asyncpg

    found: list[Any] = []
    connection = await asyncpg.connect(SERVER, timeout=60)
    try:
        await connection.execute("SET timezone = 'UTC'")
        for text in texts:
            try:
                shown = await connection.fetchval(f"SELECT to_jsonb(($1::text)::{name})::text", text)
            except asyncpg.PostgresError as refused:
                found.append(_kind(refused.sqlstate))
                continue
            if name == "numeric":
                found.append({Decimal(json.loads(shown, parse_int=str, parse_float=str))})
            elif name == "float8":
                found.append({repr(float(json.loads(shown)) + 0.0)})
            else:
                found.append({json.loads(shown)})
    finally:
        await connection.close()
    return found


@pytest.mark.parametrize(("name", "type_", "texts"), CASES, ids=[name for name, _, _ in CASES])
def test_texts(name: str, type_: sa.types.TypeEngine[Any], texts: list[str]) -> None:
    """D2: SQLite takes no text that PostgreSQL refuses, makes the same value of it, and refuses in the same code."""
    pytest.importorskip("asyncpg", reason="asyncpg is not installed")
    try:
        asked = asyncio.run(theirs(texts, name))
    except (OSError, TimeoutError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"PostgreSQL does not answer at {SERVER}: {error}")
    # PostgreSQL alone may take more: words, months and zones by name, years of five digits.
    read = {text: (ours(text, type_), said) for text, said in zip(texts, asked, strict=True)}
    compared = {text: both for text, both in read.items() if isinstance(both[0], set) or isinstance(both[1], str)}
    assert {} == {text[:40]: both for text, both in compared.items() if both[0] != both[1]}
    assert len(compared) > len(texts) / 2
