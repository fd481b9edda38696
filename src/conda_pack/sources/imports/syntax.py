"""Which Python a file's syntax asks for.

From the What's New of docs.python.org, of 3.6 to 3.14; what is older is in every Python that conda still
offers. Statements are looked at as they are read; expressions only in files whose text may have such, for
most of the time would be spent on them.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator

from conda_pack.sources.imports.model import Version

#: (what, since, line)
Use = tuple[str, Version, int]

_F_STRING = r"""\b[fF][rR]?["']|\b[rR][fF]["']"""
#: What a text has in it if its expressions may ask for a version. Most files have nothing of it.
_SIGNS: tuple[tuple[Version, re.Pattern[str]], ...] = (
    ((3, 6), re.compile(rf"{_F_STRING}|\d_\d|0[xXbBoO]_|\basync\s+for\b")),
    ((3, 8), re.compile(r":=|,\s*/\s*[,):]|\byield\b[^\n]*\*")),
    ((3, 8), re.compile(r"[{][^{}]*[^{}=!<>:]=\s*(?:![rsa])?[:}]")),
    ((3, 11), re.compile(r"\[\s*\*|\[[^\[\]\n]*,\s*\*|\*\s*\w+\s*:\s*\*")),
    *((((3, 12), re.compile(_F_STRING)),) if sys.version_info >= (3, 12) else ()),
    *((((3, 14), re.compile(r"""\b[tT][rR]?["']|\b[rR][tT]["']""")),) if sys.version_info >= (3, 14) else ()),
)
_SELF_DOCUMENTING = re.compile(r"[{][^{}]*[^{}=!<>:]=\s*(?:![rsa])?[:}]")
_BRACKETS_AND_COMMENTS = re.compile(r"(?:\s|\\\n|#[^\n]*\n)*")

#: Nodes that may ask for something.
_TELLING = frozenset(
    {
        *("Constant", "JoinedStr", "Lambda", "NamedExpr", "Subscript", "TemplateStr", "Yield", "arg"),
        "comprehension",
    }
)

#: Lines that an older Python cannot read, as (pattern, since): what stands where it stopped.
_NEWER: tuple[tuple[re.Pattern[str], Version], ...] = (
    (re.compile(r"\s*except\s*\*"), (3, 11)),
    (re.compile(r"\s*type\s+\w+\s*(\[.*\]\s*)?="), (3, 12)),
    (re.compile(r"\s*((async\s+)?def|class)\s+\w+\s*\["), (3, 12)),
    (re.compile(r"""(.*[^\w"'])?([tT][rR]?|[rR][tT])["']"""), (3, 14)),
    (re.compile(r"\s*except\s+[A-Z][\w.]*\s*,\s*[A-Z][\w.]*\s*(,|:)"), (3, 14)),
)


def newer_python(error: SyntaxError, running: Version = sys.version_info[:2]) -> Version | None:
    """The Python that may be able to read what this one could not; None if there is no sign of one."""
    if "f-string" in (error.msg or "") and running < (3, 12):
        return (3, 12)
    line = error.text or ""
    return next((since for pattern, since in _NEWER if since > running and pattern.match(line)), None)


def uses_of_statement(node: ast.stmt, lines: list[str]) -> Iterator[Use]:
    """What a statement itself asks for: not its expressions, nor the statements in it."""
    at = node.lineno
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        if getattr(node, "type_params", None):
            yield from _type_parameters(node)
        for decorator in node.decorator_list:
            if not _is_old_decorator(decorator):
                yield "a decorator that is any expression", (3, 9), decorator.lineno
        if not isinstance(node, ast.ClassDef) and node.args.posonlyargs:
            yield "positional-only parameters", (3, 8), at
    elif isinstance(node, ast.AnnAssign):
        yield "annotations of variables", (3, 6), at
    elif isinstance(node, ast.Match):
        yield "the match statement", (3, 10), at
    elif isinstance(node, ast.With | ast.AsyncWith):
        if _is_parenthesised(node, lines):
            yield "parentheses around context managers", (3, 9), at
    elif isinstance(node, ast.Return):
        if _is_bare_unpacking(node.value, lines):
            yield "unpacking without parentheses", (3, 8), at
    elif isinstance(node, ast.For | ast.AsyncFor):
        if _is_bare_unpacking(node.iter, lines):
            yield "unpacking without parentheses", (3, 9), at
    elif isinstance(node, ast.ImportFrom):
        if node.module == "__future__" and any(alias.name == "annotations" for alias in node.names):
            yield "from __future__ import annotations", (3, 7), at
    elif type(node).__name__ == "TryStar":
        yield "except*", (3, 11), at
    elif type(node).__name__ == "TypeAlias":
        yield "the type statement", (3, 12), at
        yield from _type_parameters(node)
    if isinstance(node, ast.Try) or type(node).__name__ == "TryStar":
        yield from _bare_exceptions(node, lines)


def uses_of_expressions(tree: ast.AST, text: str, known: Version) -> Iterator[Use]:
    """What the expressions of a file ask for; its text has line feeds at the end of its lines.

    Files that can ask for no more than ``known``, a version, are passed over.
    """
    if not any(sign.search(text) for since, sign in _SIGNS if since > known):
        return
    lines = text.split("\n")
    may_document = _SELF_DOCUMENTING.search(text) is not None
    for node in ast.walk(tree):
        if type(node).__name__ in _TELLING:
            yield from _uses_of_expression(node, lines, may_document)


def _uses_of_expression(node: ast.AST, lines: list[str], may_document: bool) -> Iterator[Use]:
    if isinstance(node, ast.JoinedStr):
        yield from _f_string(node, lines, may_document)
    elif isinstance(node, ast.NamedExpr):
        yield "assignment expressions", (3, 8), node.lineno
    elif isinstance(node, ast.Lambda):
        if node.args.posonlyargs:
            yield "positional-only parameters", (3, 8), node.lineno
    elif isinstance(node, ast.Subscript):
        if _has_star(node.slice):
            yield "unpacking in a subscript", (3, 11), node.lineno
    elif isinstance(node, ast.arg):
        if isinstance(node.annotation, ast.Starred):
            yield "unpacking in an annotation", (3, 11), node.lineno
    elif isinstance(node, ast.Yield):
        if _is_bare_unpacking(node.value, lines):
            yield "unpacking without parentheses", (3, 8), node.lineno
    elif isinstance(node, ast.comprehension):
        if node.is_async:
            yield "asynchronous comprehensions", (3, 6), node.target.lineno
    elif isinstance(node, ast.Constant):
        if type(node.value) in (int, float, complex) and "_" in _source(node, lines):
            yield "underscores in numbers", (3, 6), node.lineno
    else:
        yield "t-strings", (3, 14), getattr(node, "lineno", 1)


def _type_parameters(node: ast.AST) -> Iterator[Use]:
    for parameter in getattr(node, "type_params", ()):
        yield "type parameters", (3, 12), parameter.lineno
        if getattr(parameter, "default_value", None) is not None:
            yield "defaults of type parameters", (3, 13), parameter.lineno


def _is_old_decorator(node: ast.expr) -> bool:
    """Whether it is a dotted name, or a call of one: all there was before PEP 614."""
    node = node.func if isinstance(node, ast.Call) else node
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _is_parenthesised(node: ast.With | ast.AsyncWith, lines: list[str]) -> bool:
    """Whether parentheses hold the whole of what is after ``with``, not just the first expression."""
    first = node.items[0].context_expr
    before = _between(lines, (node.lineno, node.col_offset), (first.lineno, first.col_offset))
    if "(" not in before or first.end_lineno is None or first.end_col_offset is None:
        return False
    body = node.body[0]
    after = _between(lines, (first.end_lineno, first.end_col_offset), (body.lineno, body.col_offset))
    end = _BRACKETS_AND_COMMENTS.match(after)
    return end is not None and not after[end.end() :].startswith(")")


def _is_bare_unpacking(node: ast.expr | None, lines: list[str]) -> bool:
    return (
        isinstance(node, ast.Tuple)
        and any(isinstance(element, ast.Starred) for element in node.elts)
        and not _source(node, lines).startswith("(")
    )


def _bare_exceptions(node: ast.AST, lines: list[str]) -> Iterator[Use]:
    """PEP 758."""
    for handler in getattr(node, "handlers", ()):
        if isinstance(handler.type, ast.Tuple) and not _source(handler.type, lines).startswith("("):
            yield "except without parentheses", (3, 14), handler.lineno


def _has_star(node: ast.expr) -> bool:
    elements: Iterable[ast.expr] = node.elts if isinstance(node, ast.Tuple) else (node,)
    return any(isinstance(element, ast.Starred) for element in elements)


def _f_string(node: ast.JoinedStr, lines: list[str], may_document: bool) -> Iterator[Use]:
    yield "f-strings", (3, 6), node.lineno
    values = [value for value in node.values if isinstance(value, ast.FormattedValue)]
    if not values:
        return
    source = _source(node, lines)
    if may_document and _SELF_DOCUMENTING.search(source):
        yield "= in f-strings", (3, 8), node.lineno
    if sys.version_info >= (3, 12) and _is_nested(source):
        yield "f-strings with any expression", (3, 12), node.lineno


def _is_nested(source: str) -> bool:
    """Whether an f-string has in its braces what PEP 701 allows: its own quotes, a backslash, comments."""
    quotes: list[str] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(f"({source}\n)").readline):
            name = tokenize.tok_name[token.type]
            if name in ("FSTRING_START", "TSTRING_START"):
                quote = token.string.lstrip("fFrRtT")
                if any(quote[0] == outer[0] and len(quote) >= len(outer) for outer in quotes):
                    return True
                quotes.append(quote)
            elif name in ("FSTRING_END", "TSTRING_END"):
                quotes.pop()
            elif quotes and name not in ("FSTRING_MIDDLE", "TSTRING_MIDDLE"):
                if name == "COMMENT" or "\\" in token.string:
                    return True
                if name == "NL" and len(quotes[-1]) == 1:
                    return True
                if name == "STRING" and any(outer in token.string for outer in quotes):
                    return True
    except (tokenize.TokenError, SyntaxError, IndexError):
        return False
    return False


def _source(node: ast.expr, lines: list[str]) -> str:
    if node.end_lineno is None or node.end_col_offset is None:
        return ""
    return _between(lines, (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset))


def _between(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    """The text between two places; columns are bytes of UTF-8, as in ``ast``."""
    if start[0] == end[0]:
        return _bytes(lines, start[0])[start[1] : end[1]].decode("utf-8", "replace")
    first = _bytes(lines, start[0])[start[1] :].decode("utf-8", "replace")
    last = _bytes(lines, end[0])[: end[1]].decode("utf-8", "replace")
    return "\n".join((first, *lines[start[0] : end[0] - 1], last))


def _bytes(lines: list[str], number: int) -> bytes:
    return lines[number - 1].encode("utf-8", "replace") if number <= len(lines) else b""
