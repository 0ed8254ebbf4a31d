"""The four search grammars of PostgreSQL → a tree of words.

======  =========================  ==========================================================
op      PostgreSQL                 reads
======  =========================  ==========================================================
fts     ``to_tsquery``             ``cat & (rat | !dog) <-> fish:*``
plfts   ``plainto_tsquery``        words, all of them
phfts   ``phraseto_tsquery``       words, one behind the other
wfts    ``websearch_to_tsquery``   words, ``"phrases"``, ``or``, ``-not``; never an error
======  =========================  ==========================================================

1. A word is a run of letters and digits: no punctuation of the client's is left in it (SQ3).
2. Stop words count for nothing; a query of nothing else is empty, and an empty query finds nothing (``None``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

from backstay.errors import PlanError

#: Most characters and words of one search, and most parentheses and negations within each other: less than what makes
#: PostgreSQL's own parser give up with an internal error.
MAX_SEARCH: Final = 500
MAX_WORDS: Final = 100
_MAX_DEPTH: Final = 20
#: Most words of all phrases that alternatives within phrases come to: ``(a | b) <-> (c | d)`` is four phrases.
MAX_SPREAD: Final = 1000

_STOP_WORDS: Final = """
i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers
herself it its itself they them their theirs themselves what which who whom this that these those am is are
was were be been being have has had having do does did doing a an the and but if or because as until while of
at by for with about against between into through during before after above below to from up down in out on
off over under again further then once here there when where why how all any both each few more most other
some such no nor not only own same so than too very s t can will just don should now
"""
#: PostgreSQL's ``english.stop`` (from the Snowball project).
ENGLISH_STOP: Final = frozenset(_STOP_WORDS.split())


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words one behind the other; with *prefix* the last one is the beginning of a word."""

    words: tuple[str, ...]
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Not:
    term: Tree


@dataclass(frozen=True, slots=True)
class And:
    terms: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Or:
    terms: tuple[Tree, ...]


Tree: TypeAlias = Phrase | Not | And | Or

_WORD: Final = re.compile(r"[^\W_]+")
#: PostgreSQL keeps ``foot-ball`` together.
_COMPOUND: Final = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_TOKEN: Final = re.compile(
    r"\s*(?:(<->|<\d{1,5}>|[!&|()])|('(?:[^'\\]|''|\\.)*'|(?:[^\s!&|():'\\]|\\.)+)(:[*A-Da-d]*)?)"
)
_WEB: Final = re.compile(r'"([^"]*)"?|([^\s"!&|():]+)|[!&|():\s]')
_SPACED: Final = re.compile(r"<(?:-|(\d{1,5}))>")


_NESTED: Final = re.compile(r"[!(\-][!(\-\s&|]*")


def bounded_search(text: Any) -> str:
    """*text*, when it is short and shallow enough for every database.

    Raises:
        PlanError: PGRST100, beyond the bounds; 22021, for NUL.
    """
    if len(text) > MAX_SEARCH or len(_WORD.findall(text)) > MAX_WORDS or _depth(text) > _MAX_DEPTH:
        raise PlanError(
            "PGRST100",
            "The search is too long",
            details=f"It may have {MAX_SEARCH} characters, {MAX_WORDS} words, and be nested {_MAX_DEPTH} deep.",
        )
    if "\x00" in text:
        raise PlanError("22021", 'invalid byte sequence for encoding "UTF8": 0x00')
    return str(text)


def _depth(text: str) -> int:
    deepest = max((sum(run.count(c) for c in "!(-") for run in _NESTED.findall(text)), default=0)
    open_ = 0
    for character in text:
        open_ += (character == "(") - (character == ")")
        deepest = max(deepest, open_)
    return deepest


# One search is asked for by several parameters of one statement.
@lru_cache(maxsize=64)
def parse_search(op: str, text: str, stop: frozenset[str]) -> Tree | None:
    """What *text* looks for, read as *op* does; ``None`` when that is nothing.

    >>> parse_search("wfts", 'fat "big rats" -dog', ENGLISH_STOP)
    And(terms=(Phrase(words=('fat',), prefix=False), Phrase(words=('big', 'rats'), prefix=False), \
Not(term=Phrase(words=('dog',), prefix=False))))

    Raises:
        PlanError: 42601 for a malformed ``fts``; PGRST127 for a distance or weight; PGRST100 for too many alternatives.
    """
    match op:
        case "plfts":
            return _joined(And, [_phrase(word, stop) for word in _COMPOUND.findall(text)])
        case "phfts":
            return _phrase(text, stop)
        case "wfts":
            return _web(text, stop)
        case _:
            return _Parser(text, stop).whole()


def _phrase(text: str, stop: frozenset[str], prefix: bool = False) -> Phrase | None:
    words = [word.lower() for word in _WORD.findall(text)]
    # Stop words at the ends have no place; those inside keep theirs, so that the others stay as far apart.
    while words and words[0] in stop:
        del words[0]
    while words and words[-1] in stop:
        del words[-1]
    return Phrase(tuple(words), prefix) if words else None


def _joined(kind: type[And] | type[Or], terms: Sequence[Tree | None]) -> Tree | None:
    flat: list[Tree] = []
    for term in terms:
        flat += term.terms if isinstance(term, kind) else [] if term is None else [term]
    if len(flat) <= 1:
        return flat[0] if flat else None
    return kind(tuple(flat))


def _negated(term: Tree | None) -> Tree | None:
    return None if term is None else term.term if isinstance(term, Not) else Not(term)


def _web(text: str, stop: frozenset[str]) -> Tree | None:
    groups: list[list[Tree | None]] = [[]]
    negated, at = False, 0
    while at < len(text):
        if text[at] == "-":
            negated, at = not negated, at + 1
            continue
        found = _WEB.match(text, at)
        if found is None:
            raise AssertionError("the last alternatives take any character")
        at = found.end()
        quoted, plain = found.groups()
        if quoted is None and plain is None:
            continue
        if plain is not None and plain.lower() == "or" and groups[-1] and text[at:].strip() and not negated:
            groups.append([])
            continue
        term = _phrase(plain if quoted is None else quoted, stop)
        groups[-1].append(_negated(term) if negated else term)
        negated = False
    return _joined(Or, [_joined(And, group) for group in groups])


class _Parser:
    """``to_tsquery``: ``|`` binds least, then ``&``, then ``<->``, then ``!``."""

    def __init__(self, text: str, stop: frozenset[str]) -> None:
        self._text = text
        self._stop = stop
        self._tokens = self._cut()
        self._at = 0
        self._spread = 0

    def _cut(self) -> list[tuple[str, str, str]]:
        """(operator, operand, flags) of every token."""
        found: list[tuple[str, str, str]] = []
        at, end = 0, len(self._text.rstrip())
        while at < end:
            token = _TOKEN.match(self._text, at)
            if token is None:
                raise self._malformed()
            found.append((token[1] or "", token[2] or "", token[3] or ""))
            at = token.end()
        return found

    def whole(self) -> Tree | None:
        if not self._tokens:
            return None
        tree = self._either()
        if self._at < len(self._tokens):
            raise self._malformed()
        return tree

    def _peek(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _either(self) -> Tree | None:
        terms = [self._both()]
        while self._peek() == "|":
            self._at += 1
            terms.append(self._both())
        return _joined(Or, terms)

    def _both(self) -> Tree | None:
        terms = [self._followed()]
        while self._peek() == "&":
            self._at += 1
            terms.append(self._followed())
        return _joined(And, terms)

    def _followed(self) -> Tree | None:
        left = self._single()
        while (spaced := _SPACED.fullmatch(self._peek())) is not None:
            if spaced[1] not in (None, "1"):
                raise _absent("distances other than <->")
            self._at += 1
            left = self._after(left, self._single())
        return left

    def _single(self) -> Tree | None:
        if self._at >= len(self._tokens):
            raise PlanError("42601", f'no operand in tsquery: "{self._text}"')
        operator, operand, flags = self._tokens[self._at]
        self._at += 1
        if operand:
            if set(flags) - {":", "*"}:
                raise _absent("weights")
            plain = operand[1:-1].replace("''", "'") if operand.startswith("'") else operand
            return _phrase(plain.replace("\\", ""), self._stop, "*" in flags)
        if operator == "!":
            tree = _negated(self._single())
        elif operator == "(":
            tree = self._either()
            if self._peek() != ")":
                raise self._malformed()
            self._at += 1
        else:
            raise self._malformed()
        return tree

    def _after(self, left: Tree | None, right: Tree | None) -> Tree | None:
        """*left* with *right* directly behind it: each alternative of the one with each of the other."""
        if left is None or right is None:
            return right if left is None else left
        lefts, rights = _alternatives(left), _alternatives(right)
        if len(lefts) * len(rights) > 1:
            self._spread += len(rights) * _words(lefts) + len(lefts) * _words(rights)
            if self._spread > MAX_SPREAD:
                raise PlanError(
                    "PGRST100",
                    "The search has too many alternatives",
                    details=f"Its phrases may have {MAX_SPREAD} words, counting each alternative with each behind it.",
                )
        return _joined(Or, [_together(one, other) for one in lefts for other in rights])

    def _malformed(self) -> PlanError:
        return PlanError("42601", f'syntax error in tsquery: "{self._text}"')


def _alternatives(tree: Tree) -> tuple[Tree, ...]:
    return tree.terms if isinstance(tree, Or) else (tree,)


def _words(trees: Sequence[Tree]) -> int:
    return sum(len(tree.words) if isinstance(tree, Phrase) else 1 for tree in trees)


def _together(left: Tree, right: Tree) -> Phrase:
    if not isinstance(left, Phrase) or not isinstance(right, Phrase):
        raise _absent("<-> beside & or !")
    if left.prefix:
        raise _absent("a prefix that is not a phrase's last word")
    return Phrase(left.words + right.words, right.prefix)


def _absent(what: str) -> PlanError:
    return PlanError("PGRST127", "Feature not implemented", details=f"Search on SQLite does not have {what}.")
