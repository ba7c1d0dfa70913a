"""Imports point one way, and no two modules need each other."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("runtime", "training", "export", "benchmarks", "distilrec")
NEVER = [
    ("runtime", "training"),
    ("runtime", "export"),
    ("runtime", "benchmarks"),
    ("training", "export"),
    ("training", "benchmarks"),
    ("export", "benchmarks"),
    *[(room, "distilrec") for room in ("runtime", "training", "export", "benchmarks")],
    ("runtime.images", "runtime.recognition"),
    ("runtime.images", "runtime.engines"),
    ("runtime.engines", "runtime.recognition"),
    ("runtime.engines", "runtime.images"),
    ("runtime.engines", "runtime.infer"),
    ("runtime.spec", "runtime.recognition"),
    ("runtime.images", "runtime.detection"),
    ("runtime.engines", "runtime.detection"),
    ("runtime.detection", "runtime.recognition"),
    ("runtime.detection", "runtime.pages"),
    ("runtime.recognition", "runtime.pages"),
    ("runtime.pages", "runtime.infer"),
    ("runtime.pages", "runtime.serve"),
    ("runtime.recognition", "runtime.detection"),
    ("runtime.detection", "runtime.infer"),
    ("runtime.infer.detection", "runtime.recognition"),
    ("runtime.infer.detection", "runtime.infer.recognition"),
    ("runtime.infer.recognition", "runtime.detection"),
    ("runtime.infer.recognition", "runtime.infer.detection"),
    ("runtime.recognition", "runtime.infer"),
    ("runtime.images", "runtime.pages"),
    ("runtime.processes", "runtime.images"),
    ("runtime.detection", "runtime.pages"),
    ("runtime.recognition", "runtime.pages"),
    ("runtime.pages", "runtime.infer"),
    ("runtime.infer.detection", "runtime.pages"),
    ("runtime.infer.detection", "runtime.infer.pages"),
    ("runtime.infer.recognition", "runtime.pages"),
    ("runtime.infer.recognition", "runtime.infer.pages"),
    ("runtime.infer.pages", "runtime.infer.detection"),
    ("runtime.infer.pages", "runtime.infer.recognition"),
    ("runtime.recognition", "runtime.cluster"),
    ("runtime.recognition", "runtime.serve"),
    ("runtime.cluster", "runtime.serve"),
    ("runtime.infer", "runtime.serve"),
    ("runtime.serve", "runtime.infer"),
    ("runtime.cluster", "runtime.infer"),
    *[
        ("runtime.cluster", f"runtime.{room}")
        for room in ("recognition", "detection", "pages", "engines")
    ],
    ("training.loop", "training.recognition"),
    ("training.distillation", "training.recognition"),
    ("training.backbones", "training.recognition"),
    ("training.checkpoint", "training.recognition"),
    ("training.data", "training.recognition"),
    ("training.kernels", "training.recognition"),
    ("training.run", "training.recognition"),
    ("training.plan", "training.recognition"),
    ("training.networks", "training.recognition"),
    ("training.losses", "training.recognition"),
    *[
        (room, "training.detection")
        for room in (
            *("training.loop", "training.distillation", "training.backbones"),
            *("training.checkpoint", "training.data", "training.kernels", "training.run"),
            *("training.plan", "training.networks", "training.losses", "training.recognition"),
        )
    ],
    ("training.detection", "training.recognition"),
    ("training.recognition", "training.detection"),
    *[
        (room, f"{wing}.{task}")
        for room in (
            *("export.conversion", "export.proof", "export.precision"),
            *("export.quantization", "export.engine", "export.reversal"),
        )
        for wing in ("export", "runtime")
        for task in ("recognition", "detection")
    ],
    *[
        (f"export.{task}", f"{wing}.{other}")
        for task, other in (("recognition", "detection"), ("detection", "recognition"))
        for wing in ("export", "runtime", "training")
    ],
]


def modules() -> dict[str, Path]:
    """Every module of the project by its dotted name."""
    found = {}
    for room in ROOMS:
        for file in (ROOT / room).rglob("*.py"):
            parts = file.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = file
    return found


MODULES = modules()


def imported(file: Path, also_in_functions: bool) -> set[str]:
    """The project's modules that a file imports, those for type checking alone left out."""
    found: set[str] = set()

    def visit(statements: Iterable[ast.AST]) -> None:
        for statement in statements:
            if isinstance(statement, ast.Import):
                found.update(alias.name for alias in statement.names)
            elif isinstance(statement, ast.ImportFrom) and statement.module:
                for alias in statement.names:
                    full = f"{statement.module}.{alias.name}"
                    found.add(full if full in MODULES else statement.module)
            elif isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.dump(statement.test):
                continue
            elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                if also_in_functions:
                    visit(statement.body)
            elif isinstance(statement, ast.stmt | ast.ExceptHandler):
                visit(ast.iter_child_nodes(statement))

    visit(ast.parse(file.read_text(encoding="utf-8")).body)
    return found & set(MODULES)


def is_in(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


@pytest.mark.parametrize(("room", "other"), NEVER, ids=lambda name: name)
def test_no_arrow_points_upward(room: str, other: str) -> None:
    assert any(is_in(module, room) for module in MODULES)
    assert any(is_in(module, other) for module in MODULES)
    for module, file in MODULES.items():
        if is_in(module, room):
            wrong = [one for one in imported(file, True) if is_in(one, other)]
            assert not wrong, f"{module} imports {', '.join(wrong)}"


def test_no_two_modules_import_each_other() -> None:
    graph = {module: imported(file, False) - {module} for module, file in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from error


def test_no_room_holds_more_than_twenty_files() -> None:
    counts: dict[Path, int] = {}
    for file in MODULES.values():
        counts[file.parent] = counts.get(file.parent, 0) + 1
    assert {str(folder): count for folder, count in counts.items() if count > 20} == {}
