"""What code of the database's own may leave behind on a connection, and how it is taken away.

1. Statements of ours leave nothing behind, so that a connection which ran nothing else needs no reset: that round trip
   would nearly double the price of a one-row read (SQ5).
2. Functions, triggers, views and policies may leave anything: settings, a role, locks, temporary tables, listeners,
   cursors, prepared statements.  Whether the database has such code is asked of its catalogs (`LOOK`).  It errs to one
   side: what is not understood counts as leaving something.
3. A listed function and a session are always cleaned up after; nobody looks what they did.
4. It is done after the answer, before the connection serves again; one that cannot be cleaned is thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Everything that ``DISCARD ALL`` takes away, but for our prepared statements.  Settings go back to what the connection
#: was made with, and a role is none of the settings that RESET ALL knows.
CLEAN: Final = """
SELECT pg_catalog.pg_advisory_unlock_all();
CLOSE ALL;
UNLISTEN *;
RESET SESSION AUTHORIZATION;
RESET ROLE;
RESET ALL;
DISCARD TEMP;
DISCARD SEQUENCES;
DO $$
DECLARE found text;
BEGIN
  FOR found IN SELECT name FROM pg_catalog.pg_prepared_statements WHERE from_sql LOOP
    EXECUTE pg_catalog.format('DEALLOCATE %I', found);
  END LOOP;
END $$
"""

#: Words of a body that may leave something, and those that may write.
_LEAVES: Final = (
    r"set_config|\mset\M|\mreset\M|\mdiscard\M|advisory|\mlisten\M|\mprepare\M|\mhold\M|\mtemp(orary)?\M|\mexecute\M"
    r"|dblink|lastval|currval|nextval|setval"
)
_WRITES: Final = (
    r"\m(insert|update|delete|merge|truncate|create|drop|alter|copy|grant|revoke|notify|call|perform)\M|pg_notify|\mlo_"
)

#: One row: whether any function may leave something; whether reading alone may run code that does, or that writes.
#: Functions of extensions are trusted.  A body in standard SQL (``BEGIN ATOMIC``) has no text, and counts as anything.
LOOK: Final = f"""
WITH own AS MATERIALIZED (
  SELECT p.oid, l.lanname NOT IN ('sql', 'plpgsql') OR p.prosrc = '' AS unknown, p.prosrc AS body
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
  WHERE p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
    AND p.prokind IN ('f', 'p') AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend d
      WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
),
views AS MATERIALIZED (
  SELECT pg_catalog.pg_get_viewdef(c.oid) AS body FROM pg_catalog.pg_class c
  WHERE c.relkind = 'v' AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
)
SELECT
  EXISTS (SELECT FROM own WHERE unknown OR body ~* '{_LEAVES}')
    OR EXISTS (SELECT FROM views WHERE body ~* '{_LEAVES}'),
  EXISTS (SELECT FROM own WHERE unknown OR body ~* '{_LEAVES}|{_WRITES}') AND EXISTS (
    SELECT FROM pg_catalog.pg_depend d JOIN own ON own.oid = d.refobjid
    WHERE d.refclassid = 'pg_proc'::regclass
      AND d.classid IN ('pg_rewrite'::regclass, 'pg_policy'::regclass, 'pg_operator'::regclass, 'pg_cast'::regclass))
    OR EXISTS (SELECT FROM views WHERE body ~* '{_LEAVES}|pg_notify|\\mlo_')
"""  # noqa: S608 - constants of this file


@dataclass(frozen=True, slots=True)
class Code:
    """What the database has of its own: code that may *leave* something, and such that *reads* run."""

    leaves: bool = True
    reads: bool = True
