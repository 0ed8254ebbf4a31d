"""Types that change a text on its way into the database, whoever writes it."""

from __future__ import annotations


class OnWrite:
    """Marks a text type whose values are changed when they are written.

    The data plane calls `written` where it fills a row; ``process_bind_param`` does for sessions.
    """

    def written(self, text: str) -> str:
        """*text* as it is stored.  Pure, and the same when done twice."""
        raise NotImplementedError
