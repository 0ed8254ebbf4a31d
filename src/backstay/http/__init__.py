"""HTTP: the kernel, its limits and its headers.  The only room that knows status lines."""

from backstay.http.cors import CorsPolicy
from backstay.http.kernel import Kernel
from backstay.http.limits import HttpLimits

__all__ = ["CorsPolicy", "HttpLimits", "Kernel"]
