"""The options of finding text; nothing heavy is imported to parse them."""

from __future__ import annotations

import argparse

from runtime.detection.model.default import default_detector
from runtime.errors import ArtifactError

LIMIT_TYPES, BOX_TYPES = ("min", "max", "resize_long"), ("quad", "poly")
OPTIONS = (
    *("det_limit_side_len", "det_limit_type", "det_thresh", "det_box_thresh"),
    *("det_unclip_ratio", "det_dilation", "det_box_type"),
)
_OF_READING = {
    "model": "--model",
    "dictionary": "--dictionary",
    "compat": "--compat",
    "labels": "--labels",
    "alternatives": "--alternatives",
}
_REMEDIES = {"--model": "; name the detector with --detector"}


def add_options(group: argparse._ArgumentGroup) -> None:
    """Add the options to a parser, all of them None where they are not given."""
    group.add_argument(
        "--detect-only",
        dest="task",
        action="store_const",
        const="det",
        default="rec",
        help="find the lines of text in pages, with their boxes, and read nothing",
    )
    group.add_argument("--detector", metavar="FILE", help="the detector, an .onnx or .plan file")
    group.add_argument(
        "--det-limit-side-len",
        type=int,
        metavar="PX",
        help="for the side that --det-limit-type names; default: as the model says, else 736",
    )
    group.add_argument(
        "--det-limit-type",
        choices=LIMIT_TYPES,
        help="the shorter side has at least so much (min), the longer at most (max) or exactly "
        "(resize_long); default: as the model says, else min",
    )
    group.add_argument(
        "--det-thresh", type=float, metavar="P", help="a pixel above it is text; as the model says"
    )
    group.add_argument(
        "--det-box-thresh", type=float, metavar="P", help="least mean probability of a box"
    )
    group.add_argument(
        "--det-unclip-ratio",
        type=float,
        metavar="R",
        help="how far a box is moved outwards, times its area over its perimeter",
    )
    group.add_argument(
        "--det-dilation",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="grow what is found by a pixel first",
    )
    group.add_argument(
        "--det-box-type",
        choices=BOX_TYPES,
        help="rotated rectangles, or polygons that follow curved text (needs pyclipper)",
    )


def check(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Refuse options that have no effect, and name the detector as the run's model."""
    if arguments.task != "det":
        for name in OPTIONS:
            if getattr(arguments, name) is not None:
                option = f"--{name.replace('_', '-')}"
                parser.error(f"{option} is about finding text: expected --detect-only too")
        return
    for name, option in _OF_READING.items():
        if getattr(arguments, name):
            remedy = _REMEDIES.get(option, "")
            parser.error(f"{option} is about reading: expected it without --detect-only{remedy}")
    if arguments.detector is None:
        try:
            arguments.detector = str(default_detector())
        except ArtifactError as error:
            parser.error(str(error))
    if arguments.det_limit_type is not None and arguments.det_limit_side_len is None:
        parser.error("--det-limit-type names a side: expected --det-limit-side-len too")
    arguments.model = arguments.detector
