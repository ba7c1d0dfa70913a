"""Fonts of web packages."""

import io
import json
import tarfile
from pathlib import Path

import pytest
from fontTools import subset
from fontTools.ttLib import TTFont

from training.data.synthetic.fonts import find_font_files
from training.recipes.fonts import main


def web_font(characters: str) -> bytes:
    path = next(path for path in find_font_files() if path.name == "DejaVuSans.ttf")
    font = TTFont(path)
    cutter = subset.Subsetter()
    cutter.populate(text=characters)
    cutter.subset(font)
    font.flavor = "woff"
    output = io.BytesIO()
    font.save(output)
    return output.getvalue()


def archive(path: Path, licence: str) -> None:
    metadata = {"id": path.stem, "license": {"type": licence}}
    files = {
        "package/metadata.json": json.dumps(metadata).encode(),
        f"package/files/{path.stem}-latin-400-normal.woff": web_font("abc"),
        f"package/files/{path.stem}-latin-ext-400-normal.woff": web_font("ěšč"),
        f"package/files/{path.stem}-greek-400-normal.woff": b"not read",
    }
    with tarfile.open(path, "w:gz") as packed:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))


def test_parts_are_joined_and_closed_licences_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive(tmp_path / "open.tgz", "OFL-1.1")
    archive(tmp_path / "closed.tgz", "proprietary")
    (tmp_path / "broken.tgz").write_bytes(b"no archive")
    output = tmp_path / "fonts"
    assert main([str(tmp_path), str(output)]) == 0
    printed = capsys.readouterr().out
    assert "left out: closed.tgz: licence proprietary" in printed
    assert "cannot read the package" in printed and f"{output}: 1 faces" in printed
    assert [path.name for path in output.iterdir()] == ["open-400-normal.ttf"]
    assert set("abcěšč") <= {
        chr(code) for code in TTFont(output / "open-400-normal.ttf").getBestCmap()
    }


def test_a_folder_without_packages_is_an_error(tmp_path: Path) -> None:
    assert main([str(tmp_path), str(tmp_path / "fonts")]) == 2
    assert not (tmp_path / "fonts").exists()
