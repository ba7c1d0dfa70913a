"""The tasks by PaddleOCR's `model_type`."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import TypeVar

from training.detection.task import DetectionTask
from training.recognition.task import RecognitionTask
from training.registry import Problem, Problems, Registry, unknown_name
from training.task import Task

TASKS: dict[str, type[Task]] = {"rec": RecognitionTask, "det": DetectionTask}
"""Of a name that several tasks give to builders of their own, the first task's counts."""
_DEFAULT = "rec"
"""The task of a config that names none."""
Read = TypeVar("Read")


SUPPORTED = (
    "text recognisers with a CTC head (PP-OCRv2 to v6: CRNN, SVTR_LCNet, SVTR_HGNet, SVTRv2, "
    "RepSVTR, their MultiHead with SAR or NRTR), text detectors with DB (PP-OCRv2 to v6), and "
    "distillation of both"
)
_NAMES = """
Rosetta RARE STARNet SRN NRTR SAR SEED ViTSTR ABINet VisionLAN SPIN RobustScanner RFL ParseQ CPPD
SATRN PREN PREN2D MaskOCR IGTR SMTR OTE BUSNet LaTeXOCR CAN UniMERNet PP-FormulaNet-S
PP-FormulaNet-L EAST SAST PSE FCE CT DRRG PGNet CLS TableAttn TableMaster SLANet SLANet_plus
LayoutXLM LayoutLM LayoutLMv2 SDMGR Telescope Gestalt TSRN TBSRN
"""
_OTHER_FAMILIES = frozenset(_NAMES.split())
"""PaddleOCR's names of algorithms, as configs give them, that have no parts here."""
_TYPO = 0.8


def unsupported_family(architecture: object) -> Problem | None:
    """Tell a network of a family that is not trained here by its type, algorithm and head.

    A type or a head that is nearly a known one's name is a slip of the pen, told as such elsewhere.
    """
    if not isinstance(architecture, Mapping):
        return None
    kind = architecture.get("model_type") or _DEFAULT
    if kind not in TASKS and difflib.get_close_matches(str(kind), TASKS, n=1, cutoff=_TYPO):
        return None
    if kind not in TASKS:
        name = architecture.get("algorithm") or kind
        return Problem(
            "Architecture.model_type",
            f"the family {name} (model_type {kind}) is not supported: expected {SUPPORTED}; train "
            "it with PaddleOCR",
        )
    models = architecture.get("Models")
    sections = {"Architecture": architecture}
    if isinstance(models, Mapping):
        sections = {f"Architecture.Models.{name}": section for name, section in models.items()}
    heads = TASKS[str(kind)].heads.builders
    for path, section in sections.items():
        head = section.get("Head") if isinstance(section, Mapping) else None
        name = head.get("name") if isinstance(head, Mapping) else None
        if not isinstance(name, str) or name in heads:
            continue
        algorithm = section.get("algorithm")
        is_known = isinstance(algorithm, str) and algorithm in _OTHER_FAMILIES
        if is_known or not difflib.get_close_matches(name, heads, n=1, cutoff=_TYPO):
            return Problem(
                f"{path}.algorithm" if is_known else f"{path}.Head.name",
                f"the family {algorithm or name} (head {name}) is not supported: expected "
                f"{SUPPORTED}; train it with PaddleOCR",
            )
    return None


def task_of(architecture: object, problems: Problems) -> type[Task] | None:
    """Return the task that an `Architecture` section chooses; None if it is unknown."""
    named = architecture if isinstance(architecture, Mapping) else {}
    name = named.get("model_type") or _DEFAULT
    if name not in TASKS:
        problems.add("Architecture.model_type", unknown_name("model type", name, TASKS))
        return None
    return TASKS[name]


def of_every_task(kind: str) -> Registry:
    """Join one table of all tasks, e.g. `losses`, for sections that name no task."""
    tables: list[Registry] = [getattr(task, kind) for task in TASKS.values()]
    return Registry(
        tables[0].kind,
        {name: builder for table in reversed(tables) for name, builder in table.builders.items()},
        frozenset().union(*(table.injected for table in tables)),
        frozenset().union(*(table.unused for table in tables)),
    )


def read_as_a_task_does(
    kind: str, read: Callable[[Registry, Problems], Read | None], model_type: str | None = None
) -> Read:
    """Read a section by the table of its task.

    Args:
        kind: of the table, e.g. `losses`.
        read: reads the section by a table.
        model_type: of the task; None for the first one that the section suits, and where it suits
            none for a table of all tasks.

    Raises:
        ConfigError: naming every problem, of the table that knows the section's names.
    """
    if model_type is None:
        tables = [*(getattr(task, kind) for task in TASKS.values()), of_every_task(kind)]
    else:
        problems = Problems()
        task = task_of({"model_type": model_type}, problems)
        problems.raise_any()
        tables = [getattr(task, kind)]
    tried = []
    for table in tables:
        problems = Problems()
        found = read(table, problems)
        if not problems and found is not None:
            return found
        unknown = f"unknown {table.kind} "
        num_unknown = sum(problem.message.startswith(unknown) for problem in problems)
        tried.append((num_unknown, len(problems), problems))
    _, _, fewest = min(reversed(tried), key=lambda counted: counted[:2])
    fewest.raise_any()
    raise AssertionError("a section that cannot be read has problems")
