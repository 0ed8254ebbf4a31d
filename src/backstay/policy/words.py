"""The words of a policy: what stands where it was stopped, and how to write that for SQL."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from types import CodeType, FrameType, TracebackType
from typing import Any, Final, NamedTuple

from backstay.place import is_authors, shown_file

_IN_GENERAL: Final = (
    "It is called at the start, for all callers and rows: write & for and, | for or, ~ for not (with brackets"
    ' around each side), .in_() for in, and to="authenticated" for callers with an account.'
)
_CHOICE: Final = (
    "One expression holds for all callers and rows: join conditions by & and |, choose by case(), and say who is meant"
    ' by @allow(…, to="authenticated").'
)
_TEXT: Final = "Its value is known to the database alone: join texts there, by + or func.concat()."
_IDENTITY: Final = (
    'Write .is_(None) or .is_not(None) for a column, and @allow(…, to="authenticated") for callers with an account.'
)


class Words(NamedTuple):
    """A piece of a policy: its *text* and the *advice* that goes with it."""

    text: str
    advice: str


class Raised(NamedTuple):
    """Where the author's code raised: the *place*, and what stands there."""

    place: str
    frame: FrameType
    #: The smallest piece of source around it.
    node: ast.AST | None
    advice: str | None


def raised_at(fault: BaseException) -> Raised | None:
    """The last line of the author's own code that *fault* went through."""
    found: TracebackType | None = None
    trace: TracebackType | None = fault.__traceback__
    while trace is not None:
        if is_authors(trace.tb_frame):
            found = trace
        trace = trace.tb_next
    if found is None:
        return None
    code = found.tb_frame.f_code
    words, around = words_of(code, found.tb_lasti), enclosing(code, found.tb_lasti)
    return Raised(
        f"{shown_file(code.co_filename)}:{found.tb_lineno}",
        found.tb_frame,
        around[-1] if around else None,
        None if words is None else words.advice,
    )


def words_at(frame: FrameType) -> Words:
    """What *frame* is doing now, as it is written."""
    code = frame.f_code
    return words_of(code, frame.f_lasti) or Words(
        linecache.getline(code.co_filename, frame.f_lineno).strip(), _IN_GENERAL
    )


def words_of(code: CodeType, instruction: int) -> Words | None:
    """What *code* does at *instruction*, as it is written."""
    for node in reversed(enclosing(code, instruction)):
        advice = _advice(node)
        if advice is not None:
            return Words(_segment(_source(code.co_filename), node), advice)
    return None


@lru_cache(maxsize=256)
def enclosing(code: CodeType, instruction: int) -> tuple[ast.AST, ...]:
    """All pieces of source around *instruction*, from the outermost to the smallest; none where there is no source."""
    if instruction < 0:
        return ()
    first, last, begin, end = next(islice(code.co_positions(), instruction // 2, None), (None,) * 4)
    if first is None or last is None or begin is None or end is None:
        return ()
    return tuple(_around(_tree(code.co_filename), (first, begin), (last, end)))


def _around(tree: ast.AST | None, begin: tuple[int, int], end: tuple[int, int]) -> Iterator[ast.AST]:
    node = tree
    while node is not None:
        if hasattr(node, "lineno"):
            yield node
        node = next((child for child in _placed(node) if _holds(child, begin, end)), None)


def _placed(node: ast.AST) -> Iterator[ast.AST]:
    """Children with a place; what has none of its own (the ``for`` of a comprehension) gives its children."""
    for child in ast.iter_child_nodes(node):
        if hasattr(child, "lineno"):
            yield child
        else:
            yield from _placed(child)


def _holds(node: Any, begin: tuple[int, int], end: tuple[int, int]) -> bool:
    return (node.lineno, node.col_offset) <= begin and end <= (node.end_lineno, node.end_col_offset)


def segment(file: str, node: ast.AST) -> str:
    """*node* as it is written in *file*."""
    return _segment(_source(file), node)


def _source(name: str) -> str:
    return "".join(linecache.getlines(name))


@lru_cache(maxsize=16)
def _parsed(source: str) -> ast.AST | None:
    try:
        return ast.parse(source)
    except SyntaxError:
        return None


def _tree(name: str) -> ast.AST | None:
    source = _source(name)
    return _parsed(source) if source else None


def _segment(source: str, node: ast.AST) -> str:
    match node:
        case ast.If(test=test) | ast.While(test=test) | ast.Assert(test=test):
            found = f"{type(node).__name__.lower()} {ast.get_source_segment(source, test) or ''}"
        case ast.Match(subject=subject):
            found = f"match {ast.get_source_segment(source, subject) or ''}"
        case _:
            found = ast.get_source_segment(source, node) or ""
    text = " ".join(found.split())
    return text if len(text) <= 100 else text[:99] + "…"


_CALLS: Final[dict[str, str]] = {
    "any": "Write or_(*conditions), or relationship.any(…).",
    "all": "Write and_(*conditions).",
    "bool": "Return the condition itself.",
    "callable": _IN_GENERAL,
    "isinstance": _IN_GENERAL,
    "str": _TEXT,
    "format": _TEXT,
    "repr": _TEXT,
    "print": "Leave it out: while the app starts there is no value to print.",
    "len": "Write func.length() of a text, and count rows by a subquery.",
    "int": "Write cast(value, Integer).",
    "float": "Write cast(value, Float).",
}


def _advice(node: ast.AST) -> str | None:
    match node:
        case ast.BoolOp(op=ast.And()):
            return "Write (…) & (…), or and_(…, …)."
        case ast.BoolOp(op=ast.Or()):
            return "Write (…) | (…), or or_(…, …)."
        case ast.UnaryOp(op=ast.Not()):
            return "Write ~(…), or not_(…)."
        case ast.Compare(ops=[ast.In() | ast.NotIn()]):
            return "Write column.in_(…) or ~column.in_(…) of a list or a select(), and me.has_role(…) for a role."
        case ast.Compare(ops=[_, _, *_]):
            return "Write (a < b) & (b < c), or b.between(a, c)."
        case ast.Compare(ops=[ast.Is() | ast.IsNot()]):
            return _IDENTITY
        case ast.If() | ast.IfExp() | ast.While() | ast.Assert() | ast.Match():
            return _CHOICE
        case ast.JoinedStr() | ast.FormattedValue() | ast.BinOp(op=ast.Mod()):
            return _TEXT
        case ast.ListComp() | ast.GeneratorExp():
            return _IN_GENERAL
        case ast.Dict() | ast.DictComp() | ast.Set() | ast.SetComp() | ast.Subscript():
            return "Python would look for it once, at the start: choose by case()."
        case ast.Call(func=ast.Name(id=name)) if name in _CALLS:
            return _CALLS[name]
        case _:
            return None


def identity_of(tests: tuple[ast.AST, ...]) -> tuple[ast.expr, ...]:
    """What the innermost of *tests* compares by ``is`` or ``in``, or takes apart by ``match``."""
    for node in reversed(tests):
        match node:
            case ast.Compare(left=left, ops=ops, comparators=others) if any(
                isinstance(op, ast.Is | ast.IsNot | ast.In | ast.NotIn) for op in ops
            ):
                return (left, *others)
            case ast.Match(subject=subject):
                return (subject,)
            case ast.stmt():
                return ()
            case _:
                continue
    return ()


def decided_by_python(file: str, name: str) -> tuple[tuple[int, Words, tuple[ast.expr, ...]], ...]:
    """Where the module in *file* gives *name* a value by ``and``, ``not``, ``is`` and the like: line, words, operands.

    Operands that call something are left out: what looks at them would call it again.
    """
    found: list[tuple[int, Words, tuple[ast.expr, ...]]] = []
    for line, value in _given(file, name):
        for node in ast.walk(value):
            asked = tuple(each for each in _asked_by(node) if not _calls(each))
            if asked:
                found.append((line, Words(_segment(_source(file), node), _advice(node) or ""), asked))
    return tuple(found)


def called_for(file: str, name: str) -> tuple[tuple[int, ast.expr], ...]:
    """What the module in *file* calls to give *name* a value, with the line."""
    return tuple(
        (line, node.func)
        for line, value in _given(file, name)
        for node in ast.walk(value)
        if isinstance(node, ast.Call) and not _calls(node.func)
    )


def _given(file: str, name: str) -> Iterator[tuple[int, ast.expr]]:
    """Each value that the module in *file* gives *name*, with its line."""
    for statement in getattr(_tree(file), "body", ()):
        if not isinstance(statement, ast.Assign | ast.AnnAssign) or statement.value is None:
            continue
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            yield statement.lineno, statement.value


def _asked_by(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.BoolOp(values=values):
            return values
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return [operand]
        case ast.IfExp(test=test):
            return [test]
        case ast.Compare(left=left, ops=ops, comparators=others) if len(ops) > 1 or isinstance(
            ops[0], ast.Is | ast.IsNot | ast.In | ast.NotIn
        ):
            # ``column in [one, two]`` asks each of them.
            return [part for each in (left, *others) for part in (getattr(each, "elts", None) or [each])]
        case ast.Call(func=ast.Name(id="bool" | "callable" | "isinstance"), args=[first, *_]):
            return [first]
        case _:
            return []


def _calls(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Call | ast.Await | ast.NamedExpr) for each in ast.walk(node))
