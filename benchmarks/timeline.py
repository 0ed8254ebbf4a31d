"""How fast is chirp's timeline, and how fast is a post written?

The 20 newest posts that the caller may read, each with its author, for a verified token, under the policies of
``examples/chirp/app.py``; and one policy-checked insert, durable before it is answered.  Three contenders on the same
server, drivers and rows: Backstay, a hand-written floor (``peers/floor.py``), FastAPI with SQLAlchemy
(``peers/fastapi_app.py``).  Their answers are compared before anything is timed.

    python -m benchmarks.timeline [--database sqlite|postgresql://user@host:port/db] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from joserfc import jwt
from joserfc.jwk import OctKey

from benchmarks.data import Data, postgresql_data, sqlite_data
from benchmarks.machine import describe
from benchmarks.servers import Contender, measure, serving

NAMES: Final = ("backstay", "floor", "fastapi")
SECRET: Final = "a secret that only signs benchmark tokens"
#: The same question in Backstay's grammar; the peers know it by heart.
TIMELINE: Final = (
    "/rest/v1/posts?select=id,body,created_at,author:author_id(handle,name)&order=created_at.desc,id.desc&limit=20"
)


def _request(method: str, path: str, token: str, body: Any = None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {token}", "Accept: */*"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


def contenders(data: Data, me: str) -> list[Contender]:
    """The three, each with its read and its write."""
    claims = {"sub": me, "role": "authenticated", "aud": "authenticated", "exp": int(time.time()) + 3600}
    token = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET))
    post = {"author_id": me, "body": "Written by the benchmark, to be counted and forgotten."}
    driver = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
    scheme, _, rest = data.urls["fastapi"].partition(":")
    read, write = _request("GET", "/timeline", token), _request("POST", "/posts", token, post)
    return [
        Contender(
            "backstay",
            "examples.chirp.app:app",
            {"BACKSTAY_DATABASE": data.urls["backstay"], "BACKSTAY_JWT_SECRET": SECRET},
            _request("GET", TIMELINE, token),
            _request("POST", "/rest/v1/posts", token, post),
        ),
        Contender(
            "floor",
            "benchmarks.peers.floor:app",
            {"BENCH_DATABASE": data.urls["floor"], "BENCH_SECRET": SECRET},
            read,
            write,
        ),
        Contender(
            "fastapi",
            "benchmarks.peers.fastapi_app:app",
            {"BENCH_DATABASE": f"{driver[scheme]}:{rest}", "BENCH_SECRET": SECRET},
            read,
            write,
        ),
    ]


def _answer(contender: Contender, port: int) -> Any:
    head, *lines = contender.read.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines if line)
    ask = urllib.request.Request(f"http://127.0.0.1:{port}{head.split()[1]}", headers=headers)
    with urllib.request.urlopen(ask, timeout=10) as reply:
        rows = json.load(reply)
    # "Z" and "+00:00" are one moment; everything else must be the same JSON.
    return [{**row, "created_at": datetime.fromisoformat(row["created_at"]).astimezone(UTC)} for row in rows]


def check_equal(field: list[Contender], ports: Mapping[str, int]) -> None:
    """Refuse to time answers that differ."""
    answers = {contender.name: _answer(contender, ports[contender.name]) for contender in field}
    if len(answers["floor"]) != 20:
        raise SystemExit(f"the timeline has {len(answers['floor'])} posts, not 20")
    for name, answer in answers.items():
        if answer != answers["floor"]:
            raise SystemExit(f"{name} answers differently:\n{answer[:2]}\nfloor:\n{answers['floor'][:2]}")


def _rounds(
    kind: str, field: list[Contender], ports: Mapping[str, int], folder: Path, ask: argparse.Namespace
) -> dict[str, Any]:
    """Interleaved rounds, in rotating order, so that a noisy minute hits everyone."""
    outcomes: dict[str, list[dict[str, Any]]] = {contender.name: [] for contender in field}
    for number in range(ask.rounds):
        for contender in field[number % len(field) :] + field[: number % len(field)]:
            path = folder / f"{contender.name}.{kind}.http"
            path.write_bytes(contender.read if kind == "read" else contender.write)
            outcome = measure(ports[contender.name], path, seconds=ask.seconds, connections=ask.connections)
            unexpected = {status: n for status, n in outcome["statuses"].items() if status not in ("200", "201")}
            if unexpected or not outcome["requests"]:
                raise SystemExit(f"{contender.name} failed at {kind}: answers by status {outcome['statuses']}")
            outcomes[contender.name].append(outcome)
    return {
        name: {
            "per_second": statistics.median(o["requests"] / o["seconds"] for o in rounds),
            "p50_ms": statistics.median(o["p50_ms"] for o in rounds),
            "p99_ms": statistics.median(o["p99_ms"] for o in rounds),
            "rounds": rounds,
        }
        for name, rounds in outcomes.items()
    }


def _table(title: str, results: Mapping[str, Any]) -> str:
    lines = [f"{title:<24}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}"]
    for name, result in results.items():
        lines.append(f"  {name:<22}{result['per_second']:>12,.0f}{result['p50_ms']:>10.2f}{result['p99_ms']:>10.2f}")
    if "backstay" in results:
        ours = results["backstay"]["per_second"]
        others = [f"{ours / results[name]['per_second']:.2f} × {name}" for name in results if name != "backstay"]
        lines.append(f"  backstay = {', '.join(others)}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", default="sqlite", help="sqlite, or the URL of a PostgreSQL server's database")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=1.2, help="per contender and round")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--json", type=Path, help="also write everything here")
    ask = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chirp-bench-")))
        if ask.database == "sqlite":
            data = stack.enter_context(sqlite_data(folder, NAMES))
        else:
            data = stack.enter_context(postgresql_data(ask.database, NAMES))
        # Imported late: importing the app before its database is chosen is what `data` avoids.
        from examples.chirp.seed import named

        field = [c for c in contenders(data, str(named("profile", 7))) if c.name in ask.only]
        ports = {c.name: stack.enter_context(serving(c, folder / f"{c.name}.log")) for c in field}
        machine = describe(data.server)
        print(f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}")
        print(f"{machine['database']}; " + ", ".join(f"{k} {v}" for k, v in machine["packages"].items()))
        print(f"commit {machine['commit']}; server on one core, load from another, {ask.connections} connections")
        print(f"load average of the machine before the start: {machine['load_average']}\n")
        if "floor" in ask.only:
            check_equal(field, ports)
        results = {}
        for kind, title in (("read", "timeline, 20 posts"), ("write", "one post written")):
            results[kind] = _rounds(kind, field, ports, folder, ask)
            print(_table(title, results[kind]), flush=True)
        if ask.json:
            # Where the report goes and which server was asked are this machine's affair.
            asked = {key: str(value) for key, value in vars(ask).items() if key not in ("json", "database")}
            report = {"measured_at": datetime.now(UTC).isoformat(), "machine": machine, "asked": asked}
            ask.json.write_text(json.dumps({**report, "results": results}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
