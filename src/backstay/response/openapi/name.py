"""Names inside the document.

1. A component's name is made of ``A-Z a-z 0-9 . _ -`` (OpenAPI 3.1, "Components Object"), whatever a table is called.
2. Two tables never share one: every character outside ``A-Z a-z 0-9 _`` is written ``-hex.``.
3. A name depends on nothing but the thing it names, so that it is the same for everybody and in every release.
4. A plain ``.`` only stands before a suffix of ours (``posts.insert``) or behind a prefix of ours (``rest.error``).
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeAlias

_OUTSIDE: Final = re.compile(r"[^A-Za-z0-9_]")

#: JSON, or what becomes JSON.
Json: TypeAlias = dict[str, Any]


def component(name: str) -> str:
    """*name* as the name of a component.

    >>> component("posts"), component("unit price"), component("a.b-c")
    ('posts', 'unit-20.price', 'a-2e.b-2d.c')
    """
    return _OUTSIDE.sub(lambda found: f"-{ord(found[0]):x}.", name)


def reference(kind: str, name: str) -> Json:
    """A reference to the component *name*, which is one already.

    >>> reference("schemas", "posts")
    {'$ref': '#/components/schemas/posts'}
    """
    return {"$ref": f"#/components/{kind}/{name}"}
