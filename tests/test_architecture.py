"""Arrows point down only: the imports of every room are read from its source and held against the plan."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import zsderm.pretrain

ROOT = Path(__file__).resolve().parents[1]

# From the ground to the roof; a room may import itself and what stands before it, and nothing else.
FLOORS = [
    "errors",
    "modalities",
    "harmless_text",
    "wording",
    "arrays",
    "progress",
    "atomic_files",
    "file_names",
    "places",
    "csv_files",
    "csv_tables",
    "stored_json",
    "part_folders",
    "installation",
    "optional_packages",
    "table_files",
    "image_names",
    "image_table",
    "long_tables",
    "manifest_files",
    "language_model",
    "text_files",
    "prompt_templates",
    "config",
    "images",
    "display",
    "encoders",
    "knowledge",
    "typed_classes",
    "class_labels",
    "predictions",
    "prediction_dataset",
    "embeddings",
    "groups",
    "narratives",
    "proxies",
    "calibration",
    "class_list",
    "home_prior",
    "evidence",
    "class_texts",
    "given_rows",
    "image_reader",
    "fitted",
    "learning_notes",
    "manifest",
    "saved_classifier",
    "smoothed_answers",
    "batch_answers",
    "streamed_answers",
    "classifier",
    "written_answers",
    "supervised",
    "metrics",
    "report",
    "tasks",
    "asking",
    "doctor",
    "service",
    "cli",
    "__main__",
]
# The commands through which a user enters the rooms beside the library.
DOORS = {
    ("cli", "pretrain", "run"): {"pretrain"},
    ("cli", "pretrain", "average"): {"pretrain"},
    ("cli", "pretrain", "home"): {"pretrain"},
    ("cli", "pretrain", "publish"): {"pretrain"},
    ("cli", "pretrain", "data"): {"pretrain"},
    ("cli", "pretrain", "supervised"): {"pretrain"},
    ("cli", "pretrain", "extract"): {"pretrain"},
    ("cli", "pretrain", "narratives"): {"pretrain"},
    ("cli", "pretrain", "pages"): {"pretrain"},
    ("cli", "pretrain", "questions"): {"pretrain"},
    ("cli", "pretrain", "answers"): {"pretrain"},
    ("cli", "benchmark"): {"benchmarks"},
    ("cli", "evaluate"): {"benchmarks"},
    ("cli", "probe"): {"benchmarks"},
    ("service", "routes", "knowledge"): {"benchmarks"},
}
# `torchrun -m zsderm.pretrain` is the command line once a process, so this one file calls it.
COMMANDS = {("pretrain", "__main__.py"): {"cli"}}
# What pretrain, benchmarks and notebooks may import, besides their own room and the names that zsderm promises.
PUBLIC_MODULES = {
    "arrays",
    "asking",
    "atomic_files",
    "calibration",
    "config",
    "csv_files",
    "encoders",
    "errors",
    "file_names",
    "places",
    "image_names",
    "image_table",
    "images",
    "knowledge",
    "language_model",
    "long_tables",
    "manifest_files",
    "metrics",
    "modalities",
    "narratives",
    "proxies",
    "report",
    "stored_json",
    "supervised",
    "table_files",
    "tasks",
}


def _sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def _imports(tree: ast.AST, package: list[str]) -> Iterator[str]:
    """Dotted names that are imported; relative ones are resolved against ``package``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            dotted = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            yield from (f"{dotted}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from (argument.value for argument in node.args if isinstance(argument, ast.Constant))


def _own(path: Path, root: str, under: str) -> set[str]:
    """The names below ``zsderm`` that a file imports, without the leading ``zsderm.``."""
    package = [*under.split("."), *path.relative_to(ROOT / root).parts[:-1]]
    names = _imports(ast.parse(path.read_text(encoding="utf-8")), package)
    return {name.partition(".")[2] for name in names if name.startswith("zsderm.")}


def _room(name: str) -> str:
    """The room in which an imported name lives: ``KnowledgeBase`` is at home in ``knowledge``."""
    first = name.partition(".")[0]
    if first in zsderm._HOMES:
        return zsderm._HOMES[first].split(".")[1]
    return "errors" if first in zsderm.__all__ else first  # an error class, or __version__


@pytest.mark.parametrize("path", _sources("zsderm"), ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_point_down_only(path: Path) -> None:
    parts = path.relative_to(ROOT / "zsderm").with_suffix("").parts
    if parts == ("__init__",):
        return  # the public surface: loads every room by name, none of them on import (test_public_surface.py)
    room = parts[0]
    assert room in FLOORS, f"{room} is a new room: give it a floor in this test and a place in CONTRIBUTING.md"
    allowed = {*FLOORS[: FLOORS.index(room) + 1], *DOORS.get(parts, set())}
    upward = {name for name in _own(path, "zsderm", "zsderm") if _room(name) not in allowed}
    assert not upward, f"{room} may not import {sorted(upward)}"


@pytest.mark.parametrize(
    ("folder", "path"),
    [
        (folder, path)
        for folder in ("pretrain", "benchmarks")
        for path in _sources(folder)
        if path.parent.name != "speed"
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_pretrain_and_benchmarks_use_the_public_surface_only(folder: str, path: Path) -> None:
    # benchmarks/speed/ is apart: it times single rooms from the inside.
    private = {name for name in _own(path, folder, f"zsderm.{folder}") if not _is_public(name, folder)}
    private -= COMMANDS.get((folder, path.name), set())
    assert not private, f"{folder} may not import {sorted(private)}"


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.name)
def test_notebooks_use_the_public_surface_only(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    lines = [line for cell in cells if cell["cell_type"] == "code" for line in "".join(cell["source"]).splitlines()]
    code = "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))
    names = {name.partition(".")[2] for name in _imports(ast.parse(code), []) if name.startswith("zsderm.")}
    assert not {name for name in names if not _is_public(name, "notebooks")}


def _is_public(name: str, own_room: str) -> bool:
    parts = name.split(".")
    if any(part.startswith("_") and part != "__version__" for part in parts):
        return False
    if parts[0] == "pretrain" != own_room:
        return all(name in zsderm.pretrain.__all__ for name in parts[1:])
    return parts[0] in {own_room, *PUBLIC_MODULES} or (len(parts) == 1 and parts[0] in zsderm.__all__)


def test_the_reader_of_imports_sees_every_kind() -> None:
    lines = ["import zsderm.report", "from . import base", "from ..errors import A", "import_module('zsderm.cli')"]
    found = set(_imports(ast.parse("\n".join(lines)), ["zsderm", "knowledge"]))
    assert found == {"zsderm.report", "zsderm.knowledge.base", "zsderm.errors.A", "zsderm.cli"}


def test_a_public_name_counts_as_the_room_it_lives_in() -> None:
    assert [_room(name) for name in ("ZeroShotClassifier", "ImageError", "report.Row")] == [
        "classifier",
        "errors",
        "report",
    ]


def _graph() -> dict[str, set[str]]:
    """Every module of the project, and what it imports at any place: at its top, inside a function, or for types."""
    files = {
        ".".join([name, *path.relative_to(ROOT / name.rpartition(".")[2]).with_suffix("").parts]).removesuffix(
            ".__init__"
        ): path
        for name in ("zsderm", "zsderm.pretrain", "zsderm.benchmarks")
        for path in _sources(name.rpartition(".")[2])
    }
    graph = {}
    for module, path in files.items():
        package = module.split(".") if path.stem == "__init__" else module.split(".")[:-1]
        names = _imports(ast.parse(path.read_text(encoding="utf-8")), package)
        graph[module] = {found for name in names if (found := _module_of(name, files)) and found != module}
    graph["zsderm"] = set()  # the public surface loads by name what stands above it (test_public_surface.py)
    return graph


def _module_of(name: str, files: dict[str, Path]) -> str:
    """The module that an imported name is or lives in; empty for what is not of the project."""
    if name.rpartition(".")[0] == "zsderm" and name.rpartition(".")[2] in zsderm._HOMES:
        return zsderm._HOMES[name.rpartition(".")[2]]
    return name if name in files else name.rpartition(".")[0] if name.rpartition(".")[0] in files else ""


@pytest.mark.slow
def test_there_is_no_import_circle_not_even_a_lazy_one() -> None:
    graph = _graph()
    assert len(graph) > 200 and sum(map(len, graph.values())) > 600
    list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


def test_a_circle_would_be_found() -> None:
    with pytest.raises(CycleError):
        list(TopologicalSorter({"a": {"b"}, "b": {"a"}}).static_order())
