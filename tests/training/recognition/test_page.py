"""The page of an evaluation: whole, escaped, bounded, and what is counted on it."""

from __future__ import annotations

import html.parser
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from runtime.errors import ImageError
from tests.training.recognition.plans import config_of
from training.config import Config
from training.data.sample import Sample
from training.recognition.page.confusion import Confusion, marked
from training.recognition.page.page import MOST_MISREAD, EvaluationPage


def test_confusions_are_the_fewest_changes() -> None:
    confusion = Confusion()
    for label, text in (("l1ne", "line"), ("a1", "ai"), ("ab", "abc"), ("xy", "x"), ("ok", "ok")):
        confusion.add(label, text)
    assert confusion.rows(9) == [
        ("1", "i", 2, 1.0),
        ("", "c", 1, None),
        ("y", "", 1, 1.0),
    ]
    assert len(confusion.rows(1)) == 1


def test_what_differs_is_marked() -> None:
    label, text = marked("abc", "aXc")
    assert label == [("a", False), ("b", True), ("c", False)]
    assert text == [("a", False), ("X", True), ("c", False)]


class Lines:
    """A source of three pictures, one of which is gone."""

    names: ClassVar = ("0.png", "<1>.png", "2.png")

    def read(self, index: int, epoch: int) -> Sample:
        if index == 2:
            raise ImageError("gone")
        return Sample(np.full((100, 300, 3), 90, np.uint8), "", self.names[index])


@pytest.fixture
def text() -> str:
    read = [("<b>", 0.5), ("a&b", 0.75), ("ok", 0.25)]
    decoded = {"Student": (read, [("<i>", 1.0), ("a&b", 1.0), ("o1", 1.0)])}
    page = EvaluationPage("Student")
    page.take(decoded, SimpleNamespace(names=Lines.names))  # type: ignore[arg-type]
    figures = {"Student": {"acc": 1 / 3}, "Teacher": {"acc": 1.0}}
    return page.html({"config": "<c>.yml"}, figures, Lines(), range(3))  # type: ignore[arg-type]


def test_everything_from_outside_is_escaped(text: str) -> None:
    tags: list[str] = []

    class Parser(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: Any) -> None:
            tags.append(tag)

    Parser().feed(text)
    assert not {"b", "i", "c", "1"} & set(tags)
    assert "&lt;c&gt;.yml" in text and "&lt;1&gt;.png" in text
    assert "http" not in text  # nothing is loaded from anywhere


def test_the_worst_line_comes_first_and_pictures_are_small(text: str) -> None:
    assert "<title>1 of 3 lines read exactly</title>" in text
    places = [text.index(name) for name in ("2.png", "0.png", "&lt;1&gt;.png")]
    assert places == sorted(places)
    assert text.count("data:image/png;base64,") == 2 and text.count("no picture") == 1
    assert re.search(r"is: <span class='t'>&lt;<mark>i</mark>&gt;</span><br>read: ", text)
    assert "0.3333" in text and "1.0000" in text


def test_only_so_many_lines_are_shown(text: str) -> None:
    assert "more</p>" not in text
    page, number = EvaluationPage(), MOST_MISREAD + 2
    read, labels = [("b", 0.5)] * number, [("a", 1.0)] * number
    names = [str(place) for place in range(number)]
    page.take((read, labels), SimpleNamespace(names=names))  # type: ignore[arg-type]
    for is_short, shown in ((False, MOST_MISREAD), (True, 100)):
        told = page.html({}, {"": {"acc": 0.0}}, Lines(), (), is_short)  # type: ignore[arg-type]
        assert f"and {number - shown} more</p>" in told and told.count("no picture") == shown


def test_evaluate_writes_it(tmp_path: Path) -> None:
    from training.checkpoint.parameters import arrays_of, write_parameters
    from training.evaluate import evaluate_checkpoint
    from training.run import build_run

    config = config_of({"": {"Backbone": {"name": "PPLCNetV4", "model_size": "tiny"}}})
    write_parameters(tmp_path / "w.pdparams", arrays_of(build_run(config).model))
    settings = {**config.sections["Global"], "pretrained_model": str(tmp_path / "w")}
    read = Config(None, {**config.sections, "Global": settings})
    figures = evaluate_checkpoint(read, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert f"0 of {figures['images']} lines read exactly" in page
    assert page.count("<img") == figures["images"]
