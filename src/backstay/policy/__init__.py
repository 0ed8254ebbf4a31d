"""Who may."""

from backstay.policy.compiled import compile_rules
from backstay.policy.decide import Grant, Kind, Part, decide
from backstay.policy.finding import findings_of
from backstay.policy.me import Caller, Fact, Me, MeParameter, fact_of
from backstay.policy.principal import ANON, ANONYMOUS, AUTHENTICATED, SERVICE, Principal
from backstay.policy.rule import Action, Policy, Rule, allow, open_rules

__all__ = [
    "ANON",
    "ANONYMOUS",
    "AUTHENTICATED",
    "SERVICE",
    "Action",
    "Caller",
    "Fact",
    "Grant",
    "Kind",
    "Me",
    "MeParameter",
    "Part",
    "Policy",
    "Principal",
    "Rule",
    "allow",
    "compile_rules",
    "decide",
    "fact_of",
    "findings_of",
    "open_rules",
]
