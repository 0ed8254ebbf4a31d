"""Which writes need no transaction of their own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backstay.pipeline.script import Bulk, Demands, Script, is_one_statement
from backstay.sql.prepared import Prepared

STATEMENT = Prepared("INSERT …", (), (), ())
JUDGED = Script(
    table="posts",
    key_names=("id",),
    write=STATEMENT,
    probe=None,
    check=None,
    parents=None,
    referred=(),
    read=None,
    pack_keys=lambda rows, width: (),
    judged_first=True,
)
ONE = Bulk(JUDGED, (), expected=1)


@pytest.mark.parametrize(
    ("batches", "demands", "alone"),
    [
        ([ONE], Demands(), True),
        ([ONE, ONE], Demands(), False),
        ([replace(ONE, script=replace(JUDGED, read=STATEMENT, alone=STATEMENT))], Demands(), True),
        ([replace(ONE, expected=2)], Demands(), False),
        ([replace(ONE, expected=None)], Demands(), False),
        ([ONE], Demands(single=True), False),
        ([ONE], Demands(max_affected=1), False),
        ([replace(ONE, script=replace(JUDGED, judged_first=False))], Demands(), False),
        ([replace(ONE, script=replace(JUDGED, probe=STATEMENT))], Demands(), False),
        ([replace(ONE, script=replace(JUDGED, check=STATEMENT))], Demands(), False),
        ([replace(ONE, script=replace(JUDGED, parents=STATEMENT))], Demands(), False),
        ([replace(ONE, script=replace(JUDGED, read=STATEMENT))], Demands(), False),
    ],
)
def test_only_what_nothing_can_refuse_afterwards_is_one_statement(
    batches: list[Bulk], demands: Demands, alone: bool
) -> None:
    """One row, judged by its own statement, with nothing to check, count or render after it."""
    assert alone == is_one_statement(batches, demands)
