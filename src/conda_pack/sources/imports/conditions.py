"""What a condition on the platform or on Python comes to for a target: true, false, or not to be known.

Conditions are expressions in canonical names (``sys.platform``, whatever a file calls it).
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from conda_pack.environment.pythons import SYSTEMS, machine_of
from conda_pack.sources.imports.model import Version, Versions

_OF_32_BITS = ("-32", "-armv6l", "-armv7l", "-ppc", "-riscv32")
_INTERPRETER = "CPython"  # what conda's Python is
_METHODS: dict[str, Callable[..., Any]] = {
    "startswith": str.startswith,
    "endswith": str.endswith,
    "lower": str.lower,
    "upper": str.upper,
}
_SWAPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.Gt: ast.Lt,
    ast.LtE: ast.GtE,
    ast.GtE: ast.LtE,
    ast.Eq: ast.Eq,
    ast.NotEq: ast.NotEq,
}
_UNKNOWN: Final = object()


@dataclass(frozen=True, slots=True)
class Target:
    """What a condition is asked for: a conda platform, and the Pythons that may be there."""

    platform: str
    python: Versions


def holds(condition: str, target: Target) -> bool | None:
    """Whether a condition is true of a target; None if that cannot be known."""
    test = _parsed(condition)
    return None if test is None else evaluate(test, target)


def evaluate(test: ast.expr, target: Target | None) -> bool | None:
    """Whether an expression is true of a target, or of each if that is None; None if it cannot be known."""
    value = _value(test, target)
    return None if value is _UNKNOWN or isinstance(value, _Range) else bool(value)


def dotted(node: ast.AST) -> str | None:
    """``a.b.c``, if that is what an expression is."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def asks_of_platform(test: ast.expr) -> bool:
    """Whether an expression in canonical names asks anything of the platform."""
    return _names_any(test, ("sys.platform", "os.name", "platform."))


def asks_of_python(test: ast.expr) -> bool:
    """Whether an expression in canonical names asks anything of Python's version."""
    return _names_any(test, ("sys.version_info", "six.PY"))


def _names_any(test: ast.expr, beginnings: tuple[str, ...]) -> bool:
    return any((dotted(node) or "").startswith(beginnings) for node in ast.walk(test))


def oldest_python(test: ast.expr) -> Version | None:
    """The 3.8 of ``sys.version_info < (3, 8)``, if an expression is of that form."""
    if not (isinstance(test, ast.Compare) and dotted(test.left) == "sys.version_info"):
        return None
    values = _value(test.comparators[0], None)
    is_pair = isinstance(values, tuple) and len(values) >= 2 and all(type(value) is int for value in values)
    return values[:2] if is_pair and isinstance(test.ops[0], ast.Lt) and len(test.ops) == 1 else None


def negated(test: ast.expr) -> ast.expr:
    """The opposite, as people write it: ``a != b``, not ``not a == b``."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return test.operand
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and type(test.ops[0]) in _OPPOSITE:
        return ast.Compare(test.left, [_OPPOSITE[type(test.ops[0])]()], test.comparators)
    return ast.UnaryOp(ast.Not(), test)


_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    one: other
    for pair in (
        (ast.Eq, ast.NotEq),
        (ast.Lt, ast.GtE),
        (ast.Gt, ast.LtE),
        (ast.In, ast.NotIn),
        (ast.Is, ast.IsNot),
    )
    for one, other in (pair, pair[::-1])
}


@lru_cache(maxsize=1024)
def _parsed(condition: str) -> ast.expr | None:
    try:
        return ast.parse(condition, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # text for people, as of a match statement


# ------------------------------------------------------------------------- values


@dataclass(frozen=True, slots=True)
class _Range:
    """A value that is known within bounds: from ``low`` on, below ``high``; ``top`` is the highest, if known.

    ``parts`` are how many of sys.version_info these are, 0 for a number.
    """

    low: Any
    high: Any
    top: Any
    parts: int

    def compare(self, operator: type[ast.cmpop], other: Any) -> Any:
        is_below = bool(self.high <= other)  # each is less than the other
        if operator is ast.GtE:
            return True if self.low >= other else False if is_below else _UNKNOWN
        if operator is ast.Gt:
            is_less = is_below or (self.top is not None and self.top <= other)
            return True if self.low > other else False if is_less else _UNKNOWN
        if operator is ast.Eq:
            if self.low == self.top:
                return bool(self.low == other)
            return False if is_below or self.low > other else _UNKNOWN
        opposite = _OPPOSITE.get(operator)
        return _not(self.compare(opposite, other)) if opposite in (ast.GtE, ast.Gt, ast.Eq) else _UNKNOWN


def _value(node: ast.expr, target: Target | None) -> Any:
    """The value of an expression, a _Range, or _UNKNOWN."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        values = tuple(_value(element, target) for element in node.elts)
        return _UNKNOWN if any(value is _UNKNOWN or isinstance(value, _Range) for value in values) else values
    if isinstance(node, ast.BoolOp):
        return _bool_op(node, target)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return _not(evaluate(node.operand, target))
    if isinstance(node, ast.Compare):
        return _comparison(node, target)
    if isinstance(node, ast.Call):
        return _call(node, target)
    if isinstance(node, ast.Subscript):
        return _part(_value(node.value, target), node.slice)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow | ast.LShift):
        return _power(node)
    return _fact(dotted(node), target)


def _not(value: Any) -> Any:
    return _UNKNOWN if value is None or value is _UNKNOWN else not value


def _power(node: ast.BinOp) -> Any:
    """``2 ** 32`` and ``1 << 32``, which sys.maxsize is compared with."""
    if not (isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant)):
        return _UNKNOWN
    left, right = node.left.value, node.right.value
    if not (isinstance(left, int) and isinstance(right, int) and left in (1, 2) and 0 <= right <= 64):
        return _UNKNOWN
    return left**right if isinstance(node.op, ast.Pow) else left << right


def _bool_op(node: ast.BoolOp, target: Target | None) -> Any:
    decisive = isinstance(node.op, ast.Or)  # one that is true, or for `and` one that is false
    values = [evaluate(value, target) for value in node.values]
    if decisive in values:
        return decisive
    return _UNKNOWN if None in values else not decisive


def _comparison(node: ast.Compare, target: Target | None) -> Any:
    operands = [_value(operand, target) for operand in (node.left, *node.comparators)]
    answers = [
        _compared(left, type(operator), right)
        for left, operator, right in zip(operands, node.ops, operands[1:], strict=False)
    ]
    if any(answer is False for answer in answers):
        return False
    return _UNKNOWN if any(answer is _UNKNOWN for answer in answers) else True


def _compared(left: Any, operator: type[ast.cmpop], right: Any) -> Any:
    if left is _UNKNOWN or right is _UNKNOWN:
        return _UNKNOWN
    try:
        if operator in (ast.In, ast.NotIn):
            answer = _is_in(left, right)
            return answer if operator is ast.In else _not(answer)
        if isinstance(left, _Range):
            return _UNKNOWN if isinstance(right, _Range) else left.compare(operator, right)
        if isinstance(right, _Range):
            return right.compare(_SWAPPED.get(operator, ast.Is), left)
        return _PLAIN[operator](left, right) if operator in _PLAIN else _UNKNOWN
    except TypeError:  # a tuple with a number, a text with None …: fails, or has a reason we do not know
        return _UNKNOWN


_PLAIN: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: lambda left, right: left == right,
    ast.NotEq: lambda left, right: left != right,
    ast.Lt: lambda left, right: left < right,
    ast.LtE: lambda left, right: left <= right,
    ast.Gt: lambda left, right: left > right,
    ast.GtE: lambda left, right: left >= right,
    ast.Is: lambda left, right: left is right,
    ast.IsNot: lambda left, right: left is not right,
}


def _is_in(left: Any, right: Any) -> Any:
    if isinstance(right, _Range):
        return _UNKNOWN
    if not isinstance(left, _Range):
        return left in right
    answers = [left.compare(ast.Eq, each) for each in right]
    if any(answer is True for answer in answers):
        return True
    return _UNKNOWN if any(answer is _UNKNOWN for answer in answers) else False


def _call(node: ast.Call, target: Target | None) -> Any:
    name = dotted(node.func)
    if name in ("platform.system", "platform.machine", "platform.python_implementation") and not node.args:
        return _fact(f"{name}()", target)
    if isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS and not node.keywords:
        text = _value(node.func.value, target)
        arguments = [_value(argument, target) for argument in node.args]
        if isinstance(text, str) and _UNKNOWN not in arguments:
            try:
                return _METHODS[node.func.attr](text, *arguments)
            except TypeError:
                return _UNKNOWN
    return _UNKNOWN


def _fact(name: str | None, target: Target | None) -> Any:
    """What a canonical name stands for."""
    if name is None:
        return _UNKNOWN
    if name.rpartition(".")[2] == "TYPE_CHECKING":
        return False
    if name in _ALWAYS:
        return _ALWAYS[name]
    if target is None:
        return _UNKNOWN
    if name in ("sys.version_info", "sys.version_info.major", "sys.version_info.minor"):
        return _version(target.python, name.rpartition(".")[2])
    systems = SYSTEMS.get(target.platform.partition("-")[0])
    if systems is not None and name in _OF_SYSTEM:
        return systems[_OF_SYSTEM.index(name)]
    if name == "platform.machine()":
        return machine_of(target.platform)
    if name == "sys.maxsize":
        return 2**31 - 1 if target.platform.endswith(_OF_32_BITS) else 2**63 - 1
    return _UNKNOWN


_OF_SYSTEM = ("sys.platform", "os.name", "platform.system()")
#: ``__main__``: what a program does when it is run, it needs. six is for programs that ran on Python 2, too.
_ALWAYS = {
    "__name__": "__main__",
    "platform.python_implementation()": _INTERPRETER,
    "sys.implementation.name": _INTERPRETER.lower(),
    "six.PY2": False,
    "six.PY3": True,
}


def _version(python: Versions, part: str) -> Any:
    is_one_major = python.below <= (python.lower[0] + 1, 0)
    if part == "version_info":
        return _Range((*python.lower, 0, "final", 0), python.below, None, 5)
    if not is_one_major:
        return _UNKNOWN
    if part == "major":
        return python.lower[0]
    highest = python.below[1] if python.below[0] == python.lower[0] else 1 << 16
    return _Range(python.lower[1], highest, highest - 1, 0)


def _part(value: Any, index: ast.expr) -> Any:
    """``sys.version_info[0]``, ``[1]`` and ``[:2]``, and parts of what is known."""
    if isinstance(value, _Range) and value.parts:
        python = Versions(value.low[:2], value.high)
        if isinstance(index, ast.Constant) and index.value in (0, 1):
            return _version(python, "minor" if index.value else "major")
        if isinstance(index, ast.Slice) and index.lower is None and index.step is None:
            parts = index.upper.value if isinstance(index.upper, ast.Constant) else None
            if parts == 1:
                major = _version(python, "major")
                return _UNKNOWN if major is _UNKNOWN else (major,)
            if parts == 2:
                minor = value.high[1] - 1
                top = (value.high[0], minor) if minor >= 0 else None
                return _Range(value.low[:2], value.high, top, 2)
            if parts == 3:
                return _Range((*value.low[:2], 0), value.high, None, 3)
    return _UNKNOWN
