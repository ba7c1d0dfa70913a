"""Labels of other programs: what each format says, what is refused, and lines cut out of pages."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime.errors import DatasetError
from runtime.recognition.labels import read_labels
from training.data import from_pages
from training.data.importing.__main__ import FORMATS, main
from training.data.importing.cutting import Pictures
from training.data.importing.page import IGNORED, ImportedPage

BOX = ((10.0, 10.0), (110.0, 10.0), (110.0, 30.0), (10.0, 30.0))
ALTO = """<?xml version="1.0"?><alto xmlns="http://www.loc.gov/standards/alto/ns-v4#">
<Description><MeasurementUnit>pixel</MeasurementUnit>
<sourceImageInformation><fileName>page.png</fileName></sourceImageInformation></Description>
<Layout><Page><PrintSpace><TextBlock>
<TextLine ID="l" HPOS="10" VPOS="10" WIDTH="100" HEIGHT="20">
<String CONTENT="zwei"/><SP/><String CONTENT="Wör"/><HYP CONTENT="-"/></TextLine>
</TextBlock></PrintSpace></Page></Layout></alto>"""
PAGE = """<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">
<Page imageFilename="page.png"><TextRegion><Coords points="0,0 1,0 1,1"/>
<TextLine id="l"><Coords points="10,10 110,10 110,30 10,30"/>
<Word><Coords points="1,1 2,1 2,2"/><TextEquiv><Unicode>zwei</Unicode></TextEquiv></Word>
<TextEquiv index="1"><Unicode>other</Unicode></TextEquiv>
<TextEquiv index="0"><Unicode>zwei Wör-</Unicode></TextEquiv></TextLine>
</TextRegion></Page></PcGts>"""
HOCR = """<html><body><div class='ocr_page' title='image "page.png"; bbox 0 0 200 60'>
<p class='ocr_par'><span class='ocr_line' title="bbox 10 10 110 30; baseline 0 0">
<span class='ocrx_word' title='bbox 10 10 50 30'>zwei</span><br>
<span class='ocrx_word' title='bbox 60 10 110 30'>W&ouml;r-</span></span></p></div></body></html>"""
COCO = {
    "imgs": {"7": {"file_name": "page.png"}},
    "anns": {
        "1": {"image_id": 7, "bbox": [10, 10, 100, 20], "utf8_string": "zwei Wör-"},
        "2": {"image_id": 7, "bbox": [10, 40, 100, 10], "legibility": "illegible"},
    },
}
PPOCR = [
    {"transcription": "zwei Wör-", "points": [list(point) for point in BOX]},
    {"transcription": "x", "points": [[0, 40], [9, 40], [9, 50], [0, 50]], "difficult": True},
]
FILES = {
    "alto": ("page.xml", ALTO),
    "page": ("page.xml", PAGE),
    "hocr": ("page.hocr", HOCR),
    "coco-text": ("coco.json", json.dumps(COCO)),
    "ppocrlabel": ("Label.txt", f"page.png\t{json.dumps(PPOCR)}\n"),
    "icdar": ("gt_page.txt", "\ufeff10,10,110,10,110,30,10,30,zwei Wör-\r\n"),
}


def read(folder: Path, kind: str, content: str | None = None) -> list[ImportedPage]:
    name, own = FILES[kind]
    (folder / name).write_text(own if content is None else content, encoding="utf-8")
    return list(FORMATS[kind].read(folder / name))


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_says_the_same(tmp_path: Path, kind: str) -> None:
    (page,) = read(tmp_path, kind)
    assert Path(page.image).stem == "page"
    assert page.texts[0].points == BOX
    assert page.texts[0].text == "zwei Wör-"
    assert [text.text for text in page.texts[1:]] in ([], [IGNORED])


@pytest.mark.parametrize("kind", FORMATS)
def test_lines_are_cut_out_of_their_pages(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "labels"
    source.mkdir()
    read(source, kind)
    picture = np.full((60, 200, 3), 255, np.uint8)
    picture[10:30, 10:110] = (0, 0, 200)
    (tmp_path / "pictures" / "deep").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "pictures" / "deep" / "page.png"), picture)
    asked = [str(source), "--from", kind, "--images", str(tmp_path / "pictures")]
    assert main([*asked, "--output", str(tmp_path / "out")]) == 0
    (row,) = read_labels(tmp_path / "out" / "labels.txt").rows
    assert row.text == "zwei Wör-"
    line = cv2.imread(str(tmp_path / "out" / row.names[0]))
    assert line.shape[0] == 64 and 300 <= line.shape[1] <= 340
    assert line[20:40, 30:-30].mean(axis=(0, 1)) == pytest.approx([0, 0, 200], abs=8)
    # As pages, for a detector; and never over what is there.
    assert main([*asked, "--output", str(tmp_path / "pages"), "--pages"]) == 0
    (page,) = read_labels(tmp_path / "pages" / "labels.txt").rows
    assert json.loads(page.text)[0] == {
        "transcription": "zwei Wör-",
        "points": [list(point) for point in BOX],
    }
    assert (tmp_path / "pages" / page.names[0]).resolve().is_file()
    capsys.readouterr()
    assert main([*asked, "--output", str(tmp_path / "out")]) == 2
    assert "give --force" in capsys.readouterr().err


def test_from_pages_takes_paddleocr_s_labels(tmp_path: Path) -> None:
    read(tmp_path, "ppocrlabel")
    cv2.imwrite(str(tmp_path / "page.png"), np.zeros((60, 200, 3), np.uint8))
    asked = [str(tmp_path / "Label.txt"), "--output", str(tmp_path / "lines")]
    assert from_pages.main(asked) == 0
    assert len(read_labels(tmp_path / "lines" / "labels.txt").rows) == 1


BOMB = '<!DOCTYPE a [<!ENTITY b "lol"><!ENTITY c "&b;&b;">]>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("alto", BOMB + "<alto>&c;</alto>", "declares entities"),
        ("page", OUTSIDE + "<PcGts>&b;</PcGts>", "declares entities"),
        ("alto", PAGE, "expected ALTO, got <PcGts>"),
        ("page", ALTO, "expected PAGE, got <alto>"),
        ("alto", ALTO.replace("pixel<", "mm10<"), "expected coordinates in px, got mm10"),
        ("alto", ALTO.replace('HPOS="10"', 'HPOS="x"'), "expected HPOS"),
        ("alto", "<a>" * 200, "100 deep"),
        ("alto", "no xml", "expected XML"),
        ("page", PAGE.replace("10,10 110,10", "10,10 110"), "expected pairs of numbers"),
        ("page", PAGE.replace("10,10 110,10", "10,1e99 110,10"), "expected coordinates in px"),
        ("hocr", "<p>nothing</p>", "expected hOCR with ocr_page"),
        ("hocr", HOCR.replace("bbox 10 10 110 30; baseline", "box"), "expected a line with a bbox"),
        ("coco-text", "[1]", "expected imgs of COCO-Text"),
        ("coco-text", "{", "expected JSON"),
        ("coco-text", '{"imgs": {}, "anns": {"1": {"image_id": 3, "bbox": [1]}}}', "four numbers"),
        ("coco-text", '{"imgs": {}, "anns": {"1": {"bbox": [1,1,2,2]}}}', "expected the file_name"),
        ("ppocrlabel", "a.png\tplain text\n", "expected JSON"),
        ("ppocrlabel", 'a.png\t[{"points": [["a", 1]]}]\n', "expected points of two numbers"),
        ("ppocrlabel", 'a.png\t[{"points": [[NaN, 1]]}]\n', "expected coordinates in px"),
        ("icdar", "10,10,110,text\n", "expected x1,y1"),
    ],
)
def test_what_is_no_such_file_is_refused_in_a_line(
    tmp_path: Path, kind: str, content: str, message: str
) -> None:
    with pytest.raises(DatasetError, match=message) as error:
        read(tmp_path, kind, content)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('10, 10, 110, 30, "Tiredness"', "Tiredness"),
        ('10 10 110 30 "Tiredness"', "Tiredness"),
        ("10,10,110,10,110,30,10,30,###", IGNORED),
        ("10,10,110,10,110,30,10,30,a, b", "a, b"),
    ],
)
def test_both_of_icdar_s_lines(tmp_path: Path, line: str, text: str) -> None:
    (page,) = read(tmp_path, "icdar", f"{line}\n")
    assert page.texts[0].text == text and page.texts[0].points == BOX


def test_pictures_are_never_looked_for_outside_their_folder(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "secret.png"), np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(DatasetError, match="no such picture"):
        Pictures(tmp_path / "pictures").path("../secret.png")
    for folder in ("a", "b"):
        (tmp_path / "pictures" / folder).mkdir()
        cv2.imwrite(str(tmp_path / "pictures" / folder / "p.png"), np.zeros((9, 9, 3), np.uint8))
    pictures = Pictures(tmp_path / "pictures")
    assert pictures.path("a/p.png") == tmp_path / "pictures" / "a" / "p.png"
    with pytest.raises(DatasetError, match="several pictures"):
        pictures.path("p.png")


def test_a_page_without_its_picture_does_not_stop_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = FILES["ppocrlabel"][1]
    (tmp_path / "Label.txt").write_text(text + text.replace("page.png", "gone.png"), "utf-8")
    cv2.imwrite(str(tmp_path / "page.png"), np.zeros((60, 200, 3), np.uint8))
    asked = [str(tmp_path / "Label.txt"), "--from", "ppocrlabel"]
    assert main([*asked, "--output", str(tmp_path / "out")]) == 1
    assert (
        "1 pages, 1 lines\n  left out: 1 lines without a text\n  left out: gone.png: no such"
        in (capsys.readouterr().out)
    )
