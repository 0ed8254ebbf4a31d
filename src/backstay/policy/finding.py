"""What an app's policies say that nobody can have meant: a sentence each, told at the start.

A rule for a role that nobody has, or one that was left out of ``policies=``, shuts rows that somebody waits for; one
whose subquery says nothing of the row (`link`) may open more than it should.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from backstay.catalog import Catalog
from backstay.place import place_of
from backstay.policy.link import told_of
from backstay.policy.principal import ANON, AUTHENTICATED, SERVICE
from backstay.policy.rule import Policy, Rule
from backstay.policy.slip import near_word

_USUAL: Final = (ANON, AUTHENTICATED, SERVICE)
_CALLED: Final = {"anonymous": ANON, "service": SERVICE, "logged_in": AUTHENTICATED}


def findings_of(
    policies: Iterable[Policy],
    rules: Iterable[Rule],
    catalogs: Iterable[Catalog],
    roles: Mapping[str, frozenset[str]],
    modules: Iterable[str | None],
) -> tuple[str, ...]:
    """Sentences about *policies* and the *rules* they became.

    Args:
        roles: what else names roles, by how it is told: functions.
        modules: names of the modules that the app is made of, besides those of its policies.
    """
    listed, rules, served = tuple(policies), tuple(rules), tuple(catalogs)
    # What was made by ``exec`` may have no module, and then there is none to look into.
    found = (getattr(policy.function, "__module__", None) for policy in listed)
    own = {module for module in (*found, *modules) if module is not None}
    return (
        *_twice(listed),
        *_misnamed(listed, roles),
        *_left_out(listed, served, own),
        *told_of(rules, served),
        *_without_rules(rules, served),
    )


def _twice(policies: tuple[Policy, ...]) -> Iterator[str]:
    functions = Counter(id(policy.function) for policy in policies)
    names = Counter(policy.name for policy in {id(policy.function): policy for policy in policies}.values())
    told = set[Any]()
    for policy in policies:
        key = id(policy.function)
        if functions[key] > 1 and key not in told:
            told.add(key)
            yield f"{place_of(policy.function)}: the policy {policy.name} is listed {functions[key]} times"
        if names[policy.name] > 1 and policy.name not in told and policy.name != "<lambda>":
            told.add(policy.name)
            yield f"{place_of(policy.function)}: {names[policy.name]} policies are called {policy.name}"


def _misnamed(policies: tuple[Policy, ...], roles: Mapping[str, frozenset[str]]) -> Iterator[str]:
    named = [
        (f"{place_of(policy.function)}: the policy {policy.name}", role)
        for policy in policies
        for role in sorted(frozenset().union(*(each.to or () for each in policy.allowances)))
    ]
    named += [(told, role) for told, each in roles.items() for role in sorted(each)]
    often = Counter(role for _, role in named)
    for told, role in named:
        if role == SERVICE:
            yield f"{told} is for {SERVICE}, which no policy holds back: it says nothing"
            continue
        near = None if role in _USUAL else _CALLED.get(role.lower()) or near_word(role, _USUAL, cutoff=0.8)
        if near is None and often[role] == 1 and role not in _USUAL:
            near = near_word(role, [other for other in often if often[other] > 1 and other != role], cutoff=0.85)
        if near is not None:
            yield f"{told} is for the role {role!r}, which nobody has until it is given: did you mean {near!r}?"


def _left_out(policies: tuple[Policy, ...], catalogs: tuple[Catalog, ...], modules: set[str]) -> Iterator[str]:
    listed = {id(policy.function) for policy in policies}
    for module in sorted(modules):
        for policy in list(vars(sys.modules.get(module, object)).values()):
            if isinstance(policy, Policy) and id(policy.function) not in listed and _is_about(policy, catalogs):
                listed.add(id(policy.function))
                yield f"{place_of(policy.function)}: the policy {policy.name} is not in policies=, and holds nowhere"


def _is_about(policy: Policy, catalogs: tuple[Catalog, ...]) -> bool:
    served = {id(table.sql) for catalog in catalogs for table in catalog.tables.values()}
    return any(id(getattr(each.model, "__table__", each.model)) in served for each in policy.allowances)


def _without_rules(rules: tuple[Rule, ...], catalogs: tuple[Catalog, ...]) -> Iterator[str]:
    ruled = {id(rule.source) for rule in rules}
    shut = sorted(t.name for catalog in catalogs for t in catalog.tables.values() if id(t.sql) not in ruled)
    if shut:
        told = ", ".join(shut[:10]) + (f" and {len(shut) - 10} more" if len(shut) > 10 else "")
        yield f"no policy is about {told}: the service role alone reads and writes there"
