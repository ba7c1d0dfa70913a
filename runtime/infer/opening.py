"""Opens what a task makes of images: in this process, or on many machines."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.cluster.opening import Opening
from runtime.engines import ENGINE_SUFFIXES
from runtime.engines.choice.proof import proofs_path
from runtime.engines.choice.ways import INT8, eight_bit_name
from runtime.inference_yml import FILE_NAME

if TYPE_CHECKING:
    from runtime.infer.task import Stream, Task

_ON_GPU = ("cuda", "tensorrt")
_ON_CPU = ("cpu", "openvino")


def open_stream(
    task: Task, arguments: Namespace, stack: ExitStack, is_due: Callable[[], bool]
) -> Stream:
    """Open what makes results of images; the stack closes it.

    Args:
        task: of the command line.
        arguments: the command line.
        stack: of the run.
        is_due: tells whether the run is to end at once.
    """
    opening = task.opening(arguments)
    if not arguments.ray:
        return stack.enter_context(opening.open()).stream
    from runtime.cluster.readers import ClusterReader

    cluster = ClusterReader(
        opening,
        task.failed,
        task.shard_sizes,
        address=arguments.address,
        files=arguments.ray_files,
        threads=arguments.threads,
    )
    reader = stack.enter_context(cluster)
    return lambda images: reader.stream(images, is_due)


def opening_of(
    factory: str,
    models: dict[str, str | Path],
    options: dict[str, Any],
    *,
    max_pixels: int,
    files: Iterable[tuple[str, str | Path | None]] = (),
) -> Opening:
    """Return how what runs models is opened.

    Args:
        factory: as `Opening`.
        models: argument -> path of a model.
        options: other arguments; `device` says whether a GPU is needed.
        max_pixels: as `Opening`.
        files: other arguments and paths; None where there is none.
    """
    device = options.get("device", "auto")
    is_engine = any(Path(model).suffix.lower() in ENGINE_SUFFIXES for model in models.values())
    named: dict[str, Sequence[str | Path]] = {
        argument: (model, *_beside(Path(model), options.get("precision")))
        for argument, model in models.items()
    }
    named |= {argument: (path,) for argument, path in files if path is not None}
    return Opening(
        factory, named, options, max_pixels, is_engine or device in _ON_GPU, device not in _ON_CPU
    )


def _beside(model: Path, precision: str | None) -> tuple[Path, ...]:
    """Return the files that are looked for beside a model."""
    files: tuple[Path, ...] = (model.with_name(FILE_NAME), proofs_path(model))
    if model.suffix.lower() in ENGINE_SUFFIXES:
        from runtime.engines.sidecar import sidecar_path

        files = (sidecar_path(model), *files)
    if precision == INT8 or proofs_path(model).is_file():
        return (*files, model.with_name(eight_bit_name(model.name)))
    return files
