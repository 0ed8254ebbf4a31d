"""Backstay: the whole backend, from your models.

Typed SQLAlchemy models and access policies in; a REST data API, one policy engine behind it, and a path from embedded
SQLite to PostgreSQL out.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backstay.app import Backstay
    from backstay.catalog import Function, Searchable, function
    from backstay.catalog.encrypted import Encrypted
    from backstay.catalog.geometry import Geometry
    from backstay.catalog.html import Html
    from backstay.catalog.mixin import SoftDeleted, Timestamped, Versioned
    from backstay.catalog.model import Model
    from backstay.errors import BackstayError, ConfigError, Forbidden
    from backstay.policy import Caller, Me, Policy, Principal, allow
    from backstay.settings import Settings

__all__ = [
    "Backstay",
    "BackstayError",
    "Caller",
    "ConfigError",
    "Encrypted",
    "Forbidden",
    "Function",
    "Geometry",
    "Html",
    "Me",
    "Model",
    "Policy",
    "Principal",
    "Searchable",
    "Settings",
    "SoftDeleted",
    "Timestamped",
    "Versioned",
    "allow",
    "function",
]

# Names are imported when they are first asked for: `backstay --help` needs none of them, and SQLAlchemy alone would
# cost it 250 ms.
_HOMES = {
    "Backstay": "backstay.app",
    "BackstayError": "backstay.errors",
    "Caller": "backstay.policy",
    "ConfigError": "backstay.errors",
    "Encrypted": "backstay.catalog.encrypted",
    "Forbidden": "backstay.errors",
    "Function": "backstay.catalog",
    "Geometry": "backstay.catalog.geometry",
    "Html": "backstay.catalog.html",
    "Me": "backstay.policy",
    "Model": "backstay.catalog.model",
    "Policy": "backstay.policy",
    "Principal": "backstay.policy",
    "Searchable": "backstay.catalog",
    "Settings": "backstay.settings",
    "SoftDeleted": "backstay.catalog.mixin",
    "Timestamped": "backstay.catalog.mixin",
    "Versioned": "backstay.catalog.mixin",
    "allow": "backstay.policy",
    "function": "backstay.catalog",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'backstay' has no attribute {name!r}")
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
