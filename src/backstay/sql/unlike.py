"""A part of a rule that databases answer differently."""

from __future__ import annotations

from typing import Any

from backstay.catalog.shown import shown


class Unlike(Exception):
    """Databases say different things: what is *wrong*, *of* which element, and the *hint* what to write instead."""

    def __init__(self, wrong: str, hint: str, of: Any = None) -> None:
        super().__init__(wrong)
        self.hint = hint
        self._wrong = wrong
        self._of = of

    @property
    def seen(self) -> str:
        """What was seen.  Who renders asks nobody: the text of an element takes longer than all that is judged."""
        return self._wrong if self._of is None else ": ".join(filter(None, (self._wrong, shown(self._of))))
