"""The imports in a module's syntax tree: each with its kind, and the condition that it is under."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from conda_pack.sources.imports.conditions import (
    asks_of_platform,
    asks_of_python,
    dotted,
    evaluate,
    negated,
    oldest_python,
)
from conda_pack.sources.imports.model import KINDS, Kind
from conda_pack.sources.imports.syntax import Use, uses_of_statement

#: What catches a failed import.
_CATCHING = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
#: Modules whose names conditions and imports by function are about; their aliases are followed.
_FOLLOWED = frozenset(
    {"builtins", "contextlib", "importlib", "os", "platform", "pytest", "six", "sys", "typing"}
)
_BY_FUNCTION: dict[str, Kind] = {
    "importlib.import_module": "required",
    "__import__": "required",
    "builtins.__import__": "required",
    "pytest.importorskip": "optional",
}
_ENDING = ("sys.exit", "exit", "quit", "os._exit")
#: Of more conditions than that around an import, the outer ones that no target decides are not told.
_MOST_TESTS = 8
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


class Found(NamedTuple):
    """One name imported at one place."""

    module: str
    name: str | None
    kind: Kind
    condition: str | None
    line: int


class _Judged(NamedTuple):
    """A test, in canonical names, too; ``answer`` is what it comes to for all targets, if the same."""

    test: ast.expr
    canonical: ast.expr
    asks_of_target: bool
    answer: bool | None


@dataclass(frozen=True, slots=True)
class _Context:
    """Where a statement stands: how it fares if its import fails, and the tests that lead to it."""

    kind: Kind = "required"
    tests: tuple[ast.expr, ...] = ()
    in_function: bool = False

    def at_most(self, kind: Kind) -> _Context:
        return replace(self, kind=max(self.kind, kind, key=KINDS.index))

    def under(self, *tests: ast.expr) -> _Context:
        return replace(self, tests=(*self.tests, *tests))


class Reader:
    """Reads trees, one after another where they share their names, as a notebook's cells do.

    ``found`` and ``uses`` are what the trees read so far import, and what their statements ask of Python.
    """

    def __init__(self) -> None:
        self.found: list[Found] = []
        self.uses: list[Use] = []
        self._names: dict[str, str] = {}  # what a file calls sys, sys.platform …
        self._constants: dict[str, ast.expr] = {}  # WINDOWS = sys.platform == "win32"
        self._tests: dict[int, _Judged] = {}
        self._lines: list[str] = []
        self._has_calls = False

    def read(self, tree: ast.Module, text: str) -> None:
        """Read a tree; its text has line feeds at the end of its lines."""
        self._tests.clear()
        self._lines = text.split("\n")
        self._has_calls = any(word in text for word in ("import_module", "__import__", "importorskip"))
        self._block(tree.body, _Context())

    # ------------------------------------------------------------------- statements

    def _block(self, statements: Iterable[ast.stmt], context: _Context) -> None:
        for statement in statements:
            self.uses.extend(uses_of_statement(statement, self._lines))
            if self._has_calls:
                self._calls(statement, context)
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self._import(statement, context)
            elif isinstance(statement, ast.If):
                context = self._if(statement, context)
            elif isinstance(statement, ast.Try) or type(statement).__name__ == "TryStar":
                self._try(statement, context)  # type: ignore[arg-type]
            elif isinstance(statement, ast.With | ast.AsyncWith):
                suppresses = any(self._is_suppressing(item.context_expr) for item in statement.items)
                self._block(statement.body, context.at_most("optional") if suppresses else context)
            elif isinstance(statement, ast.Match):
                self._match(statement, context)
            elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                self._block(statement.body, replace(context, in_function=True))
            elif isinstance(statement, ast.ClassDef):
                self._block(statement.body, context)
            elif isinstance(statement, ast.For | ast.AsyncFor | ast.While):
                self._block(statement.body, context)
                self._block(statement.orelse, context)
            elif isinstance(statement, ast.Assign | ast.AnnAssign):
                self._assignment(statement, context)

    def _import(self, node: ast.Import | ast.ImportFrom, context: _Context) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                self._add(alias.name, None, node.lineno, context)
                if alias.name.split(".")[0] in _FOLLOWED:
                    local = alias.asname or alias.name.split(".")[0]
                    self._names[local] = alias.name if alias.asname else local
        elif node.module is not None and not node.level:
            for alias in node.names:
                self._add(node.module, None if alias.name == "*" else alias.name, node.lineno, context)
                if node.module.split(".")[0] in _FOLLOWED or alias.name == "TYPE_CHECKING":
                    self._names[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def _if(self, node: ast.If, context: _Context) -> _Context:
        """Read both ways; returns the context of what follows, which one that leaves has for itself."""
        around = context
        while True:
            self._block(node.body, context.under(node.test))
            context = context.under(negated(node.test))
            rest = node.orelse
            if not (len(rest) == 1 and isinstance(rest[0], ast.If)):
                break
            node = rest[0]
            if self._has_calls:
                self._calls(node, context)
        self._block(rest, context)
        if rest or len(context.tests) > len(around.tests) + 1 or not self._leaves(node.body):
            return around
        if not self._is_about_names(node.test):
            return around
        test = self._canonical(node.test)
        since = oldest_python(test)
        if since is not None and self._ends(node.body) and around == _Context():
            self.uses.append(("a check of sys.version_info", since, node.lineno))
        return context if asks_of_platform(test) else around

    def _try(self, node: ast.Try, context: _Context) -> None:
        catching = [handler for handler in node.handlers if self._catches(handler.type)]
        # what tells of a missing module and ends needs it; in a function that is how options fail
        is_fatal = not context.in_function and all(self._ends(handler.body) for handler in catching)
        inner = context if is_fatal or not catching else context.at_most("optional")
        self._block(node.body, inner)
        for handler in node.handlers:
            self._block(handler.body, context.at_most("optional") if handler in catching else context)
        self._block(node.orelse, inner)
        self._block(node.finalbody, context)

    def _match(self, node: ast.Match, context: _Context) -> None:
        others: list[ast.expr] = []
        for case in node.cases:
            pattern = case.pattern
            if isinstance(pattern, ast.MatchValue) and case.guard is None:
                test: ast.expr = ast.Compare(node.subject, [ast.Eq()], [pattern.value])
            else:
                test = ast.Name(f"match {ast.unparse(node.subject)}: case {ast.unparse(pattern)}")
            is_rest = isinstance(pattern, ast.MatchAs) and pattern.pattern is None and case.guard is None
            self._block(case.body, context.under(*(others if is_rest and others else [test])))
            others.append(negated(test))

    def _assignment(self, node: ast.Assign | ast.AnnAssign, context: _Context) -> None:
        """Remember constants that are about the target."""
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Name):
                self._constants.pop(target.id, None)
                value = node.value
                if (
                    isinstance(value, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Call | ast.Attribute)
                    and not context.tests
                    and not context.in_function
                    and self._is_about_names(value)
                ):
                    test = self._canonical(value)
                    if asks_of_platform(test) or asks_of_python(test):
                        self._constants[target.id] = test

    # ------------------------------------------------------------------ expressions

    def _calls(self, statement: ast.stmt, context: _Context) -> None:
        """Imports by function, in a statement's own expressions."""
        for child in ast.iter_child_nodes(statement):
            if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
                continue
            for node in ast.walk(child):
                if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                    kind = _BY_FUNCTION.get(self._name(node.func) or "")
                    module = node.args[0].value
                    if kind and isinstance(module, str) and _MODULE.fullmatch(module):
                        self._add(module, None, node.lineno, context.at_most(kind))

    def _catches(self, caught: ast.expr | None) -> bool:
        classes: Sequence[ast.expr | None] = caught.elts if isinstance(caught, ast.Tuple) else [caught]
        return any(
            each is None or (self._name(each) or "").removeprefix("builtins.") in _CATCHING
            for each in classes
        )

    def _is_suppressing(self, node: ast.expr) -> bool:
        if not (isinstance(node, ast.Call) and self._name(node.func) == "contextlib.suppress"):
            return False
        return any(self._catches(argument) for argument in node.args)

    def _ends(self, body: Sequence[ast.stmt]) -> bool:
        """Whether the program is at its end after these statements."""
        last = body[-1]
        if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
            return self._name(last.value.func) in _ENDING
        return isinstance(last, ast.Raise)

    def _leaves(self, body: Sequence[ast.stmt]) -> bool:
        """Whether what follows these statements is not reached through them."""
        last = body[-1]
        if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
            return self._name(last.value.func) in (*_ENDING, "pytest.skip")
        return isinstance(last, ast.Raise | ast.Return | ast.Continue)

    def _name(self, node: ast.expr) -> str | None:
        """The canonical name of what an expression names."""
        name = dotted(node)
        if name is None:
            return None
        first, point, rest = name.partition(".")
        return f"{self._names.get(first, first)}{point}{rest}"

    def _is_about_names(self, node: ast.expr) -> bool:
        """Whether an expression can have anything to do with the target; quicker than to look closely."""
        return any(
            isinstance(each, ast.Name) and (each.id in self._names or each.id in self._constants)
            for each in ast.walk(node)
        )

    def _canonical(self, node: ast.expr) -> ast.expr:
        """A copy in canonical names, and with what constants stand for."""
        changed: ast.expr = _Canonical(self._names, self._constants).visit(copy.deepcopy(node))
        return changed

    # ---------------------------------------------------------------------- results

    def _add(self, module: str, name: str | None, line: int, context: _Context) -> None:
        judged = [self._judged(test) for test in context.tests]
        # true of no target: if TYPE_CHECKING, if False
        kind: Kind = "type_checking" if any(test.answer is False for test in judged) else context.kind
        left = [test for test in judged if test.answer is None]
        outer = [test for test in left[:-_MOST_TESTS] if test.asks_of_target]
        tests = [test.canonical for test in (*outer, *left[-_MOST_TESTS:])]
        condition = None
        if tests:
            joined = tests[0] if len(tests) == 1 else ast.BoolOp(ast.And(), tests)
            condition = ast.unparse(ast.fix_missing_locations(joined))
        self.found.append(Found(module, name, kind, condition, line))

    def _judged(self, test: ast.expr) -> _Judged:
        known = self._tests.get(id(test))
        if known is None:
            canonical = self._canonical(test)
            asks = asks_of_platform(canonical) or asks_of_python(canonical)
            known = self._tests[id(test)] = _Judged(test, canonical, asks, evaluate(canonical, None))
        return known


class _Canonical(ast.NodeTransformer):
    def __init__(self, names: dict[str, str], constants: dict[str, ast.expr]) -> None:
        self._names = names
        self._constants = constants

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self._constants:
            return copy.deepcopy(self._constants[node.id])
        named = self._names.get(node.id, node.id)
        if named == node.id:
            return node
        first, *rest = named.split(".")
        expression: ast.expr = ast.Name(first, ast.Load())
        for part in rest:
            expression = ast.Attribute(expression, part, ast.Load())
        return expression
