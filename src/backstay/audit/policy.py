"""Noticing that the rules have changed since the last start (AU3)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy.engine import Dialect
from sqlalchemy.sql import visitors

from backstay.audit.chain import AuditKeys
from backstay.audit.event import SYSTEM, Event
from backstay.audit.read import newest_of
from backstay.audit.record import hold, record
from backstay.db.store import Store, Transaction
from backstay.policy import MeParameter, Rule


def fingerprint(rules: Iterable[Rule], dialect: Dialect) -> str:
    """32 hexadecimal digits that change when any rule does: who, what, which rows as SQL, which columns.

    Renaming a policy or rewording its docstring changes nothing about what it allows, and so not this.
    """
    texts = sorted(json.dumps(_parts(rule, dialect)) for rule in rules)
    return sha256("\n".join(texts).encode()).hexdigest()[:32]


def _parts(rule: Rule, dialect: Dialect) -> list[Any]:
    compiled = rule.rows.compile(dialect=dialect)
    # Constants of the expression are bound values: ``Post.state == "public"`` must differ from ``== "draft"``.
    values = {name: repr(value) for name, value in compiled.params.items()}
    # And one fact about the caller from another, ``me.claim("org")`` from ``me.claim("team")``.
    facts = [element.me_source for element in visitors.iterate(rule.rows) if isinstance(element, MeParameter)]
    return [
        rule.action,
        rule.table,
        str(compiled),
        values,
        facts,
        sorted(rule.columns),
        None if rule.to is None else sorted(rule.to),
    ]


async def note_policy(store: Store, keys: AuditKeys, rules: Iterable[Rule], now: datetime) -> bool:
    """Record ``policy_changed`` when the rules are not those of the last start, and say whether they were not.

    The first start records the rules it begins with.  Workers that start together record one event.
    """
    listed = tuple(rules)
    print_ = fingerprint(listed, store.dialect)
    if await _last(store) == print_:
        return False

    async def flow(transaction: Transaction) -> bool:
        # Before the look: a worker that starts at the same time is seen, and not repeated.
        await hold(transaction)
        before = await _last(transaction)
        if before == print_:
            return False
        details = {"fingerprint": print_, "before": before, "rules": len(listed)}
        await record(transaction, keys, Event("policy_changed", now, SYSTEM, details=details))
        return True

    return await store.transact(flow)


async def _last(store: Store | Transaction) -> str | None:
    row = await newest_of(store, "policy_changed")
    return None if row is None else row.details.get("fingerprint")
