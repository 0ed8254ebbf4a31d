"""Work on rows that are there already: encrypted with a newer key, or cleaned by another list."""

from backstay.upkeep.reclean import Recleaning, reclean
from backstay.upkeep.rotate import Rotation, rotate

__all__ = ["Recleaning", "Rotation", "reclean", "rotate"]
