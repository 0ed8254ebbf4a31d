"""P1: what Python decided before the policy ran is refused where the policy uses it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from backstay.catalog.noted import asked_places
from backstay.errors import ConfigError
from tests.policy.written import HEAD, Note, rules_in, rules_of, sql_of

OPEN = "Note.public and Note.stars < 3"

#: Ways to hand a policy something that was built before.
DECIDED = {
    "default": f'@allow("read", Note)\ndef policy(me, cond={OPEN}):\n    return cond\n',
    "keyword": f'@allow("read", Note)\ndef policy(me, *, cond={OPEN}):\n    return cond\n',
    "class": f'class K:\n    OPEN = {OPEN}\n@allow("read", Note)\ndef policy(me):\n    return K.OPEN\n',
    "object": f'class K:\n    OPEN = {OPEN}\nk = K()\n@allow("read", Note)\ndef policy(me):\n    return k.OPEN\n',
    "method": f"class K:\n    OPEN = {OPEN}\n    def rule(self, me):\n        return self.OPEN\n"
    'policy = allow("read", Note)(K().rule)\n',
    "classmethod": f"class K:\n    OPEN = {OPEN}\n    @classmethod\n    def rule(cls, me):\n        return cls.OPEN\n"
    'policy = allow("read", Note)(K.rule)\n',
    "enum": f"import enum\nclass K(enum.Enum):\n    OPEN = {OPEN}\n"
    '@allow("read", Note)\ndef policy(me):\n    return K.OPEN.value\n',
    "unpacked": f'A, B = ({OPEN}), 1\n@allow("read", Note)\ndef policy(me):\n    return A\n',
    "under if": f'if True:\n    A = {OPEN}\n@allow("read", Note)\ndef policy(me):\n    return A\n',
    "try": f'try:\n    A = {OPEN}\nfinally:\n    pass\n@allow("read", Note)\ndef policy(me):\n    return A\n',
    "list": f'A = [{OPEN}]\n@allow("read", Note)\ndef policy(me):\n    return and_(*A)\n',
    "closure": f"def outer():\n    c = {OPEN}\n    def policy(me):\n        return c\n    return policy\n"
    'policy = allow("read", Note)(outer())\n',
    "closure argument": "def outer(c):\n    def policy(me):\n        return c\n    return policy\n"
    f'policy = allow("read", Note)(outer({OPEN}))\n',
    "partial": f'import functools\npolicy = allow("read", Note)(functools.partial(lambda c, me: c, {OPEN}))\n',
    "callable": "class K:\n    def __init__(self, c):\n        self.c = c\n    def __call__(self, me):\n"
    f'        return self.c\npolicy = allow("read", Note)(K({OPEN}))\n',
    "cached": f"import functools\n@functools.cache\ndef helper():\n    return {OPEN}\nhelper()\n"
    '@allow("read", Note)\ndef policy(me):\n    return helper()\n',
    "global": f"A = None\ndef fill():\n    global A\n    A = {OPEN}\nfill()\n"
    '@allow("read", Note)\ndef policy(me):\n    return A\n',
    "helper": "def both(a, b):\n    return a and b\nclass K:\n    A = both(Note.public, Note.stars < 3)\n"
    '@allow("read", Note)\ndef policy(me):\n    return K.A\n',
    "or": 'class K:\n    A = (Note.team == "a") or Note.stars < 3\n'
    '@allow("read", Note)\ndef policy(me):\n    return ~K.A\n',
    "choice": "class K:\n    A = Note.stars < 3 if Note.public else Note.stars > 7\n"
    '@allow("read", Note)\ndef policy(me):\n    return K.A\n',
    "if": "class K:\n    if Note.public:\n        A = Note.stars < 3\n"
    '@allow("read", Note)\ndef policy(me):\n    return K.A\n',
    "attribute": "class K:\n    A = Note.loved and Note.public\n"
    '@allow("read", Note)\ndef policy(me):\n    return K.A\n',
    "part": f'class K:\n    A = {OPEN}\n@allow("read", Note)\ndef policy(me):\n    return K.A & (Note.team == me.role)\n',
    "subquery": f'class K:\n    A = {OPEN}\n@allow("read", Note)\ndef policy(me):\n'
    "    return exists().where(Word.note_id == Note.id, K.A)\n",
    "proxy": 'class K:\n    A = Note.texts and Note.stars < 3\n@allow("read", Note)\ndef policy(me):\n    return K.A\n',
}


@pytest.mark.parametrize("text", DECIDED.values(), ids=DECIDED)
def test_what_was_decided_before_is_refused(tmp_path: Path, text: str) -> None:
    """P1: with the place where Python decided, however the policy came by it."""
    with pytest.raises(ConfigError) as refused:
        rules_in(tmp_path, text)
    assert ("BST-E023", True) == (refused.value.code, f"{tmp_path / 'policies.py'}:" in refused.value.message)
    assert "decided" in refused.value.message


def test_another_module_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: a constant of an imported module, by its name and through the module."""
    (tmp_path / "shared_rules_of_notes.py").write_text(f"{HEAD}OPEN = {OPEN}\nRIGHT = Note.stars < 3\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    for line, used in (
        ("from shared_rules_of_notes import OPEN", "OPEN"),
        ("import shared_rules_of_notes as m", "m.OPEN"),
    ):
        with pytest.raises(ConfigError, match=r"shared_rules_of_notes\.py:8: .*Note\.public and Note\.stars < 3"):
            rules_of(tmp_path, f"return {used}", before=line)
    sys.modules.pop("shared_rules_of_notes")


MEANT = [
    ("class K:\n    A = Word.text and Word.text.is_(None)", 'return Note.words.any(text="a")'),
    ("class K:\n    A = Word.text and Word.text.is_(None)", 'return Note.words.any(Word.text == "a")'),
    ("class K:\n    A = Note.public & (Note.stars < 3)", "return K.A"),
    ("class K:\n    A = Note.stars < 3\nif Note.team:\n    pass", "return K.A"),
    ("class K:\n    A = Note.stars < 3\nassert Note.team or Note.meta", "return K.A & Note.public"),
    ("A = Note.public", "return A"),
    ("if Note.stars:\n    pass", "return (Note.stars < 3) & Note.public"),
    ("A = Note.stars < 3\ndef later(x=Note.public and 1):\n    return Note.stars", "return A"),
    ("x = [c for c in (Note.stars, Note.public) if c]", "return Note.public & Note.loved"),
    ("def both(a, b):\n    return a and b\nboth(Note.public, Note.stars < 3)", "return Note.stars < 3"),
    (
        "def later(c):\n    if c: return Note.stars < 3\nother = aliased(Note)",
        "return exists().where(other.id == Note.id)",
    ),
]


@pytest.mark.parametrize(("before", "body"), MEANT)
def test_what_has_nothing_to_do_with_it_starts(tmp_path: Path, before: str, body: str) -> None:
    """P1: constants that no question was about, and questions whose answer no policy uses."""
    assert sql_of(rules_of(tmp_path, body, before=before))


def test_no_answer_changes() -> None:
    """P1: what Python says of expressions outside of policies is what SQLAlchemy says; each place is noted once."""
    said = [(bool(Note.public), bool(Note.stars == Note.stars), bool(Note.stars == Note.id)) for _ in range(3)]
    with pytest.raises(TypeError):
        bool(Note.stars < 3)
    assert ([(True, True, False)] * 3, 4) == (said, len(list(asked_places())))


def test_sqlalchemy_asks_unnoted() -> None:
    """P1: its own questions are its own."""
    columns = {Note.__table__.c.public, Note.__table__.c.stars}
    sa.select(Note).where(Note.words.any(), Note.stars.in_([1])).compile()
    assert (2, []) == (len(columns), list(asked_places()))


def test_it_begins_with_the_import() -> None:
    """P1: whoever imports `Model` or `allow` is noted from there on."""
    for name in ("Model", "allow"):
        text = f"from backstay import {name}\nfrom sqlalchemy.sql.elements import BinaryExpression\n"
        text += "print(hasattr(BinaryExpression.__bool__, 'noting'))"
        found = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
        assert "True\n" == found.stdout
