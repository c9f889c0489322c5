"""Finds the one plugin class of a folder by reading its files; nothing of the author's is run.

Run by `jackfield plugin build` with the Python at hand: `python3 -I _find.py FOLDER FILE…`, the files relative and
ending in `.py`. Prints JSON: the module and the class, what kinds of plugin it is, and whether it asks models
(`llm`); or a `fault` and its `place`, a file with its line, or nothing when it is the folder's.
"""

from __future__ import annotations

import ast
import json
import keyword
import sys
from dataclasses import dataclass, field
from pathlib import Path

KINDS = {"Router": "router", "Validator": "validator", "StreamValidator": "stream-validator"}


class Fault(Exception):
    """What keeps the folder from being a plugin, and where."""

    def __init__(self, text: str, place: str = "") -> None:
        super().__init__(text)
        self.place = place


@dataclass
class Class:
    """A class at a module's top level."""

    module: str
    name: str
    place: str
    bases: list[str]
    """Each as `module.name`, or as it is written when nobody says where it is from."""


@dataclass
class Found:
    """What all files say."""

    classes: dict[str, Class] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    """What a module calls by another's name: `module.name` to `module.name`."""
    llm: bool = False


def module_name(file: str) -> str:
    """The name by which a file is imported."""
    parts = file.removesuffix(".py").split("/")
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def dotted(node: ast.expr) -> str | None:
    """`a.b.c` as a text."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return before and f"{before}.{node.attr}"
    return dotted(node.value) if isinstance(node, ast.Subscript) else None


def imported(node: ast.Import | ast.ImportFrom, module: str, is_package: bool) -> dict[str, str]:
    """What an import makes of names: the name in this module to where it is from."""
    if isinstance(node, ast.Import):
        return {alias.asname or alias.name.split(".")[0]: alias.name if alias.asname else alias.name.split(".")[0]
                for alias in node.names}
    package = module.split(".") if is_package else module.split(".")[:-1]
    before = package[: len(package) - node.level + 1] if node.level else []
    base = ".".join([*before, *([node.module] if node.module else [])])
    if base == "jackfield" and node.names[0].name == "*":
        return {name: f"jackfield.{name}" for name in KINDS}
    return {alias.asname or alias.name: f"{base}.{alias.name}" if base else alias.name for alias in node.names}


def read(folder: Path, files: list[str]) -> Found:
    """What all files say."""
    found = Found()
    for file in files:
        try:
            tree = ast.parse((folder / file).read_bytes(), filename=file)
        except SyntaxError as error:
            raise Fault(f"\n{shown(error, file)}", f"{file}:{error.lineno}") from error
        except ValueError as error:  # It holds a null byte, to Pythons before 3.12.
            raise Fault(str(error), file) from error
        module = module_name(file)
        names: dict[str, str] = {}
        # A class may stand under an `if`; one inside a function is not for anybody to find.
        for node in statements(tree.body):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names |= imported(node, module, file.endswith("__init__.py"))
            elif isinstance(node, ast.ClassDef):
                bases = [dotted(base) or "" for base in node.bases]
                bases = [resolve(base, names, module) for base in bases]
                own = f"{module}.{node.name}"
                found.classes[own] = Class(module, node.name, f"{file}:{node.lineno}", bases)
                names[node.name] = own
        found.aliases |= {f"{module}.{name}": target for name, target in names.items()}
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                froms = {alias.name for alias in node.names} if isinstance(node, ast.Import) else {
                    f"{node.module}.{alias.name}" for alias in node.names
                } | {node.module or ""}
                found.llm |= bool({"jackfield.llm"} & froms)
    return found


def statements(body: list[ast.stmt]) -> list[ast.stmt]:
    """A module's statements, those under `if` and `try` included, in order."""
    flat: list[ast.stmt] = []
    for node in body:
        flat.append(node)
        for part in ("body", "handlers", "orelse", "finalbody"):
            inner = getattr(node, part, []) if isinstance(node, (ast.If, ast.Try, ast.ExceptHandler)) else []
            flat += statements(inner)
    return flat


def resolve(name: str, names: dict[str, str], module: str) -> str:
    """Where a dotted name of a module is from."""
    first, dot, rest = name.partition(".")
    return f"{names[first]}{dot}{rest}" if first in names else f"{module}.{name}"


def shown(error: SyntaxError, file: str) -> str:
    """A syntax error as Python shows it."""
    import traceback

    error.filename = error.filename or file
    error.lineno = error.lineno or 1
    return "".join(traceback.format_exception_only(type(error), error)).rstrip()


def kinds(name: str, found: Found, seen: frozenset[str] = frozenset()) -> set[str]:
    """What kinds of plugin a class is, through its bases."""
    if name in seen:
        return set()
    package, _, last = name.rpartition(".")
    if package.split(".")[0] == "jackfield":
        return {KINDS[last]} if last in KINDS else set()
    known = found.classes.get(name)
    seen |= {name}
    if known is None:
        alias = found.aliases.get(name)
        return kinds(alias, found, seen) if alias and alias != name else set()
    return set().union(*(kinds(base, found, seen) for base in known.bases))


def base_name(name: str, found: Found) -> str:
    """The class that a name means in the end."""
    seen: set[str] = set()
    while name not in found.classes and name in found.aliases and name not in seen:
        seen.add(name)
        name = found.aliases[name]
    return name


def importable(part: str) -> bool:
    """Whether `import` takes this for a part of a module's name."""
    return part.isidentifier() and not keyword.iskeyword(part)


def find(folder: Path, files: list[str]) -> dict[str, object]:
    """The plugin class, or a `Fault`."""
    found = read(folder, files)
    plugins = {name: of for name in found.classes if (of := kinds(name, found))}
    bases = {base_name(base, found) for name in plugins for base in found.classes[name].bases}
    # A class that others build on is no plugin itself.
    last = [name for name in plugins if name not in bases]
    if not last:
        looked = ", ".join(files) or "there is no .py file"
        raise Fault(
            f"no class here is a subclass of Router, Validator or StreamValidator (looked in: {looked}); "
            "write `from jackfield import Router` and `class MyRouter(Router):`"
        )
    if len(last) > 1:
        told = ", ".join(f"{found.classes[name].name} ({found.classes[name].place})" for name in last)
        raise Fault(
            f"{len(last)} classes could be the plugin: {told}; a folder is one plugin: give each a folder of its own, or "
            "make one class of them: `class Both(Router, Validator)`",
            found.classes[last[1]].place,
        )
    one = found.classes[last[0]]
    if not one.module.isascii() or not all(map(importable, one.module.split("."))):
        raise Fault(f"Python cannot import a module called `{one.module}`; rename the file", one.place)
    return {
        "module": one.module,
        "class": one.name,
        "place": one.place,
        "kinds": sorted(plugins[last[0]]),
        "llm": found.llm,
    }


def main() -> int:
    """The command line."""
    try:
        print(json.dumps(find(Path(sys.argv[1]), sys.argv[2:])))
    except Fault as fault:
        print(json.dumps({"fault": str(fault), "place": fault.place}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
