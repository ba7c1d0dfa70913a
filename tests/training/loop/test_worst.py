"""A run ends with a page of what its best weights misread, made of an evaluation it made anyway."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from training.config import load_config
from training.loop.worst import WORST_FILE, WorstSamples
from training.train import train

WriteConfig = Callable[..., Path]


class Page:
    """A page that says which evaluation it is of."""

    def __init__(self, number: int) -> None:
        self.number = number

    def take(self, decoded: Any, batch: Any) -> None: ...

    def html(self, facts: Any, figures: Any, source: Any, indices: Any, is_short: bool) -> str:
        return f"{self.number}: {facts['evaluated']}, {is_short}, {facts['left out']}"


def run_of(is_wanted: bool = True) -> Any:
    numbers = iter(range(1, 9))
    return SimpleNamespace(
        settings=SimpleNamespace(worst_lines=is_wanted),
        task=SimpleNamespace(page=lambda run: Page(next(numbers))),
        main_name="",
        metric=SimpleNamespace(by_network=lambda figures: {"": figures}),
        plan=SimpleNamespace(config=SimpleNamespace(path="c.yml")),
    )


PART: Any = SimpleNamespace(
    dataset=SimpleNamespace(source=None, indices=lambda epoch: [0]),
    report=SimpleNamespace(as_json=lambda: {"dropped": {"unreadable": 2}}),
)
RESULT: Any = SimpleNamespace(failures=(), figures={"acc": 0.5})


@pytest.mark.parametrize(
    ("are_best", "said"),
    [
        ([True, True, False], "2: step 20, the best so far"),
        ([False, False], "2: step 20, not the best of the run"),  # gone on with, and not better
        ([False, True, False], "2: step 20, the best so far"),
    ],
)
def test_the_best_evaluation_is_kept_else_the_last(
    tmp_path: Path, are_best: list[bool], said: str
) -> None:
    worst = WorstSamples(run_of(), is_wanted=True)
    for place, is_best in enumerate(are_best, 1):
        assert len(worst.takers()) == 1
        worst.keep(RESULT, 10 * place, is_best)
    assert worst.write(tmp_path, PART) == tmp_path / WORST_FILE
    assert (tmp_path / WORST_FILE).read_text() == f"{said}, True, 2 unreadable"


@pytest.mark.parametrize(("is_set", "is_wanted"), [(True, False), (False, True)])
def test_without_it_nothing_is_kept_or_written(
    tmp_path: Path, is_set: bool, is_wanted: bool
) -> None:
    worst = WorstSamples(run_of(is_set), is_wanted)
    assert not worst.takers()
    worst.keep(RESULT, 10, True)
    assert worst.write(tmp_path, PART) is None and not [*tmp_path.iterdir()]


def test_a_full_disk_takes_the_page_alone(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def write(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(WorstSamples, "write", write)
    config = write_config("run", {"Global.epoch_num": 1, "Train.dataset.count": 4})
    figures = train(load_config(config))
    assert figures["epochs"] == 1 and (config.with_suffix("") / "latest.pdparams").is_file()
    assert any(WORST_FILE in message and "No space" in message for message in caplog.messages)


def test_a_run_ends_with_it_unless_told_otherwise(write_config: WriteConfig) -> None:
    changes = {"Global.epoch_num": 1, "Train.dataset.count": 4}
    for name, more in (("with", {}), ("without", {"Global.worst_lines": False})):
        config = write_config(name, {**changes, **more})
        figures = train(load_config(config))
        page = config.with_suffix("") / WORST_FILE
        assert page.is_file() == (not more)
        if not more:
            text = page.read_text()
            assert f"of {figures['images']} lines read exactly" in text and "<img" in text
