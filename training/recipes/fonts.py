"""Makes TrueType files of fonts that come in packages for web pages.

    mkdir packages && cd packages
    grep -v '#' ../configs/latin/fontsource.txt | xargs -n 20 npm pack --silent
    cd .. && python -m training.recipes.fonts packages fonts/web

Of each family a plain, a bold and an italic face are taken. A web page's font comes in parts, each
with some of the characters; the Latin parts are joined. Packages of a licence that is not open are
left out, and said.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fontTools.merge import Merger, Options
from fontTools.ttLib import TTFont

from runtime.errors import DatasetError
from runtime.files import write_atomically
from runtime.signals import exit_status
from runtime.standard_streams import open_standard_streams
from training.data.synthetic.fonts import UNREADABLE

OPEN_LICENCES = re.compile(
    r"OFL|Apache|Ubuntu|UFL|MIT|CC0|Unlicense|Bitstream|IPA|GPL", re.IGNORECASE
)
SUBSETS = ("latin", "latin-ext")
STYLES = ((400, "normal"), (700, "normal"), (400, "italic"))
"""Weight and style of the faces that are wanted; the nearest weight is taken."""

MOST_BYTES = 8 << 20
"""Of one file of a package; Latin parts take a few hundred kilobytes at most."""

_FACE = re.compile(r"package/files/.+?-(latin(?:-ext)?)-(\d{3})-(normal|italic)\.woff")
_LAYOUT_TABLES = ["GSUB", "GPOS", "GDEF", "kern", "DSIG", "STAT", "meta", "morx", "hdmx", "VDMX"]
_HINTING_TABLES = ["fpgm", "prep", "cvt ", "LTSH", "gasp", "cvar"]


@dataclass(frozen=True)
class Package:
    """A package of one family, as far as it is of use.

    Args:
        name: as the package's files begin.
        licence: what the package says of it.
        parts: bytes of font files by subset, weight and style.
    """

    name: str
    licence: str
    parts: Mapping[tuple[str, int, str], bytes]


def read_package(path: Path) -> Package:
    """Read the Latin parts of the wanted faces from a package's archive.

    Raises:
        DatasetError: if it is no archive of a font.
    """
    try:
        with tarfile.open(path) as archive:
            members = {member.name: member for member in archive if member.isfile()}
            metadata = json.loads(_content(archive, members, "package/metadata.json"))
            matches = [match for name in members if (match := _FACE.fullmatch(name))]
            found = {(match[1], int(match[2]), match[3]): match[0] for match in matches}
            chosen = _wanted(found)
            parts = {key: _content(archive, members, name) for key, name in chosen.items()}
        return Package(str(metadata["id"]), str(metadata["license"]["type"]), parts)
    except (OSError, tarfile.TarError, ValueError, LookupError, TypeError, EOFError) as error:
        raise DatasetError(
            f"cannot read the package {path}: {error}; expected an archive of a font, as "
            "`npm pack` writes it; fetch it again"
        ) from error


def _content(archive: tarfile.TarFile, members: Mapping[str, Any], name: str) -> bytes:
    if name not in members or members[name].size > MOST_BYTES:
        raise ValueError(f"expected {name} of at most {MOST_BYTES} bytes")
    opened = archive.extractfile(members[name])
    assert opened is not None
    return opened.read()


def _wanted(found: Mapping[tuple[str, int, str], str]) -> dict[tuple[str, int, str], str]:
    """Choose the parts of the faces that come nearest to `STYLES`."""
    wanted: dict[tuple[str, int, str], str] = {}
    for weight, style in STYLES:
        weights = {key[1] for key in found if key[0] == SUBSETS[0] and key[2] == style}
        if weights:
            nearest = min(weights, key=lambda own: (abs(own - weight), own))
            keys = [(subset, nearest, style) for subset in SUBSETS]
            wanted |= {key: found[key] for key in keys if key in found}
    return wanted


def faces_of(package: Package) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the TrueType file of each face of a package."""
    for weight, style in sorted({key[1:] for key in package.parts}):
        keys = [(subset, weight, style) for subset in SUBSETS]
        parts = [package.parts[key] for key in keys if key in package.parts]
        yield f"{package.name}-{weight}-{style}.ttf", joined(parts)


def joined(parts: Sequence[bytes]) -> bytes:
    """Join font files of different characters into one without kerning and hinting."""
    plain = [_without_tables(part) for part in parts]
    if len(plain) == 1:
        return plain[0].getvalue()
    font = Merger(Options(drop_tables=_LAYOUT_TABLES)).merge(plain)
    output = io.BytesIO()
    font.save(output)
    return output.getvalue()


def _without_tables(part: bytes) -> io.BytesIO:
    """Unpack a web font and leave out what keeps parts from being joined."""
    output = io.BytesIO()
    with TTFont(io.BytesIO(part)) as font:
        for table in (*_LAYOUT_TABLES, *_HINTING_TABLES):
            if table in font:
                del font[table]
        if "glyf" in font:
            for name in font.getGlyphOrder():
                font["glyf"][name].removeHinting()
        font.flavor = None
        font.save(output)
    output.seek(0)
    return output


def convert(packages: Path, output: Path) -> tuple[int, list[str]]:
    """Write the faces of every package in a folder.

    Returns:
        The number of faces, and a line for each package or face that is left out.

    Raises:
        DatasetError: if there is no package.
    """
    archives = sorted(packages.glob("*.tgz"))
    if not archives:
        raise DatasetError(f"no packages in {packages}: expected *.tgz files, got none")
    output.mkdir(parents=True, exist_ok=True)
    left_out: list[str] = []
    num_faces = 0
    for archive in archives:
        try:
            package = read_package(archive)
            if not OPEN_LICENCES.search(package.licence):
                left_out.append(f"{archive.name}: licence {package.licence}")
                continue
            for name, content in faces_of(package):
                write_atomically(output / name, content)
                num_faces += 1
        except (DatasetError, *UNREADABLE, AttributeError, NotImplementedError) as error:
            left_out.append(f"{archive.name}: {error}")
    return num_faces, left_out


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    open_standard_streams()
    parser = argparse.ArgumentParser(
        prog="python -m training.recipes.fonts", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("packages", type=Path, help="folder of the archives `npm pack` wrote")
    parser.add_argument("output", type=Path, help="folder for the TrueType files")
    options = parser.parse_args(arguments)
    return exit_status("fonts", lambda: _convert(options))


def _convert(options: argparse.Namespace) -> int:
    num_faces, left_out = convert(options.packages, options.output)
    for line in left_out:
        print(f"left out: {line}")
    print(f"{options.output}: {num_faces} faces")
    return 0


if __name__ == "__main__":
    sys.exit(main())
