"""Calls of functions by schema and name.

``sa.func.schema.name`` leaves a schema like ``Maps`` without its quotes, whatever it is told, and so means ``maps``.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles


class Qualified(sa.Function[Any]):
    """The call of *name* in *schema*, both quoted; make one by `call`."""

    inherit_cache = True


def call(schema: str, name: str, *arguments: sa.ColumnElement[Any]) -> Qualified:
    """``"schema"."name"(arguments)``.

    >>> print(call("Maps", "st_x", sa.column("place")))
    "Maps"."st_x"(place)
    """
    return Qualified(name, *arguments, packagenames=(schema,))


@compiles(Qualified)
def _written(element: Qualified, compiler: Any, add_to_result_map: Any = None, **options: Any) -> str:
    if add_to_result_map is not None:
        add_to_result_map(element.name, element.name, (element.name,), element.type)
    names = (*element.packagenames, element.name)
    arguments: str = compiler.function_argspec(element, **options)
    return ".".join(compiler.preparer.quote_identifier(name) for name in names) + arguments
