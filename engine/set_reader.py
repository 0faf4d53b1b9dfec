"""The small interpreter that reads set files: literals, and calls of imported names of ours.
Thread: control.

Anything else is refused with its line, so opening a set from a friend runs nothing of theirs.
"""
import ast
import importlib

from engine.clip import Clip
from engine.errors import EngineError, SetError, suggestion
from engine.formats.scl import EQUAL, Tuning

ROOTS = ("engine", "synths", "mappings")
OURS = ("engine.sets", "engine.parts", "engine.mapping", "engine.clip", "engine.formats")  # of them
LARGEST, LONGEST = 2 ** 63, 4096          # a number; a text or a row that is put together


def is_ours(module):
    """Whether a set may import from a module and call what it defines."""
    root = module.split(".")[0]
    return root in ROOTS and (root != "engine" or f"{module}.".startswith(
        tuple(f"{one}." for one in OURS)))


class Reader:
    """Evaluates the few kinds of expression a set may hold."""

    OPERATORS = {ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b,
                 ast.Mult: lambda a, b: a * b, ast.Div: lambda a, b: a / b}

    def __init__(self, where, folder):
        self.where, self.folder, self.names = where, folder, {}

    def fault(self, node, text):
        return SetError(f"{self.where}, line {getattr(node, 'lineno', 1)}: {text}")

    def run(self, tree):
        for node in tree.body:
            if isinstance(node, ast.ImportFrom):
                self.take(node)
            elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(
                    node.targets[0], ast.Name):
                self.names[node.targets[0].id] = self.value(node.value)
            elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
                raise self.fault(node, "a set holds a docstring, imports of ours and assignments, "
                                       f"not {type(node).__name__.lower()}")

    def take(self, node):
        root = (node.module or "").split(".")[0]
        if node.level or root not in ROOTS:
            raise self.fault(node, f"a set imports from {', '.join(ROOTS)}, not {node.module!r}")
        if not is_ours(node.module):
            raise self.fault(node, f"a set imports {', '.join(OURS)} of the engine, not "
                                   f"{node.module!r}")
        try:
            module = importlib.import_module(node.module)
        except ImportError as fault:
            raise self.fault(node, f"no module {node.module!r}: {fault}") from fault
        for alias in node.names:
            if not hasattr(module, alias.name) or alias.name.startswith("_"):
                known = [n for n in vars(module) if n.isupper() or n[:1].isupper()]
                raise self.fault(node, f"{node.module} has no {alias.name!r}"
                                       f"{suggestion(alias.name, known)}")
            self.names[alias.asname or alias.name] = getattr(module, alias.name)

    def value(self, node):
        kind = type(node)
        if kind is ast.Constant:
            return node.value
        if kind is ast.Name:
            if node.id not in self.names:
                raise self.fault(node, f"{node.id!r} is not defined"
                                       f"{suggestion(node.id, self.names)}")
            return self.names[node.id]
        if kind in (ast.Tuple, ast.List):
            items = [self.value(item) for item in node.elts]
            return tuple(items) if kind is ast.Tuple else items
        if kind is ast.Dict and all(node.keys):
            return self.table(node)
        if kind is ast.UnaryOp and isinstance(node.op, ast.USub):
            return self.minus(node)
        if kind is ast.BinOp and type(node.op) in self.OPERATORS:
            return self.sum(node)
        if kind is ast.Call and isinstance(node.func, ast.Name):
            return self.call(node)
        raise self.fault(node, f"a set may not hold {kind.__name__.lower()}")

    def table(self, node):
        try:
            return {self.value(k): self.value(v)
                    for k, v in zip(node.keys, node.values, strict=True)}
        except TypeError as fault:        # a list as a key
            raise self.fault(node, str(fault)) from fault

    def minus(self, node):
        value = self.value(node.operand)
        if not isinstance(value, int | float):
            raise self.fault(node, f"only a number can be negative, not {value!r:.60}")
        return -value

    def sum(self, node):
        left, right = self.value(node.left), self.value(node.right)
        try:
            if isinstance(node.op, ast.Mult) and not all(
                    isinstance(x, int | float) for x in (left, right)):
                raise TypeError("only numbers multiply")
            found = self.OPERATORS[type(node.op)](left, right)
            if not isinstance(found, int | float) and len(found) > LONGEST or (
                    isinstance(found, int) and abs(found) > LARGEST):
                raise TypeError("that is too large for a set")
            return found
        except (TypeError, ZeroDivisionError, OverflowError) as fault:
            raise self.fault(node, str(fault)) from fault

    def call(self, node):
        made = self.value(node.func)
        if not isinstance(made, type) or not is_ours(made.__module__):
            raise self.fault(node, f"{node.func.id!r} cannot be called in a set")
        arguments = [self.value(a) for a in node.args]
        named = {k.arg: self.value(k.value) for k in node.keywords if k.arg}
        if len(named) < len(node.keywords):
            raise self.fault(node, "** is not allowed in a set")
        if made is Tuning and self.folder is None:
            return EQUAL
        if made in (Tuning, Clip):
            named.setdefault("folder", self.folder)
        try:
            return made(*arguments, **named)
        except EngineError as fault:
            raise self.fault(node, str(fault)) from fault
        except (TypeError, ValueError, AttributeError, LookupError) as fault:
            text = str(fault).replace(f"{made.__name__}.__init__()", made.__name__)
            raise self.fault(node, text) from fault
