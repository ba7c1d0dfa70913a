"""Reads images with every network of a checkpoint, as they will be served.

    python -m training.predict -c configs/….yml -o Global.checkpoints=output/best_accuracy images/

Exit status: 0 all images were read; 1 some could not be; 2 nothing could be done.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.errors import ConfigError
from runtime.files import write_atomically
from runtime.images.sources import find_images
from runtime.program import add_json, show
from runtime.standard_streams import say
from training.command import DONE, SOME_FAILED, run_command
from training.output_folder import refuse_unwritable_file

if TYPE_CHECKING:
    from training.config import Config


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return run_command("predict", __doc__, _predict, arguments, _add_arguments)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)
    parser.add_argument(
        "images",
        nargs="*",
        metavar="IMAGE",
        help="files, folders and patterns; Global.infer_img when none are given",
    )


def _predict(config: Config, options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from training.run import build_trained_run

    run, _ = build_trained_run(config, data=())
    paths = options.images or [path for path in (run.settings.infer_img,) if path]
    if not paths:
        raise ConfigError(
            "no images: expected files or folders after the options, or Global.infer_img, got "
            "neither; name some"
        )
    if run.settings.save_res_path:
        refuse_unwritable_file(Path(run.settings.save_res_path), "Global.save_res_path")
    files = list(find_images(paths))
    reading = run.task.predictions(run, files)
    predictions = list(tqdm(reading, "reading", len(files), leave=False, delay=2))
    show(options, run.task.table(predictions), [entry.as_json() for entry in predictions])
    if run.settings.save_res_path:
        path = Path(run.settings.save_res_path)
        text = run.task.results_text(predictions)
        write_atomically(path, text.encode(errors="backslashreplace"))
        say(f"written: {path}")
    return DONE if all(prediction.error is None for prediction in predictions) else SOME_FAILED


if __name__ == "__main__":
    sys.exit(main())
