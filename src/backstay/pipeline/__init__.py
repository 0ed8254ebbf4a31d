"""One data request, from its parts to its reply."""

from backstay.pipeline.data import Data
from backstay.pipeline.describe import Described
from backstay.pipeline.plane import Plane
from backstay.pipeline.profiles import Profiles
from backstay.pipeline.request import DataPlane, DataRequest
from backstay.pipeline.surface import Surface
from backstay.pipeline.terse import Terse

__all__ = ["Data", "DataPlane", "DataRequest", "Described", "Plane", "Profiles", "Surface", "Terse"]
