"""Wording, pens and typesetting."""

from dataclasses import replace

import numpy as np
import pytest

from training.data.synthetic.pages.faces import Typefaces
from training.data.synthetic.pages.pen import Pen
from training.data.synthetic.pages.sheet import Sheet
from training.data.synthetic.pages.typesetter import Area, Typesetter
from training.data.synthetic.pages.wording import LETTERS, WITHOUT_SPACES, Wording


@pytest.fixture(scope="module")
def faces() -> Typefaces:
    return Typefaces()


def typesetter(faces: Typefaces, width: int = 400, height: int = 300) -> Typesetter:
    rng = np.random.default_rng(4)
    sheet = Sheet(width, height, (255, 255, 255), (0, 0, 0))
    return Typesetter(sheet, 14, rng, faces, Wording(rng), 0.5)


@pytest.mark.parametrize("script", LETTERS)
def test_sentences_are_of_their_script(script: str) -> None:
    wording = Wording(np.random.default_rng(1), script)
    words = [word for _ in range(20) for word in wording.sentence()]
    assert all(words)
    if script != "latin":
        known = set(LETTERS[script]) | set("".join(LETTERS[script]).upper().lower())
        letters = [letter for word in words for letter in word if letter.isalpha()]
        assert np.mean([letter in known for letter in letters]) > 0.5
    if script in WITHOUT_SPACES:
        assert all(word.endswith("。") for word in words)


def test_pens_draw_what_they_measure(faces: Typefaces) -> None:
    face = faces.choose(np.random.default_rng(0), "latin").face(np.random.default_rng(0))
    pen = Pen(face, 24)
    glyphs = pen.glyphs("Hamburg 12")
    assert glyphs is not None
    assert abs(glyphs.mask.shape[1] - pen.width("Hamburg 12")) < 8
    narrow = replace(pen, stretch=0.6)
    assert narrow.width("Hamburg") == pytest.approx(0.6 * pen.width("Hamburg"))
    bold, thin = (replace(pen, weight=weight).glyphs("Hamburg 12") for weight in (1.0, -0.5))
    assert bold is not None
    assert thin is not None
    assert bold.mask.sum() > glyphs.mask.sum() > thin.mask.sum()
    assert pen.glyphs(" ") is None
    assert pen.drawable(" a\ue123  b ") == "a b"
    worn = replace(pen, unevenness=1.0)
    first, again = worn.glyphs("worn"), worn.glyphs("worn")
    assert first is not None
    assert again is not None
    assert np.array_equal(first.mask, again.mask)


def test_letters_that_a_face_lacks_stand_without_their_marks(faces: Typefaces) -> None:
    rng = np.random.default_rng(0)
    ascii_alone = frozenset(map(chr, range(32, 127)))
    face = replace(faces.choose(rng, "latin").face(rng), characters=ascii_alone)
    pen = Pen(face, 24)
    assert pen.drawable("Schlüssel, weiß Ærø ŁÓDŹ \u2013 12°") == "Schlussel, weiss AEro LODZ 12"
    assert pen.drawable("日本 Ω") == ""
    glyphs = pen.glyphs(pen.drawable("weiß"))
    assert glyphs is not None


def test_texts_keep_clear_of_each_other(faces: Typefaces) -> None:
    setter = typesetter(faces)
    setter.sheet.write("first", setter.body, 50, 50)
    end = setter.body.width("first") + 50
    setter.sheet.write("over", setter.body, 55, 52)
    setter.sheet.write("near", setter.body, end + 2, 50)
    setter.sheet.write("out", setter.body, 395, 50)
    setter.sheet.write("far", setter.body, end + 3 * setter.em, 50)
    assert [box.text for box in setter.sheet.boxes] == ["first", "far"]


@pytest.mark.parametrize("align", ["left", "justify", "center", "right"])
def test_paragraphs_stay_in_their_area(faces: Typefaces, align: str) -> None:
    setter = typesetter(faces)
    words = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog"] * 12
    area = Area(60, 40, 330, 200)
    end = setter.paragraph(words, setter.body, area, align, leading=20)  # type: ignore[arg-type]
    boxes = setter.sheet.boxes
    assert len(boxes) == 8
    assert end <= 220
    lefts = [box.top[0, 0] for box in boxes]
    rights = [box.top[1, 0] for box in boxes]
    assert min(lefts) >= 55
    assert max(rights) <= 335
    if align == "justify":
        assert np.ptp(rights) < 4
    if align in ("left", "justify"):
        assert np.ptp(lefts) < 4
    assert " ".join(box.text for box in boxes) == " ".join(
        words[: sum(len(box.text.split()) for box in boxes)]
    )
