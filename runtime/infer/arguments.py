"""The command line of `python -m runtime.infer`; nothing heavy is imported to parse it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from runtime.errors import ArtifactError
from runtime.infer.detection import arguments as finding
from runtime.infer.pages import arguments as pages
from runtime.infer.parquet_folder import SUFFIX, is_parquet_folder
from runtime.infer.records import format_named, format_of
from runtime.infer.values import device, multiple, number, positive, precision
from runtime.program import program_name, tell
from runtime.recognition.model.default import default_model

FORMATS = ("table", "jsonl", "csv", "txt", "labels")
COMPATS = ("paddleocr2", "paddleocr3")
RAY_FILES = ("auto", "shared", "ship")
USAGE_ERROR = 2


class Parser(argparse.ArgumentParser):
    """A parser whose error messages are one line."""

    def error(self, message: str) -> NoReturn:
        """Exit with the message in one line, without the usage in front of it."""
        tell("infer", f"{message} (--help shows all options)")
        self.exit(USAGE_ERROR)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse and check the command line; exit with a message if it is invalid."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if not (arguments.paths or arguments.list or arguments.stdin_images):
        parser.error("no image was given: expected PATH, --list FILE or --stdin-images")
    if arguments.detector is not None and arguments.task == "rec":
        parser.error("--detector is about finding text: expected --detect-only or --pages too")
    finding.check(parser, arguments)
    pages.check(parser, arguments)
    try:
        arguments.model = arguments.model or default_model()
        _check_output(arguments)
    except ArtifactError as error:
        parser.error(str(error))
    if arguments.stdin_images and "-" in arguments.paths:
        parser.error("standard input holds either names (-) or images (--stdin-images), got both")
    for name, is_given in {
        "--address": arguments.address is not None,
        "--ray-files": arguments.ray_files != "auto",
    }.items():
        if is_given and not arguments.ray:
            parser.error(f"{name} is about a cluster: expected --ray too")
    if arguments.ray and arguments.compat:
        parser.error("--compat needs all images at once: expected it without --ray")
    if arguments.ray and arguments.device_id:
        parser.error("--ray chooses the GPUs: expected no --device-id")
    if arguments.retry_failed and not arguments.resume:
        parser.error("--retry-failed is about results there are already: expected --resume too")
    if arguments.labels_dir is not None and arguments.labels is None:
        parser.error("--labels-dir is about the names in a label file: expected --labels too")
    if arguments.resume and arguments.output is None:
        parser.error("--resume needs the results to go on with: expected --output FILE")
    return arguments


def _check_output(arguments: argparse.Namespace) -> None:
    """Refuse a file of results whose suffix stands for no format."""
    output = arguments.output
    if output is None or arguments.output_format is not None or is_parquet_folder(output):
        return
    if arguments.task == "pages":
        format_of(output, [SUFFIX, *pages.SUFFIXES])
    elif pages.kind_of(output) is not None:
        raise ArtifactError(f"--output {output} holds pages: expected --pages too")
    else:
        format_of(output, [SUFFIX])


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = Parser(
        prog=program_name("runtime.infer"),
        description="Read line images with a trained recogniser, read pages, or find their lines.",
        epilog="Exit status: 0 all read, 1 some images failed, 2 not done as asked, "
        "130 interrupted, 141 nobody reads the output any more.",
    )
    _add_images(parser.add_argument_group("images"))
    _add_model(parser.add_argument_group("model"))
    pages.add_options(parser.add_argument_group("pages"))
    finding.add_options(parser.add_argument_group("finding text"))
    _add_results(parser.add_argument_group("results"))
    _add_cluster(parser.add_argument_group("many machines"))
    return parser


def _add_images(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="image files, folders (searched through), patterns such as 'scans/**/*.png', "
        "@FILE for the names in a file, - for names on standard input; several pages or frames "
        "of a file are images of their own",
    )
    group.add_argument(
        "--list", action="append", default=[], metavar="FILE", help="names of images, one a line"
    )
    group.add_argument(
        "--stdin-images",
        action="store_true",
        help="image files on standard input, each after its length as 4 bytes, highest first",
    )
    group.add_argument(
        "--max-pixels",
        type=multiple,
        default=None,
        metavar="N",
        help="refuse larger images before they are decoded; 64M or a plain number; default: 64M, "
        "of pages 128M",
    )


def _add_model(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--model",
        metavar="FILE",
        help="the recogniser, an .onnx or .plan file; default: models/latin, Latin script",
    )
    group.add_argument(
        "--dictionary",
        metavar="FILE",
        help="characters, one a line, for a model that does not carry its own",
    )
    group.add_argument(
        "--device",
        "--provider",
        type=device,
        metavar="NAME",
        help="auto, cpu, openvino, cuda or tensorrt; default: auto",
    )
    group.add_argument(
        "--precision",
        type=precision,
        metavar="NAME",
        help="on the CPU: fp32; bf16, in OpenVINO; int8, the 8-bit form; auto: as the model's file "
        "is, or faster where that is proven beside it; default: auto",
    )
    group.add_argument(
        "--device-id", type=number, default=0, metavar="N", help="of the GPU; default: %(default)s"
    )
    group.add_argument(
        "--batch-size",
        type=positive,
        metavar="N",
        help="most lines, or pages on a GPU, at a time; default: 32 lines, 4 pages",
    )
    group.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="CPU threads, with --ray of every reader; default: as many as there are to use",
    )
    group.add_argument(
        "--compat",
        choices=COMPATS,
        help="batches and widths of PaddleOCR itself; all images are held in memory then",
    )
    group.add_argument(
        "--alternatives",
        type=number,
        default=0,
        metavar="K",
        help="the K most probable texts of each line with their probabilities, in JSON lines and "
        "CSV; default: none",
    )


def _add_results(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--format",
        type=format_named,
        choices=(*FORMATS, *pages.PRINTED),
        default="table",
        help="of what is printed; txt is PaddleOCR's: path, text, score, or path and boxes, and of "
        "pages the text alone; labels is PaddleOCR's label file of pages, paddleocr its JSON; "
        "default: %(default)s",
    )
    group.add_argument(
        "--output",
        metavar="FILE",
        help="write results to a file, as its suffix says: .jsonl, .json or none (JSON lines), "
        ".csv, .txt; .parquet or a folder for a folder of Parquet files; of pages also .pdf "
        "(searchable), .hocr, .html, .xml (ALTO)",
    )
    group.add_argument(
        "--output-format",
        type=format_named,
        choices=(*FORMATS[1:], *pages.PRINTED, "pdf"),
        help="of --output, whatever its suffix",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="skip the images that --output (JSON lines, .csv, Parquet) holds already, add the "
        "others",
    )
    group.add_argument(
        "--retry-failed",
        action="store_true",
        help="with --resume, read images again that failed before; otherwise they stay failed, and "
        "count in the exit status",
    )
    group.add_argument(
        "--csv-safe",
        action="store_true",
        help="in CSV put an apostrophe before texts that a spreadsheet would take for a formula "
        "(=, +, -, @ in front, and no number)",
    )
    group.add_argument(
        "--visualize",
        metavar="DIR",
        help="draw each image with what was read (needs pillow), or found",
    )
    group.add_argument(
        "--labels", metavar="FILE", help="path<TAB>text of each image: say how many are right"
    )
    group.add_argument(
        "--labels-dir",
        metavar="DIR",
        help="that the names in --labels are relative to (PaddleOCR's data_dir); default: the "
        "folder of the file, or the one above it in which the images are",
    )
    group.add_argument(
        "--quiet",
        action="store_true",
        help="print neither results nor summary, only errors, and with --labels how many are right",
    )


def _add_cluster(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--ray",
        action="store_true",
        help="read with processes that Ray starts, on this machine or a cluster; images may then "
        "be addresses such as s3://bucket/folder",
    )
    group.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="of a running Ray cluster; auto for the one that this machine belongs to; default: "
        "one of this machine's own, which ends with the run",
    )
    group.add_argument(
        "--ray-files",
        choices=RAY_FILES,
        default="auto",
        help="shared: every machine has the files under the same paths; ship: their bytes are "
        "sent; auto: they are sent if other machines may read; default: %(default)s",
    )
