"""The report before training."""

from __future__ import annotations

from training.recognition.unlabelled.judging import DISAGREE, OUTSIDE, Verdict
from training.recognition.unlabelled.report import LabellingReport


def test_it_says_what_was_dropped_and_why() -> None:
    report = LabellingReport()
    report.add_image("a.png", [Verdict("good", 0.97), Verdict("go0d", 0.91, DISAGREE)])
    report.add_image("b.png", [Verdict("né日", 0.95, OUTSIDE, "日")])
    report.add_unreadable("c.png", "no image")
    text = "\n".join(report.lines())
    assert text.startswith("3 lines read in 3 images: 1 kept, 3 dropped")
    assert "1 read differently in another view, e.g. a.png: 'go0d'" in text
    assert "1 unreadable, e.g. c.png: no image" in text
    assert "characters outside the dictionary: '日' in 1" in text
    assert "confidence in percent: 91: 1, 95: 1, 97: 1" in text
    assert "of those that are kept: 97: 1" in text
    figures = report.as_json()
    assert (figures["kept"], figures["read"], figures["outside"]) == (1, 3, {"日": 1})
    assert figures["dropped"] == {DISAGREE: 1, OUTSIDE: 1, "unreadable": 1}


def test_long_lists_are_cut() -> None:
    report = LabellingReport()
    outside = "".join(map(chr, range(0x4E00, 0x4E20)))
    report.add_image("a", [Verdict(outside, 0.9, OUTSIDE, outside)] * 50)
    assert sum(map(len, report.lines())) < 900
    assert "and 20 more" in "\n".join(report.lines())
