"""Python functions that the API may call: their names, parameters and results, read off the signature once."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints, overload

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from backstay.arguments import refuse_unknown
from backstay.catalog.annotation import fault_of_argument, fault_of_default, fault_of_result
from backstay.errors import ConfigError
from backstay.place import place_of

#: What a function gives back: nothing, a plain value, one row of a model, or several.
ResultKind: TypeAlias = Literal["void", "value", "row", "rows"]
#: What it is given besides its arguments.
Injected: TypeAlias = Literal["db", "sync_db", "me"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument, named as in the signature.  Without a *default* (`REQUIRED`) it must be sent."""

    name: str
    type: Any
    default: Any

    @property
    def required(self) -> bool:
        return self.default is REQUIRED


REQUIRED: Final = inspect.Parameter.empty


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function that the API may call as ``/rest/v1/rpc/{name}``.  Calling it here calls it plainly."""

    call: Callable[..., Any]
    name: str
    parameters: Mapping[str, Parameter]
    injected: Mapping[str, Injected]
    result: ResultKind
    result_type: Any
    #: The model, for results that are its rows.
    model: type[Any] | None
    read_only: bool
    to: frozenset[str] | None
    description: str | None
    is_async: bool

    @property
    def gives_set(self) -> bool:
        """Whether it returns several of something."""
        origin = get_origin(self.result_type)
        return self.result == "rows" or (isinstance(origin, type) and issubclass(origin, list | tuple))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(*args, **kwargs)


@overload
def function(call: Callable[..., Any], /) -> Function: ...
@overload
def function(
    *, name: str | None = None, read_only: bool = False, to: str | Iterable[str] | None = None
) -> Callable[[Callable[..., Any]], Function]: ...
def function(
    call: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    read_only: bool = False,
    to: str | Iterable[str] | None = None,
    **unknown: Any,
) -> Any:
    """Make a typed Python function callable as ``POST /rest/v1/rpc/{name}``.

    ::

        @function(to="authenticated")
        async def follow(db: AsyncSession, me: Me, handle: str) -> Follow:
            "Follow somebody by handle."

    Parameters annotated ``AsyncSession`` (or ``Session``) and ``Me`` are given to it; the others are its arguments,
    checked against their types.  The session is one transaction, committed when the function returns and rolled back
    when it raises.  Rows of models that it returns are shown as the caller's read policies allow.

    Args:
        name: the name in the API; by default the function's own.
        read_only: it changes nothing, so ``GET`` may call it too; its session refuses to write.
        to: the role or roles that may call it.  Left out: everyone.

    Raises:
        ConfigError: BST-E030, when the signature cannot be served; BST-E095, for another keyword.
    """
    refuse_unknown("function()", unknown, "name", "read_only", "to")
    if call is None:
        return lambda decorated: _read(decorated, name, read_only, to)
    return _read(call, name, read_only, to)


def _read(call: Callable[..., Any], name: str | None, read_only: bool, to: str | Iterable[str] | None) -> Function:
    if not callable(call) or isinstance(call, type | Function):
        raise ConfigError("BST-E030", f"{call!r} is no function to be called", hint="Write @function above def.")
    if name is not None and not isinstance(name, str):
        raise ConfigError("BST-E030", f"{place_of(call)}: name={name!r} is no text", hint='For example name="follow".')
    own = name or call.__name__
    where = f"{place_of(call)}: {own}"
    if inspect.isgeneratorfunction(call) or inspect.isasyncgenfunction(call):
        raise ConfigError("BST-E030", f"{where} yields, and an answer is whole", hint="Return a list.")
    try:
        hints = get_type_hints(call, include_extras=True)
    except (NameError, TypeError, AttributeError) as fault:
        raise ConfigError(
            "BST-E030", f"{where} has annotations that cannot be read: {fault}", hint="Import the names they use."
        ) from fault
    parameters: dict[str, Parameter] = {}
    injected: dict[str, Injected] = {}
    for parameter in inspect.signature(call).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise ConfigError(
                "BST-E030",
                f"{where} takes {parameter}, which has no name in a request",
                hint="Name every argument; *args, **kwargs and positional-only ones cannot be sent.",
            )
        if parameter.name not in hints:
            raise ConfigError(
                "BST-E030",
                f"{where} does not say what {parameter.name} is",
                hint=f"Annotate it, as in {parameter.name}: int; Any takes any JSON.",
            )
        hint = hints[parameter.name]
        what = _injection(hint)
        if what is not None:
            injected[parameter.name] = what
        else:
            parameters[parameter.name] = _parameter(parameter, hint, where)
    is_async = inspect.iscoroutinefunction(call)
    if not is_async and "db" in injected.values():
        raise ConfigError(
            "BST-E030",
            f"{where} is not async, but asks for an AsyncSession",
            hint="Annotate it Session, or make it async.",
        )
    if is_async and "sync_db" in injected.values():
        raise ConfigError("BST-E030", f"{where} is async, but asks for a Session", hint="Annotate it AsyncSession.")
    if "return" not in hints:
        raise ConfigError(
            "BST-E030",
            f"{where} does not say what it returns",
            hint="Annotate it, as in -> int, or -> None for nothing; Any is any JSON.",
        )
    result_type = hints["return"]
    result, model = _result(result_type)
    unsent = fault_of_result(result_type) if result == "value" else None
    if unsent is not None:
        raise ConfigError("BST-E030", f"{where} returns what cannot be sent: {unsent[0]}", hint=unsent[1])
    return Function(
        call=call,
        name=own,
        parameters=parameters,
        injected=injected,
        result=result,
        result_type=result_type,
        model=model,
        read_only=read_only,
        to=_roles(to, where),
        description=inspect.getdoc(call),
        is_async=is_async,
    )


def _roles(to: str | Iterable[str] | None, where: str) -> frozenset[str] | None:
    if to is None:
        return None
    named = (to,) if isinstance(to, str) else tuple(to) if isinstance(to, Iterable) else ()
    if not named or not all(isinstance(role, str) and role and role == role.strip() for role in named):
        raise ConfigError(
            "BST-E030", f"{where} has to={to!r}, which names no role", hint='For example to="authenticated".'
        )
    return frozenset(named)


def _parameter(parameter: inspect.Parameter, hint: Any, where: str) -> Parameter:
    fault = fault_of_argument(hint)
    if fault is None and parameter.default is not REQUIRED:
        fault = fault_of_default(parameter.default, hint)
    if fault is not None:
        raise ConfigError(
            "BST-E030", f"{where} takes {parameter.name}, which no request can bring: {fault[0]}", hint=fault[1]
        )
    return Parameter(parameter.name, hint, parameter.default)


def _injection(hint: Any) -> Injected | None:
    if not isinstance(hint, type):
        return None
    if issubclass(hint, AsyncSession):
        return "db"
    if issubclass(hint, Session):
        return "sync_db"
    return "me" if getattr(hint, "injected_as", None) == "me" else None


def _result(hint: Any) -> tuple[ResultKind, type[Any] | None]:
    if hint is None or hint is type(None):
        return "void", None
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        named = [a for a in arguments if a is not type(None)]
        if len(named) == 1 and _is_model(named[0]):
            return "row", named[0]
        return "value", None
    several = isinstance(origin, type) and issubclass(origin, Iterable) and arguments[1:] in ((), (...,))
    if several and arguments and _is_model(arguments[0]):
        return "rows", arguments[0]
    return ("row", hint) if _is_model(hint) else ("value", None)


def _is_model(hint: Any) -> bool:
    return isinstance(hint, type) and hasattr(hint, "__mapper__")
