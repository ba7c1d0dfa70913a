"""What the end of a test run says of tests that were skipped."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.skips import NOTHING, deselected_lines, remedy, skipped_lines


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("no real line images at /x; name their folder in DISTILREC_DATA", "DISTILREC_DATA="),
        ("no reference numbers at /x; name their folder in DISTILREC_GOLDEN", "DISTILREC_GOLDEN="),
        ("could not import 'tensorrt_rtx': No module", "pip install tensorrt-rtx"),
        ("could not import 'cuda.bindings.runtime': No module", "pip install cuda-python"),
        ("paddle sees no GPU", "make test-gpu"),
        ("this machine has a GPU", NOTHING),
        ("DISTILREC_PADDLEOCR names no PaddleOCR checkout", "DISTILREC_PADDLEOCR=CHECKOUT"),
        ("something else", ""),
    ],
)
def test_a_reason_leads_to_what_to_do(reason: str, expected: str) -> None:
    assert remedy("nowhere.py", 1, reason).startswith(expected)
    assert bool(remedy("nowhere.py", 1, reason)) == bool(expected)


def test_a_module_is_named_where_the_reason_does_not(tmp_path: Path) -> None:
    file = tmp_path / "test_x.py"
    file.write_text('import pytest\nray = pytest.importorskip("ray", reason="it is tested")\n')
    assert remedy(str(file), 2, "it is tested") == "pip install 'ray[serve]'"


def test_tests_are_counted_by_reason_and_the_most_come_first() -> None:
    reports = [
        SimpleNamespace(longrepr=("a.py", 1, f"Skipped: {reason}"))
        for reason in ("needs PyTorch", "no browser is here", "no browser is here")
    ]
    assert list(skipped_lines(reports)) == [
        "   2  no browser is here  ->  apt-get install chromium, or playwright install chromium",
        "   1  needs PyTorch  ->  pip install torch",
    ]


def test_what_markers_left_out_is_named_once() -> None:
    def item(*markers: str) -> SimpleNamespace:
        return SimpleNamespace(get_closest_marker=lambda name: name if name in markers else None)

    items = [item("slow"), item("gpu", "slow"), item("slow"), item()]
    assert list(deselected_lines(items)) == [
        "   1  marked gpu  ->  make test-gpu",
        "   2  marked slow  ->  make test-slow",
    ]
