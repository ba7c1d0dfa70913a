"""`python -m export adopt`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from export.commands.arguments import add_images
from runtime.errors import ConfigError

HELP = "a self-describing ONNX of somebody else's model: PaddleOCR's folder, or a ready ONNX file"
_MODULES = {"rec": "export.recognition.adopt_command", "det": "export.detection.adopt_command"}
"""Task -> what adopts its models."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, the target, and what a model may leave unsaid."""
    parser.add_argument(
        "model",
        type=Path,
        help="a folder with inference.json or .pdmodel, .pdiparams and inference.yml; or .onnx",
    )
    parser.add_argument("--output", required=True, type=Path, metavar="FILE.onnx")
    parser.add_argument(
        "--task",
        choices=tuple(_MODULES),
        help="recognition or detection; told by inference.yml or the output's shape without it",
    )
    parser.add_argument("--opset", type=int, help="for a folder; default: 14, 17 with LayerNorm")
    add_images(parser)
    add_told(parser)


def add_told(parser: argparse.ArgumentParser) -> None:
    """Add what a model may leave unsaid; the file that is written says it."""
    group = parser.add_argument_group("what a model of either task does not say")
    group.add_argument("--color-order", choices=("BGR", "RGB"), help="default: BGR")
    normal = "of the normalisation, for all channels or each; default: the task's"
    group.add_argument("--mean", type=float, nargs="+", metavar="M", help=normal)
    group.add_argument("--std", type=float, nargs="+", metavar="S", help=normal)
    own = {task: import_module(module).add_arguments(parser) for task, module in _MODULES.items()}
    parser.set_defaults(options_of_tasks=own)


def run(options: argparse.Namespace) -> Mapping[str, Any]:
    """Adopt one model; return path, hash and parity.

    Raises:
        ConfigError: if something is told that models of this task do not have.
    """
    from export.adoption import task_of_model

    task = options.task or task_of_model(options.model)
    for other, names in options.options_of_tasks.items():
        told = [name for name in names if other != task and getattr(options, name) is not None]
        if told:
            raise ConfigError(
                f"--{told[0].replace('_', '-')}: {options.model} is a model of the task {task}, "
                f"which has no such setting; leave it out, or say --task {other}"
            )
    result: Mapping[str, Any] = import_module(_MODULES[task]).run(options)
    return result
