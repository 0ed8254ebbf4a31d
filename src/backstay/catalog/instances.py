"""Encrypted attributes of instances: sealed when a session writes them, opened when it loads them.

The app's sessions are past the policies, not past the encryption.  The keyring stands in ``MetaData.info``, where the
app puts it when it starts; without one nothing is written, and nothing read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Mapper, attributes

from backstay.catalog.encrypted import Encrypted, Sealed, json_text, place_of, python_value
from backstay.catalog.family import Family, family_of
from backstay.catalog.sealing import key_text
from backstay.crypt import Keyring, Unsealable
from backstay.errors import ConfigError

#: The key in ``MetaData.info``.
KEYRING: Final = "backstay.keyring"
#: Likewise, a `Notice`.
NOTICE: Final = "backstay.notice"


class _Attribute:
    """One encrypted attribute of a mapped class; *keys* are the attributes of its row's primary key."""

    def __init__(self, mapper: Mapper[Any], name: str, column: sa.Column[Any], type_: Encrypted) -> None:
        table = column.table
        self.name = name
        self.family: Family = family_of(type_.type_)
        self.place = place_of(column, type_)
        self.default: Any = column.default
        self.keys = [(mapper.get_property_by_column(c).key, c) for c in table.primary_key.columns]
        index = table.c.get(f"{column.name}_blind") if type_.blind_index else None
        self.blind = None if index is None else mapper.get_property_by_column(index).key

    def key(self, target: Any) -> tuple[str, ...]:
        return tuple(key_text(getattr(target, name)) for name, _ in self.keys)


_KNOWN: Final[WeakKeyDictionary[Mapper[Any], tuple[_Attribute, ...]]] = WeakKeyDictionary()


def watch(mapper: Mapper[Any]) -> None:
    """Seal and open the encrypted attributes of *mapper*'s instances from now on."""
    listeners: dict[str, Callable[..., None]] = {
        "before_insert": _before_insert,
        "before_update": _before_update,
        "after_insert": _after,
        "after_update": _after,
        "load": _loaded,
        "refresh": _refreshed,
    }
    for name, listener in listeners.items():
        if not event.contains(mapper.class_, name, listener):
            event.listen(mapper.class_, name, listener, propagate=True)


def _attributes(mapper: Mapper[Any]) -> tuple[_Attribute, ...]:
    found = _KNOWN.get(mapper)
    if found is None:
        found = _KNOWN[mapper] = tuple(
            _Attribute(mapper, attribute.key, column, column.type)
            for attribute in mapper.column_attrs
            if isinstance(column := attribute.columns[0], sa.Column) and isinstance(column.type, Encrypted)
        )
    return found


def _keyring(mapper: Mapper[Any]) -> Keyring:
    table: Any = mapper.local_table
    found = table.metadata.info.get(KEYRING)
    if not isinstance(found, Keyring):
        raise ConfigError(
            "BST-E502",
            f"{mapper.class_.__name__} has encrypted attributes, and there are no keys",
            hint="Use the session of a started app, with BACKSTAY_ENCRYPTION_KEYS set.",
        )
    return found


def _before_insert(mapper: Mapper[Any], connection: Any, target: Any) -> None:
    for attribute in _attributes(mapper):
        for name, column in attribute.keys:
            if getattr(target, name) is None and column.default is not None:
                setattr(target, name, _value_of(column.default))
        if target.__dict__.get(attribute.name) is None and attribute.default is not None:
            # SQLAlchemy would make it while it writes, too late to be sealed.
            setattr(target, attribute.name, _value_of(attribute.default))
        _seal(mapper, attribute, target)


def _value_of(default: Any) -> Any:
    return default.arg(None) if default.is_callable else default.arg


def _before_update(mapper: Mapper[Any], connection: Any, target: Any) -> None:
    found = _attributes(mapper)
    if any(attributes.get_history(target, name).has_changes() for a in found for name, _ in a.keys):
        raise ValueError(f"the key of a {mapper.class_.__name__} cannot change: its encrypted values are bound to it")
    for attribute in found:
        if attributes.get_history(target, attribute.name).has_changes():
            _seal(mapper, attribute, target)


def _seal(mapper: Mapper[Any], attribute: _Attribute, target: Any) -> None:
    value = target.__dict__.get(attribute.name)
    if isinstance(value, Sealed):
        # Left by a flush that failed.
        value = value.plain
    text = None if value is None else json_text(value, attribute.family)
    if text is not None:
        keyring = _keyring(mapper)
        sealed = attribute.place.seal(keyring, text, attribute.key(target))
        # Past the history: the attribute still means the same, and `_after` puts it back.
        target.__dict__[attribute.name] = Sealed(sealed, value)
    if attribute.blind is not None:
        blind = None if text is None else attribute.place.blinded(_keyring(mapper), text)[0]
        setattr(target, attribute.blind, blind)


def _after(mapper: Mapper[Any], connection: Any, target: Any) -> None:
    for attribute in _attributes(mapper):
        value = target.__dict__.get(attribute.name)
        if isinstance(value, Sealed) and value.plain is not None:
            target.__dict__[attribute.name] = value.plain


def _loaded(target: Any, context: Any, names: Collection[str] | None = None) -> None:
    """Open what was loaded; *names* are the attributes, ``None`` for all.

    Raises:
        Unreadable: it names table, column and row, and not the value.
    """
    mapper: Mapper[Any] = sa.inspect(type(target))
    for attribute in _attributes(mapper):
        value = target.__dict__.get(attribute.name)
        if not isinstance(value, Sealed):
            continue
        keyring, key = _keyring(mapper), attribute.key(target)
        try:
            text = attribute.place.open(keyring, value.stored, key)
            index = target.__dict__.get(attribute.blind) if attribute.blind is not None else None
            # An index that was loaded before belongs to the value of then.
            if index is not None and (names is None or attribute.blind in names):
                attribute.place.check_index(keyring, text, index, key)
        except Unsealable as fault:
            table: Any = mapper.local_table
            notice = table.metadata.info.get(NOTICE)
            if notice is not None:
                notice((fault,))
            raise
        target.__dict__[attribute.name] = python_value(text, attribute.family)


def _refreshed(target: Any, context: Any, names: Collection[str] | None) -> None:
    _loaded(target, context, names)
