"""`python -m export build`: flags are trtexec's where it has them."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from export.commands.arguments import add_images
from export.commands.precision import add_precision, tie_tolerance_of

HELP = "ONNX -> TensorRT engine, FP32 or proven FP16; trtexec's words, and a default for each"
_AUTOMATIC = "auto"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add model, shapes, precision and builder."""
    parser.add_argument("--onnx", required=True, type=Path, help="the model, FP32 or FP16")
    parser.add_argument("--saveEngine", required=True, type=Path, metavar="PLAN")
    parser.add_argument(
        "--fp16", action="store_true", help="FP16 as far as readings stay the same; see precision"
    )
    add_images(parser)
    add_precision(parser)
    shapes = parser.add_argument_group("shapes, [N, C, H, W] of the model's input x")
    for name, default in (
        ("min", "one line of the least width, one page of the least size"),
        ("opt", "the commonest size of --images; without, a line of 320 px, a photographed page"),
        ("max", "32 lines of up to 640 px, fewer of longer ones; pages up to the model's limit"),
    ):
        shapes.add_argument(
            f"--{name}Shapes", default="", metavar="x:NxCxHxW", help=f"default: {default}"
        )
    shapes.add_argument("--shapes", default="", metavar="x:NxCxHxW", help="all three at once")
    shapes.add_argument(
        "--bucketProfiles",
        nargs="?",
        const=_AUTOMATIC,
        metavar="W,W",
        help="a profile for each range of widths, or of a page's longer sides, up to these, in px; "
        "without a value they double; default: lines up to 320, 640, 1280 px and so on, pages up "
        "to 1280, 2560 px, or one as the shapes say",
    )
    _add_builder(parser.add_argument_group("builder"))
    ignored = parser.add_argument_group("trtexec's, without effect here")
    for flag, why in (
        ("stronglyTyped", "always so"),
        ("skipInference", "nothing is timed; see benchmarks.trt"),
        ("noTF32", "always so: FP32 means FP32"),
    ):
        ignored.add_argument(f"--{flag}", action="store_true", help=why)


def _add_builder(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--backend", default="auto", help="auto (TensorRT before TensorRT-RTX), tensorrt, "
        "tensorrt-rtx"
    )  # fmt: skip
    group.add_argument("--device", type=int, default=0, metavar="N", help="number of the GPU")
    group.add_argument(
        "--computeCapability",
        default="",
        metavar="8.6,8.9",
        help="targets of TensorRT-RTX; default: the GPU here, without one all that can be built",
    )
    group.add_argument("--timingCacheFile", default="", metavar="FILE", help="read, then kept")
    group.add_argument("--builderOptimizationLevel", type=int, metavar="0-5")
    group.add_argument(
        "--memPoolSize", default="", metavar="workspace:MiB", help="default: the library's own"
    )
    group.add_argument("--maxAuxStreams", type=int, metavar="N")
    group.add_argument("--hardwareCompatibilityLevel", default="none", metavar="LEVEL",
                       help="none, ampere+ or sameComputeCapability")  # fmt: skip
    for flag, what in (
        ("versionCompatible", "later versions may run the plan"),
        ("excludeLeanRuntime", "with --versionCompatible: leave the lean runtime out"),
        ("refit", "weights can be replaced"),
        ("stripWeights", "leave weights out, to be refitted"),
    ):
        group.add_argument(f"--{flag}", action="store_true", help=what)
    group.add_argument(
        "--exportLayerInfo", type=Path, metavar="FILE", help="layers as JSON; needs a GPU"
    )
    group.add_argument("--dumpLayerInfo", action="store_true", help="layers on stderr; needs a GPU")
    group.add_argument("--verbose", action="store_true", help="all that the library says")


def run(options: argparse.Namespace) -> Mapping[str, Any]:
    """Build an engine, prove it, and write it.

    Raises:
        OcrError: with every reason this project knows; no plan is written then.
    """
    from export.engine import EngineRequest, build_engine
    from export.engine.options import FLAGS, BuildOptions, pools_from_text
    from runtime.errors import ConfigError

    shapes = {name: getattr(options, f"{name}Shapes") for name in ("min", "opt", "max")}
    if options.shapes and any(shapes.values()):
        raise ConfigError(
            "--shapes: expected it alone, got --minShapes, --optShapes or --maxShapes"
        )
    if options.shapes:
        shapes = dict.fromkeys(shapes, options.shapes)
    _require_library(options.backend)
    request = EngineRequest(
        onnx_path=options.onnx,
        plan_path=options.saveEngine,
        is_half=options.fp16,
        shapes=shapes,
        buckets=_buckets(options.bucketProfiles),
        images=options.images,
        dictionary=options.dictionary,
        tie_tolerance=tie_tolerance_of(options),
        rebuild_command=command_line(options),
        options=BuildOptions(
            backend=options.backend,
            device_id=options.device,
            flags=tuple(flag for flag in FLAGS if getattr(options, flag)),
            hardware_level=options.hardwareCompatibilityLevel,
            pool_bytes=pools_from_text(options.memPoolSize),
            optimization_level=options.builderOptimizationLevel,
            max_aux_streams=options.maxAuxStreams,
            timing_cache=options.timingCacheFile,
            compute_capabilities=tuple(filter(None, options.computeCapability.split(","))),
            is_detailed=bool(options.exportLayerInfo or options.dumpLayerInfo),
            is_verbose=options.verbose,
        ),
        layer_info=options.exportLayerInfo,
        shows_layers=options.dumpLayerInfo,
    )
    return build_engine(request)


def command_line(options: argparse.Namespace) -> str:
    """Return the command line that asks for the same again."""
    parser = argparse.ArgumentParser(add_help=False)
    add_arguments(parser)
    words = ["python", "-m", "export", "build"]
    for name, value in vars(options).items():
        if name in ("command", "run") or value == parser.get_default(name):
            continue
        if value is True:
            words.append(f"--{name}")
        elif isinstance(value, list):
            words += [f"--{name}", *map(str, value)]
        else:
            words.append(f"--{name}={value}")
    # Bytes of file names that are no text are told as escapes.
    return shlex.join(words).encode("utf-8", "backslashreplace").decode()


def _require_library(backend: str) -> None:
    """Tell at once, not after minutes of proving, that there is nothing to build with."""
    from importlib.util import find_spec

    from runtime.engines.tensorrt.library import BACKENDS, load_tensorrt

    names = ("tensorrt", "tensorrt_rtx") if backend == "auto" else (backend.replace("-", "_"),)
    if backend not in BACKENDS or not any(find_spec(name) for name in names):
        load_tensorrt(backend)  # which raises, and says what to install


def _buckets(text: str | None) -> list[int] | None:
    from runtime.errors import ConfigError
    from runtime.fields import shown

    if text is None or text == _AUTOMATIC:
        return None if text is None else []
    parts = text.split(",")
    if not all(re.fullmatch("[0-9]{1,9}", part) for part in parts):
        raise ConfigError(
            f"--bucketProfiles: expected widths such as 160,320,640, got {shown(text)}"
        )
    return [int(part) for part in parts]
