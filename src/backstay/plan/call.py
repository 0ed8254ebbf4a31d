"""The arguments of a call, checked against the function's signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin
from uuid import UUID

import msgspec

from backstay.catalog.function import Function, Parameter
from backstay.errors import PlanError
from backstay.policy import SERVICE, Kind
from backstay.request.array import parse_array

Functions = Mapping[str, Function]

#: Names of arguments that an error repeats.
_TOLD: Final = 100


def find_function(functions: Functions, name: str, who: Kind, given: Sequence[str], schema: str) -> Function:
    """The function *name*, when a caller of this kind may call it with arguments named *given*.

    Raises:
        PlanError: PGRST202, when there is none, it is not for this caller, or the arguments' names do not fit: all
            alike; the hint speaks only of functions that the caller may call.
    """
    found = functions.get(name)
    if found is None or not may_call(found, who):
        raise no_function(name, given, schema)
    required = {p.name for p in found.parameters.values() if p.required}
    if required <= set(given) <= set(found.parameters):
        return found
    raise no_function(name, given, schema, _misfit(found, given))


def _misfit(function: Function, given: Sequence[str]) -> str:
    """What of the arguments *given* is missing or unknown, and what *function* takes."""
    missing = [p.name for p in function.parameters.values() if p.required and p.name not in given]
    strange = sorted(set(given) - set(function.parameters))
    faults = [f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"] if missing else []
    if strange:
        faults.append(f"{', '.join(strange)[:200]} {'is' if len(strange) == 1 else 'are'} unknown")
    takes = ", ".join(p.name if p.required else f"{p.name}?" for p in function.parameters.values())
    return f"The function takes ({takes}), where ? may be left out: {', and '.join(faults)}."


def may_call(function: Function, who: Kind) -> bool:
    """Whether a caller of this kind may call *function*."""
    role, more, _ = who
    return function.to is None or role == SERVICE or bool(({role} | more) & function.to)


def no_function(name: str, given: Sequence[str], schema: str, hint: str | None = None) -> PlanError:
    """PGRST202: no function of that name takes arguments of these names."""
    # A caller may name thousands: what it has sent is not told back to it whole.
    names = ", ".join(sorted(given)[:_TOLD]) + (", …" if len(given) > _TOLD else "")
    called = f"{schema}.{name}({names})" if given else f"{schema}.{name}"
    noun = "parameter" if len(given) == 1 else "parameters"
    searched = f"with {noun} {names}" if given else "without parameters"
    if not given:
        called = f"{called} without parameters"
        searched = "without parameters"
    return PlanError(
        "PGRST202",
        f"Could not find the function {called} in the schema cache",
        details=(
            f"Searched for the function {schema}.{name} {searched}, but no matches were found in the schema cache."
        ),
        hint=hint,
    )


def read_arguments(function: Function, given: Mapping[str, Any], *, textual: bool) -> dict[str, Any]:
    """Values of the parameters' types; *textual* ones come from a query string, where arrays are ``{a,b}``.

    Raises:
        PlanError: 22P02 with the first fault; with several, *details* lists them all.
    """
    faults: list[dict[str, str]] = []
    values: dict[str, Any] = {}
    for parameter in function.parameters.values():
        if parameter.name not in given:
            values[parameter.name] = parameter.default
            continue
        try:
            value = _convert(given[parameter.name], parameter, textual)
            if isinstance(value, int) and not -(2**63) <= value < 2**63:
                raise ValueError("an integer has at most 64 bits")
            values[parameter.name] = value
        except (ValueError, TypeError, RecursionError) as fault:
            faults.append({"argument": parameter.name, "message": str(fault).splitlines()[0][:300]})
    if faults:
        first = faults[0]
        raise PlanError(
            "22P02",
            f'invalid value for the argument "{first["argument"]}": {first["message"]}',
            details=faults if len(faults) > 1 else None,
        )
    return values


def _convert(value: Any, parameter: Parameter, textual: bool) -> Any:
    hint = parameter.type
    if hint is Any:
        return value
    validate = getattr(hint, "model_validate", None) or getattr(hint, "__pydantic_validator__", None)
    if callable(validate):
        # A pydantic model: accepted where the developer brings pydantic; its errors are ValueErrors.
        return validate(value)
    if textual and isinstance(value, str) and value.startswith("{") and not _takes_text(hint):
        value = parse_array(value)
    # Text is read leniently only from a query string, where everything is text.
    return msgspec.convert(value, hint, strict=not textual, dec_hook=_decode)


def _takes_text(hint: Any) -> bool:
    return hint is str or (get_origin(hint) in (Union, UnionType) and str in get_args(hint))


def _decode(hint: type[Any], value: Any) -> Any:
    if isinstance(value, hint):
        return value
    if hint is UUID:
        return UUID(str(value))
    validate = getattr(hint, "model_validate", None)
    if callable(validate):
        # A pydantic model inside another type.
        return validate(value)
    raise TypeError(f"a {type(value).__name__} is not a {hint.__name__}")
