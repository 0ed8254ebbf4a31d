"""Check the changelog fragments, or fold them into ``CHANGELOG.md`` for a release.

``python tools/changelog.py`` checks; ``python tools/changelog.py 0.2.0 2027-01-15`` folds.

A fragment is ``changelog.d/<issue>.<kind>.md``, or ``<issue>.<kind>.<n>.md`` where one issue has several of a kind.
It holds one sentence in the past tense that names things by their full dotted names.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

KINDS = ("added", "changed", "fixed", "removed", "security")
NAME = re.compile(rf"(\d+)\.({'|'.join(KINDS)})(\.\d+)?\.md")
#: A full stop that ends a sentence: at the end, or before a space and a capital.
SENTENCE_END = re.compile(r"\.(?=$|\s+[A-Z`])")
MAX_CHARACTERS = 400
ROOT = Path(__file__).resolve().parent.parent


def faults(name: str, text: str) -> list[str]:
    """What is wrong with one fragment, as sentences; empty when nothing is.

    >>> faults("2.added.md", "Added `backstay.settings.Settings`.\\n")
    []
    >>> faults("two.added.md", "Adds a thing")
    ['its name is not <issue>.<added|changed|fixed|removed|security>.md', 'it does not end with a full stop']
    """
    sentence = " ".join(text.split())
    found = []
    if not NAME.fullmatch(name):
        found.append(f"its name is not <issue>.<{'|'.join(KINDS)}>.md")
    if not sentence.endswith("."):
        found.append("it does not end with a full stop")
    if len(SENTENCE_END.findall(sentence)) > 1:
        found.append("it is more than one sentence")
    if len(sentence) > MAX_CHARACTERS:
        found.append(f"it is longer than {MAX_CHARACTERS} characters")
    return found


def fragments(folder: Path) -> list[Path]:
    """Every fragment in *folder*, ordered by issue, kind and number."""
    paths = [path for path in folder.iterdir() if path.name not in {"README.md", ".gitkeep"}]
    return sorted(paths, key=lambda path: (int(path.name.split(".")[0]) if path.name[:1].isdigit() else 0, path.name))


def fold(changelog: str, version: str, date: str, entries: list[tuple[str, str]]) -> str:
    """*changelog* with a section for *version*, made of (kind, sentence) pairs, above the last release."""
    lines = [f"## {version} ({date})", ""]
    for kind in KINDS:
        sentences = [sentence for each, sentence in entries if each == kind]
        if sentences:
            lines += [f"### {kind.capitalize()}", "", *(f"- {sentence}" for sentence in sentences), ""]
    head, mark, tail = changelog.partition("\n## ")
    return head.rstrip() + "\n\n" + "\n".join(lines).rstrip() + "\n" + ("\n## " + tail if mark else "")


def main(arguments: list[str]) -> int:
    """Exit code 0, or 1 when a fragment is not as it should be."""
    folder = ROOT / "changelog.d"
    paths = fragments(folder)
    wrong = [f"changelog.d/{path.name}: {fault}" for path in paths for fault in faults(path.name, path.read_text())]
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 1
    if arguments:
        version, date = arguments
        entries = [(path.name.split(".")[1], " ".join(path.read_text().split())) for path in paths]
        target = ROOT / "CHANGELOG.md"
        target.write_text(fold(target.read_text(), version, date, entries))
        for path in paths:
            path.unlink()
    print(f"{len(paths)} changelog fragments")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
