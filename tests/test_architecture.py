"""The table of who may import whom, held by a walk over the syntax trees. The picture is in docs/decisions.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "mics_iac"
MODULES = {".".join(p.relative_to(PACKAGE.parent).with_suffix("").parts): p for p in sorted(PACKAGE.rglob("*.py"))}

ALLOWED = {
    "errors": {"errors"},
    "core": {"core", "documents", "errors"},
    "api": {"api", "core", "errors"},
    "documents": {"documents", "errors"},
    "clouds": {"clouds", "core", "errors"},
    "sources": {"sources", "clouds", "documents", "core", "errors"},
    "store": {"store", "clouds", "core", "errors"},
    "engine": {"engine", "documents", "api", "sources", "store", "core", "errors"},
    "reporting": {"reporting", "documents", "core", "errors"},
    "sandbox": {"sandbox"},
    "cli": {
        "cli",
        "embedded",
        "engine",
        "api",
        "documents",
        "sources",
        "store",
        "reporting",
        "sandbox",
        "core",
        "errors",
    },
    "embedded": {"sandbox", "engine", "core", "errors"},
    "scripting": {"documents", "embedded", "engine", "store", "sandbox", "core", "errors"},
    "__init__": {"scripting", "core", "engine", "errors"},
    "__main__": {"cli"},
}

# Who may open files. Everything else gets bytes, or a port.
FILES = ("mics_iac.store.", "mics_iac.sources.", "mics_iac.cli.", "mics_iac.sandbox.", "mics_iac.engine.manifest_files",
         "mics_iac.engine.upload", "mics_iac.engine.slices", "mics_iac.engine.project", "mics_iac.api.network",
         "mics_iac.clouds.opened", "mics_iac.embedded")  # fmt: skip
OPENERS = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "unlink", "mkdir", "touch"}


# Who may know a library of others. Ruff says it too, where one forgets; it cannot say it of half a file's imports.
LIBRARIES = {
    "requests": ("api.transport", "api.exchange", "api.adapter", "sandbox."),
    "urllib3": (
        "api.exchange",
        "api.adapter",
        "sandbox.",
        "clouds.web",
        "store.stateserver",
        "sources.web",
        "sources.answers",
        "sources.login",
    ),
    "obstore": ("clouds.", "store.bucket", "sources.objects"),
    "yaml": ("core.yamltree",),
    "deepdiff": ("core.diff",),
    "click": ("cli.",),
    "rich": ("cli.",),
}


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports_of(module: str) -> Iterator[str]:
    """Modules of ours that this one imports, anywhere in it."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("mics_iac"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mics_iac"):
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module or ""


@pytest.mark.parametrize("module", MODULES)
def test_a_room_imports_only_the_rooms_below_it(module: str) -> None:
    allowed = ALLOWED[room_of(module)]
    wrong = {i for i in imports_of(module) if i != "mics_iac" and room_of(i) not in allowed}
    assert not wrong, f"{module} may not import {sorted(wrong)}"


@pytest.mark.parametrize("module", MODULES)
def test_a_library_is_known_to_its_rooms_alone(module: str) -> None:
    nodes = list(ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module is not None}
    known = {name.partition(".")[0] for name in names} & LIBRARIES.keys()
    wrong = {name for name in known if not module.removeprefix("mics_iac.").startswith(LIBRARIES[name])}
    assert not wrong, f"{module} may not know {sorted(wrong)}"


def test_there_are_no_import_circles() -> None:
    edges = {m: {i for i in imports_of(m) if i in MODULES and i != m} for m in MODULES}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path, module])
        if module not in done:
            for target in sorted(edges[module]):
                visit(target, (*path, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())


@pytest.mark.parametrize("module", [m for m in MODULES if not m.startswith(FILES)])
def test_files_are_touched_at_the_edges_alone(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {f.id for f in calls if isinstance(f, ast.Name)} | {f.attr for f in calls if isinstance(f, ast.Attribute)}
    # There `open` is a port's method: a source's, or an upload's body.
    ports = {"open"} if module.startswith(("mics_iac.engine.", "mics_iac.api.")) else set()
    wrong = (names & OPENERS) - ports
    assert not wrong, f"{module} calls {sorted(wrong)}"


def test_only_the_top_package_has_something_in_its_init() -> None:
    full = [m for m, p in MODULES.items() if m.endswith(".__init__") and m != "mics_iac.__init__" and p.stat().st_size]
    assert not full
