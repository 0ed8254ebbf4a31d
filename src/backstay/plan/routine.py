"""Which of the database's functions a call means, and the text of each argument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from backstay.catalog.facts import ArgumentFacts
from backstay.catalog.routine import Routine
from backstay.errors import PlanError
from backstay.plan.call import no_function
from backstay.plan.near import nearest
from backstay.plan.value import text_of
from backstay.request.call import Sent


def choose(name: str, routines: Mapping[str, Sequence[Routine]], sent: Sent, schema: str) -> Routine:
    """The function *name* whose arguments have the names of *sent*; else the one that takes the whole body.

    Raises:
        PlanError: PGRST202, none does; PGRST203, several do.
    """
    known = routines.get(name, ())
    found = [routine for routine in known if _fits(routine, sent)]
    found = found or [routine for routine in known if sent.whole is not None and routine.whole == sent.whole]
    if not found:
        raise _none(name, known, routines, sent, schema)
    if len(found) > 1:
        raise PlanError(
            "PGRST203",
            f"Could not choose the best candidate function between: {', '.join(r.signature for r in found)}",
            hint="Try renaming the parameters or the function itself in the database so function overloading "
            "can be resolved",
        )
    return found[0]


def argument_texts(routine: Routine, sent: Sent) -> list[tuple[ArgumentFacts, str | None]]:
    """The arguments that *sent* brings for *routine*, each as the text that PostgreSQL reads for its type."""
    if routine.whole is not None and not _fits(routine, sent):
        return [(routine.facts.arguments[0], sent.body)]
    return [(a, _text(a, sent)) for a in routine.facts.arguments if a.name in sent.named]


def _fits(routine: Routine, sent: Sent) -> bool:
    if sent.whole not in (None, "json"):
        # Such a body has no names in it.
        return False
    return routine.required <= sent.named.keys() <= routine.names


def _text(argument: ArgumentFacts, sent: Sent) -> str | None:
    value = list(sent.all[argument.name]) if argument.variadic and argument.name in sent.all else None
    value = sent.named[argument.name] if value is None else value
    return value if isinstance(value, str) and not isinstance(argument.type, sa.JSON) else text_of(value, argument.type)


def _none(name: str, known: Sequence[Routine], routines: Iterable[str], sent: Sent, schema: str) -> PlanError:
    if sent.whole not in (None, "json"):
        return PlanError(
            "PGRST202",
            f"Could not find the function {schema}.{name} in the schema cache",
            details=f"Searched for the function {schema}.{name} with a single unnamed {sent.whole} parameter, "
            "but no matches were found in the schema cache.",
        )
    refusal = no_function(name, tuple(sent.named), schema)
    if sent.whole is not None and isinstance(refusal.details, str):
        refusal.details = refusal.details.replace(", but no", " or with a single unnamed json/jsonb parameter, but no")
    if known:
        wanted = f"({', '.join(sorted(sent.named))})"
        near = nearest(wanted, [f"({', '.join(sorted(routine.names))})" for routine in known], score=0.33)
        called = None if near is None else name + near[0]
    else:
        near = nearest(name, routines, score=0.75)
        called = None if near is None else near[0]
    refusal.hint = None if called is None else f"Perhaps you meant to call the function {schema}.{called}"
    return refusal
