"""Which modules a piece of code imports, read from its syntax; nothing is run."""

import ast

from IPython.core.inputtransformer2 import TransformerManager


def scan(code):
    """Yield (module, line) for each import in `code`, also for `__import__("module")`.

    `from a import b` gives ("a.b", line), since b may be a module. Line and cell magics are read as
    IPython reads them. Code that does not parse then, and so cannot run, has none.
    """
    try:
        tree = ast.parse(TransformerManager().transform_cell(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if _is_cell_magic(node):  # its last argument is the code below `%%time` and the like
            for module, line in scan(node.args[-1].value):
                yield module, line + 1
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield f"{'.' * node.level}{node.module or ''}.{alias.name}", node.lineno
        elif isinstance(node, ast.Name) and node.id in {"__import__", "__loader__", "__builtins__"}:
            constant = _constant_argument(tree, node)
            yield constant or node.id, node.lineno


def forbidden(code, allowed):
    """The imports of `code` outside `allowed` (module names, each standing for all below it)."""
    return [
        (module.rpartition(".*")[0] or module, line)
        for module, line in scan(code)
        if not any(module == name or module.startswith(f"{name}.") for name in allowed)
    ]


def flavour(allowed):
    """What notebooks with these allowed imports (None: all) run on: "torch" or "numpy" alone."""
    return "numpy" if allowed is not None and forbidden("import torch", allowed) else "torch"


def explain(module, where, allowed):
    """The sentence for a student who imported something else."""
    return (
        f"{where} imports `{module}`, which this assignment does not allow. "
        f"Allowed: {', '.join(allowed)}."
    )


def _is_cell_magic(node):
    called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    return (
        called
        and node.func.attr == "run_cell_magic"
        and bool(node.args)
        and isinstance(node.args[-1], ast.Constant)
        and isinstance(node.args[-1].value, str)
    )


def _constant_argument(tree, name):
    """The module in `__import__("module")`, if it is written out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.func is name and node.args:
            argument = node.args[0]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                return argument.value
    return None
