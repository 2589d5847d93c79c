"""A hash of the code that a result comes from."""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[2]


def source_fingerprint(*modules: str) -> str:
    """SHA-256 over the source of modules and of every module of this package that they import.

    Args:
        modules: Dotted names, such as "simclr_bench.training.pretrain".
    """
    found: dict[str, bytes] = {}
    pending = list(modules)
    while pending:
        name = pending.pop()
        if name in found:
            continue
        path = _path(name)
        if path is None:
            raise ValueError(f"source_fingerprint: no module {name}")
        found[name] = path.read_bytes()
        pending += _imports(name, path.name == "__init__.py", found[name])
    digest = hashlib.sha256()
    for name in sorted(found):
        digest.update(name.encode() + b"\0" + hashlib.sha256(found[name]).digest())
    return digest.hexdigest()


def _path(name: str) -> Path | None:
    base = PACKAGE.parent.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _imports(name: str, is_package: bool, source: bytes) -> list[str]:
    """The modules of this package that a module's source names in its import statements."""
    package = name if is_package else name.rpartition(".")[0]
    named: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *filter(None, [node.module])])
            named.add(base)
            named |= {f"{base}.{alias.name}" for alias in node.names}
    own = PACKAGE.name
    return sorted(n for n in named if n.startswith(f"{own}.") and _path(n) is not None)
