"""A fault of the database that a policy may have made: refused, and nothing of it is told to the client (AC13).

``10 / post.stars``, a cast, a function of one's own: each may fail on a row that nobody may see, and then the
database's words would tell of it, and of the rule.  Which of a statement's parts failed the database does not say.  So
where a rule that may fail is for the caller, every such fault is taken for the rule's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from backstay.errors import BackstayError, DatabaseError
from backstay.policy import Principal, Rule

#: What computing a value ends in: data exceptions, but for a text that is too long to be written; a subquery of several
#: rows; a unit that a kind of moment does not have, which PostgreSQL finds at the first row.
_FAULTS: Final = re.compile(r"22(?!001)...|21000|0A000")
#: What is the connection's, the clock's or a constraint's, whoever ran.
_NOT_OF_VALUES: Final = ("08", "23", "25", "40", "53", "55", "57", "58")
_NAMED: Final = re.compile(r'function "?(?:\w+\.)?(\w+)')


def is_unjudged(fault: BackstayError, rules: Iterable[Rule], principal: Principal) -> bool:
    """Whether one of *rules* may have made *fault*, in a request of *principal*."""
    if not isinstance(fault, DatabaseError) or principal.is_service:
        return False
    able = [rule for rule in rules if rule.may_fail and rule.applies_to(*principal.kind)]
    if not able or fault.code.startswith(_NOT_OF_VALUES):
        return False
    if _FAULTS.fullmatch(fault.code):
        return True
    # What a function raises has a code of its own; PostgreSQL tells in which function it was.
    running = _NAMED.findall(str(getattr(fault.__cause__, "context", None) or ""))
    return not frozenset(running).isdisjoint(name for rule in able for name in rule.calls)
