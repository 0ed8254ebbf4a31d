"""JSON from a client, or a Python value from a model's default → the text and the canonical value of a column."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from backstay.catalog import Column, family_of
from backstay.catalog.geometry import Geometry, check_geometry
from backstay.catalog.nesting import Tangled
from backstay.catalog.onwrite import OnWrite
from backstay.catalog.opaque import Native
from backstay.errors import PlanError
from backstay.plan.coerce import canonical_json, coercion
from backstay.plan.moment import trimmed
from backstay.plan.quick import Convert, Pair, quick
from backstay.request.array import render_array

#: Room for every digit that `coerce` lets through.
_EXACT: Final = Context(prec=2100)


def text_of(value: Any, type_: sa.types.TypeEngine[Any]) -> str | None:
    """*value* as the text that PostgreSQL reads for *type_*; ``None`` for null.

    >>> text_of(True, sa.Boolean()), text_of("a", sa.JSON()), text_of(["a", None], sa.ARRAY(sa.Text()))
    ('true', '"a"', '{a,NULL}')
    """
    if value is None:
        return None
    family = family_of(type_)
    if family == "json":
        return encode_json(value)
    if family == "array" and isinstance(value, Sequence) and not isinstance(value, str):
        item: sa.types.TypeEngine[Any] = getattr(type_, "item_type", sa.Text())
        return render_array([_element(element, item) for element in value])
    return _scalar(value)


def _element(value: Any, item: sa.types.TypeEngine[Any]) -> Any:
    if isinstance(value, list | tuple) and family_of(item) != "json":
        return [_element(element, item) for element in value]
    return text_of(value, item)


def _scalar(value: Any) -> str:
    match value:
        case str():
            return value.name if isinstance(value, enum.Enum) else value
        case enum.Enum():
            return str(value.name)
        case bool():
            return "true" if value else "false"
        case int() | float() | UUID():
            return str(value)
        case Decimal():
            return format(value, "f") if abs(value.adjusted()) < 1000 else str(value)
        case datetime() | time():
            return trimmed(value)
        case date():
            return value.isoformat()
        case bytes():
            return "\\x" + value.hex()
        case _:
            return encode_json(value)


def encode_json(value: Any) -> str:
    """Compact JSON text of *value*."""
    return canonical_json(_exact(value))


def _exact(value: Any) -> Any:
    """Finite decimals as they are; whatever else JSON cannot say, as text."""
    match value:
        case Decimal() if value.is_finite():
            return value
        case Mapping():
            return {str(key): _exact(item) for key, item in value.items()}
        case list() | tuple():
            return [_exact(item) for item in value]
        case None | bool() | int() | float() | str():
            return value
        case _:
            return _scalar(value)


def canonical(value: Any, column: Column) -> Pair:
    """(text for PostgreSQL, stored value for SQLite) of *value* for *column*.

    Raises:
        PlanError: 22P02, 22003, 22007, 22008, 22023 for HTML that is too tangled, or 22001 when the text is longer than
            the column.
    """
    return converter(column)(value)


def converter(column: Column) -> Convert:
    """`canonical` for one column, whose type is looked at once: that costs more than reading most values."""
    if column.sealing is not None:
        # What clients send is read as what they see; `sealed_rows` makes ciphertext of it.
        return converter(column.sealing.inner)
    whole = careful(column)
    # What is changed when it is written is never canonical as it comes.
    return whole if isinstance(column.type, OnWrite) else quick(column, whole)


def careful(column: Column) -> Convert:
    """The whole way for every value of *column*."""
    type_, family = column.type, column.family
    coerced: Callable[[str], Any] = str if isinstance(type_, Native) else coercion(type_)
    length, precision = getattr(type_, "length", None), getattr(type_, "precision", None)
    scale = getattr(type_, "scale", None) or 0

    is_geometry = isinstance(type_, Geometry)

    def convert(value: Any) -> Pair:
        if is_geometry and value is not None:
            value = _geometry(value)
        text = text_of(value, type_)
        if text is None:
            return None, None
        stored = coerced(text)
        if isinstance(type_, OnWrite) and family == "text":
            try:
                text = stored = type_.written(text)
            except Tangled as fault:
                raise PlanError("22023", f"the HTML has {fault}", hint="Send simpler HTML.") from None
        if family == "text" and isinstance(length, int) and len(text) > length:
            raise PlanError("22001", f"value too long for type character varying({length})")
        if family == "numeric" and precision is not None:
            stored = _rounded(stored, precision, scale)
        return text, stored

    return convert


def _geometry(value: Any) -> Any:
    """*value*, or what it says where it is text, when that is a geometry."""
    try:
        found = json.loads(value) if isinstance(value, str) else value
        check_geometry(found)
    except (ValueError, RecursionError) as fault:
        # An error of the reader speaks of places in a text that most clients have never seen.
        unread = isinstance(fault, json.JSONDecodeError | RecursionError)
        told = "it is no object of GeoJSON" if unread else str(fault)
        raise PlanError("22P02", f"invalid input syntax for type geometry: {told}") from None
    return found


def _rounded(stored: Any, precision: int, scale: int) -> str:
    # PostgreSQL rounds halves away from zero.
    number = Decimal(str(stored)).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP, _EXACT)
    if number.adjusted() >= precision - scale and number != 0:
        raise PlanError(
            "22003",
            "numeric field overflow",
            details=(
                f"A field with precision {precision}, scale {scale} must round to an absolute value "
                f"less than 10^{precision - scale}."
            ),
        )
    return format(number, "f")
