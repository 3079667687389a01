"""The arrows of ARCHITECTURE.md, read from the imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import a3s_power_jupyter

PACKAGE = Path(a3s_power_jupyter.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

#: What each folder may import, besides itself. A new folder needs a line here.
ARROWS: dict[str, set[str]] = {
    "__init__": {"client", "contract", "errors", "magics", "server"},
    "errors": {"contract"},
    "contract": set(),
    "assistant": {"contract", "store"},
    "compat": {"contract"},
    "display": {"contract"},
    "ipc": {"contract"},
    "ray": {"contract", "handlers", "ipc", "server", "store"},
    "server": {"compat", "contract", "fsck", "handlers", "service", "store"},
    "fsck": {"contract", "hub", "store"},
    "handlers": {"assistant", "compat", "contract", "service"},
    "service": {
        "assistant",
        "contract",
        "convert",
        "engine",
        "hub",
        "ipc",
        "remote",
        "runtime",
        "store",
    },
    "remote": {"contract"},
    "store": {"contract"},
    "runtime": {"contract", "engine", "ipc"},
    "hub": {"contract", "ipc", "store"},
    "convert": {"contract", "engine", "ipc", "store"},
    "engine": {"compat", "contract", "ipc", "store"},
    "client": {"contract", "display", "widgets"},
    "jupyter_ai": {"client", "contract"},
    "magics": {"assistant", "client", "contract", "display", "widgets"},
    "widgets": {"contract", "display"},
}

#: The only folders that may import a library.
LIBRARIES = {
    "IPython": {"__init__", "contract", "magics", "widgets"},  # contract: for tracebacks
    "anywidget": {"widgets"},
    "httpx2": {"client", "hub", "jupyter_ai", "ray", "remote"},
    "huggingface_hub": {"hub", "magics"},
    "jupyter_ai_persona_manager": {"jupyter_ai"},
    "jupyter_server": {"compat", "handlers", "ray", "server"},
    "jupyterlab_chat": {"jupyter_ai"},
    "gguf": {"convert"},
    "llama_cpp": {"compat", "convert", "engine"},
    "llguidance": {"engine"},
    "markdown_it": {"display"},
    "mdit_py_plugins": {"display"},
    "openai": {"client"},
    "pydantic": {"client", "ray"},
    "pydantic_core": {"client"},
    "ray": {"ray"},
    "torch": {"engine"},
    "tornado": {"handlers", "server"},
    "transformers": {"engine"},
}

#: Libraries that the server process must not import.
HEAVY = {
    "anywidget", "gguf", "huggingface_hub", "llama_cpp", "llguidance", "numpy", "pydantic",
    "torch", "transformers", "IPython",
}  # fmt: skip


def part_of(module: Path) -> str:
    """`store` for `store/blobs.py`; `__init__` for the package's own."""
    return module.relative_to(PACKAGE).with_suffix("").parts[0]


PARTS = {part_of(module) for module in MODULES}


def imports(module: Path) -> Iterator[tuple[str, ...]]:
    """Every module that `module` imports, anywhere in it, as absolute dotted parts."""
    here = (PACKAGE.name, *module.relative_to(PACKAGE).parts)
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level] if node.level else ()
            found = (*base, *(node.module or "").split(".")) if node.module else base
            # "from . import x" names the module x.
            yield from ((*found, alias.name) for alias in node.names)


def test_every_part_has_its_line() -> None:
    assert set(ARROWS) == PARTS


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_arrows_point_right(module: Path) -> None:
    part = part_of(module)
    allowed = {part} | ARROWS[part]
    for name, *rest in imports(module):
        if name == PACKAGE.name and rest and rest[0] in PARTS:
            assert rest[0] in allowed, f"{part} must not know {rest[0]}"
        elif name in LIBRARIES:
            assert part in LIBRARIES[name], f"{part} must not know {name}"


def module_named(name: tuple[str, ...]) -> Path | None:
    """The module that an import of `name` refers to, which may be a name in that module."""
    for parts in (name, name[:-1]):
        path = PACKAGE.parent.joinpath(*parts)
        for module in (path.with_suffix(".py"), path / "__init__.py"):
            if module in MODULES:
                return module
    return None


def test_no_module_imports_itself_through_others() -> None:
    """Counts imports in functions and under TYPE_CHECKING too."""
    root = PACKAGE / "__init__.py"  # imported with every module, and itself imports lazily
    graph = {m: {module_named(name) for name in imports(m)} - {None, root, m} for m in MODULES}
    sorter = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError as error:
        circle = [str(module.relative_to(PACKAGE)) for module in error.args[1]]
        pytest.fail(f"import circle: {' <- '.join(circle)}")


def modules_after(statement: str) -> set[str]:
    """The top-level modules that a new Python holds after `statement`."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_server_imports_no_engine() -> None:
    server = {"handlers", "remote", "runtime", "server", "service", "store"}
    paths = [module.relative_to(PACKAGE.parent).with_suffix("") for module in MODULES]
    names = [
        ".".join(path.parts).removesuffix(".__init__") for path in paths if path.parts[1] in server
    ]
    assert not modules_after(f"import {', '.join(names)}") & HEAVY


def test_the_package_itself_imports_next_to_nothing() -> None:
    more = modules_after("import a3s_power_jupyter") - modules_after("")
    assert more - sys.stdlib_module_names == {PACKAGE.name}
