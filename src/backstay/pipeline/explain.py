"""``Accept: application/vnd.pgrst.plan``: how the database answers, instead of the answer.

1. For the service role only, and only where a setting allows it: a plan tells how many rows there are, hidden ones
   too (AC12).  For everyone else there is no such media type.
2. The statement is the one that would have answered.  ``analyze`` runs it, and what it did is rolled back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from backstay.db.statement import Database
from backstay.pipeline.zone import rows_of
from backstay.request.media import Media, media_type
from backstay.response.reply import Reply
from backstay.sql.dialect import SqlDialect
from backstay.sql.statement import Rows, Statement, Steps


async def explained(
    database: Database,
    dialect: SqlDialect,
    media: Media,
    statement: Statement,
    profile: str | None,
    *,
    reads: bool = False,
    around: Callable[[Statement], Steps[Rows]] = rows_of,
) -> Reply:
    """The plan of *statement*; *around* runs what asks for it, behind what must hold while it is analysed.

    One that *reads* is asked for beside the writers, and not in their line.

    Raises:
        DatabaseError: 22023 (options that do not go together), 25006, and what the statement raises when it is run.
    """
    explain = dialect.explain
    media = replace(media, plan_options=media.plan_options & explain.options)
    asked = explain.ask(statement, media.plan_format, tuple(media.plan_options))

    def steps() -> Steps[Rows]:
        return around(asked)

    rows = await (database.snapshot(steps) if reads else database.transact(steps, rollback=True, foreign=True))
    headers = [(b"content-type", media_type(media).encode())]
    if profile is not None:
        headers.append((b"content-profile", profile.encode()))
    return Reply(200, tuple(headers), explain.read(rows, media.plan_format).encode())
