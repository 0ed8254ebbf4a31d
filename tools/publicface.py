"""Ask basedpyright how completely the names that `backstay` exports are typed; exit code 1 names what is not.

``--verifytypes`` takes every module for public.  Ours is the front door, ``backstay.__all__``, so only the symbols
that belong to one of its names count.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import backstay


def main() -> int:
    """0 when every exported name is completely typed."""
    command = ["basedpyright", "--verifytypes", "backstay", "--ignoreexternal", "--outputjson"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 -- nothing of it is input
    symbols: list[dict[str, Any]] = json.loads(done.stdout)["typeCompleteness"]["symbols"]
    if not symbols:
        print(done.stdout, done.stderr, file=sys.stderr)
        return 1
    exported = [getattr(backstay, name) for name in getattr(backstay, "__all__", ())]
    homes = tuple(f"{each.__module__}.{each.__qualname__}" for each in exported)
    ours = [each for each in symbols if each["name"] in homes or each["name"].startswith(tuple(f"{h}." for h in homes))]
    wanting = [each for each in ours if not each["isTypeKnown"] or each["isTypeAmbiguous"]]
    for each in wanting:
        reasons = {line["message"].splitlines()[0] for line in each["diagnostics"]}
        print(f"{each['name']}: {'; '.join(sorted(reasons)) or 'its type is not known'}")
    print(f"{len(ours) - len(wanting)} of {len(ours)} symbols behind {len(homes)} exported names are completely typed")
    return 1 if wanting or (homes and not ours) else 0


if __name__ == "__main__":
    raise SystemExit(main())
