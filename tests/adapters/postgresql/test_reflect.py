"""The columns behind a view's columns, as PostgreSQL notes them."""

from __future__ import annotations

from backstay.adapters.postgresql.reflect import target_list

TREE = (
    '({QUERY :commandType 1 :rtable ({RTE :eref {ALIAS :aliasname t :colnames ("a")} :subquery {QUERY :targetList '
    "({TARGETENTRY :expr {VAR :varno 1} :resno 1 :resname x :resorigtbl 11 :resorigcol 9 :resjunk false})}}) "
    ":targetList ({TARGETENTRY :expr {VAR :varno 1} :resno 1 :resname a\\ \\{b :ressortgroupref 0 :resorigtbl 7 "
    ":resorigcol 3 :resjunk false} {TARGETENTRY :expr {CONST} :resno 2 :resname c :resorigtbl 0 :resorigcol 0 "
    ":resjunk false}) :returningList <>})"
)


def test_target_list() -> None:
    """Only the outermost query's own columns count; computed ones and odd names do not disturb."""
    assert {1: ("7", 3)} == target_list(TREE)
