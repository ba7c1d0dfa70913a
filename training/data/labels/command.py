"""What the commands on label files share: arguments, lines with their images, exit status."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import DatasetError
from runtime.program import add_json, program_name
from runtime.recognition.labels import LabelRow, path_of, read_labels
from runtime.signals import exit_status
from runtime.standard_streams import open_standard_streams

DONE, FOUND = 0, 1


@dataclass(frozen=True)
class LabelledFile:
    """A label file and the folder of its images.

    Args:
        file: as it was named.
        folder: that its names are relative to.
        rows: its lines.
        malformed: `file:number` of lines without name or delimiter.
    """

    file: Path
    folder: Path
    rows: tuple[LabelRow, ...]
    malformed: tuple[str, ...]

    def path(self, row: LabelRow) -> Path:
        """Return the first image of a row."""
        return path_of(self.folder, row.names[0])


def parser_of(name: str, documentation: str | None) -> argparse.ArgumentParser:
    """Return the parser of `python -m training.data.NAME`, with its label files.

    Args:
        name: of the module.
        documentation: of the module; `--help` shows its first line.
    """
    parser = argparse.ArgumentParser(
        prog=program_name(f"training.data.{name}"),
        description=(documentation or "").split("\n")[0],
    )
    add_json(parser)
    parser.add_argument("files", nargs="+", type=Path, metavar="LABEL_FILE", help="path, tab, text")
    parser.add_argument(
        "--data-dir", type=Path, metavar="FOLDER", help="of the images; default: each file's own"
    )
    return parser


def read_files(options: argparse.Namespace) -> list[LabelledFile]:
    """Read the label files of a command line.

    Raises:
        DatasetError: if one cannot be read, or none has a line.
    """
    found = []
    for file in options.files:
        labels = read_labels(file)
        folder = options.data_dir or file.parent
        found.append(LabelledFile(file, folder, labels.rows, labels.malformed))
    if not any(labelled.rows for labelled in found):
        malformed = sum(len(labelled.malformed) for labelled in found)
        raise DatasetError(
            f"no lines in {', '.join(map(str, options.files))}: expected path, tab and text on "
            f"each line, got {malformed} others; check the files"
        )
    return found


def run(
    name: str,
    parser: argparse.ArgumentParser,
    work: Callable[[argparse.Namespace], int],
    arguments: Sequence[str] | None,
) -> int:
    """Run a command, and return its exit status.

    Args:
        name: of the module, for messages.
        parser: of its options.
        work: takes them, returns the status.
        arguments: those of the process when None.

    Returns:
        That of `work`; 2 for an error that the user can mend, 130 after Ctrl-C, 143 after SIGTERM.
    """
    open_standard_streams()
    options = parser.parse_args(arguments)

    def done() -> int:
        try:
            return work(options)
        except OSError as error:
            raise DatasetError(f"{error.filename or ''}: {error.strerror or error}") from error

    return exit_status(name, done)


def refuse_existing(path: Path, is_allowed: bool) -> None:
    """Refuse to write over a file or a folder with something in it.

    Raises:
        DatasetError: naming `--force`.
    """
    is_taken = any(path.iterdir()) if path.is_dir() else path.exists()
    if is_taken and not is_allowed:
        raise DatasetError(f"{path} is there already: name another, or give --force")
