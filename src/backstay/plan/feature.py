"""Which value of a row is the geometry of its feature (``application/geo+json``)."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from backstay.catalog.geometry import SpatialKind, spatial_of
from backstay.errors import PlanError
from backstay.plan.intent import ColumnOutput, Node


def feature_geometry(node: Node, kinds: Collection[SpatialKind]) -> ColumnOutput:
    """The first geometry that *node* shows, of the *kinds* that its database has; others are properties.

    What a cast, a path or an aggregate makes of one is no geometry any more.  A hidden column is not shown, and so is
    not there.

    Raises:
        PlanError: 22023, when there is none.
    """
    # Of two outputs that share a key the last one counts, as in ``sql/select.py``.
    for output in dict(_columns(node)).values():
        if output.operand is None or output.operand.path or output.cast or output.aggregate:
            continue
        spatial = spatial_of(output.operand.column.type)
        if spatial is not None and spatial.kind in kinds:
            return output
    raise no_geometry()


def _columns(node: Node) -> Iterator[tuple[str, ColumnOutput]]:
    for output in node.outputs:
        if isinstance(output, ColumnOutput):
            yield output.key, output
        elif output.embed.spread and output.embed.relation.to_one:
            yield from _columns(output.embed.node)


def no_geometry() -> PlanError:
    """22023, in PostGIS's words: there is nothing that a feature could be made of."""
    return PlanError("22023", "geometry column is missing", hint="Select a column that holds a geometry.")
