"""Work on rows that are there already: encrypted with a newer key, or cleaned by another list."""

from backstay.upkeep.reclean import reclean
from backstay.upkeep.rotate import Rotation, rotate

__all__ = ["Rotation", "reclean", "rotate"]
