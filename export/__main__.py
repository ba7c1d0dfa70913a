"""From a checkpoint to a verified ONNX file.

    python -m export --config configs/….yml --checkpoint output/best_accuracy --network Student \\
        --output-dir exported [--images crops/]
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from runtime.errors import OcrError

log = logging.getLogger("export")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m export", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("-c", "--config", required=True, type=Path, help="the training config")
    parser.add_argument("-o", "--override", nargs="+", action="extend", default=[], metavar="KEY=V")
    parser.add_argument("--checkpoint", required=True, help="file, prefix or folder")
    parser.add_argument("--network", default="Student", help="which network (default: Student)")
    parser.add_argument("--output-dir", required=True, type=Path)
    parser.add_argument(
        "--images", nargs="+", default=[], help="line images to compare on; rendered without it"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    # Imports wait until the arguments are right: paddle takes seconds.
    from export.chain import export_network
    from training.config import load_config

    try:
        config = load_config(options.config, options.override)
        result = export_network(
            config, options.checkpoint, options.network, options.output_dir, options.images
        )
    except OcrError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(result, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
