"""One run in a process of its own: trains what a folder's config says, then reads.

    python -m benchmarks.distillation.one_run FOLDER

The folder holds `task.json`; `result.json` stands in it once the run is done. A run that was
killed goes on from its newest checkpoint.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.distillation.arms import reading_sections
from benchmarks.measuring.machine import describe_machine, git_revision, package_versions
from runtime.errors import OcrError
from runtime.files import write_atomically
from runtime.recognition.scores import TextScores
from training.command import prepare_process
from training.config import Config, load_config

TASK, RESULT, CONFIG = "task.json", "result.json", "config.yml"
LATEST = "latest"


def perform(folder: Path) -> dict[str, Any]:
    """Train if there is a config to train, read, and return the result.

    Args:
        folder: with `task.json`: `network` to read with, `weights` to read with when nothing is
            trained, `data_sets` to read, `student`, its config; and perhaps `config.yml`.

    Raises:
        OcrError: with the reason why it cannot be done.
    """
    task = json.loads((folder / TASK).read_text(encoding="utf-8"))
    training: dict[str, Any] | None = None
    if task["weights"]:
        weights = Path(task["weights"])
        prepare_process(Config(None, {}))
    else:
        weights = folder / LATEST
        training = _train(folder)
    network, data_sets, student = task["network"], task["data_sets"], Path(task["student"])
    return {
        **task["about"],
        "readings": {
            name: _read(reading_sections(network, weights, folder, data_set, student), network)
            for name, data_set in data_sets.items()
        },
        "training": training,
        "machine": describe_machine(),
        "revision": git_revision(),
        "versions": package_versions(),
    }


def _train(folder: Path) -> dict[str, Any]:
    has_begun = (folder / f"{LATEST}.pdparams").is_file()
    resume = [f"Global.checkpoints={json.dumps(str(folder / LATEST))}"] if has_begun else []
    config = load_config(folder / CONFIG, resume)
    prepare_process(config)
    from training.loop.logs import METRICS_FILE, read_metrics
    from training.train import train

    wall, cpu = time.perf_counter(), time.process_time()
    outcome = train(config)
    records = read_metrics(folder / METRICS_FILE)
    return {
        "last": outcome["last"],
        "evaluations": [record for record in records if record["kind"] == "eval"],
        "steps": records[-1]["step"],
        "seconds": round(time.perf_counter() - wall, 1),
        # What other processes do changes the seconds, not the processor's time. Of a run that
        # was killed and went on neither is known.
        "cpu_seconds": None if has_begun else round(time.process_time() - cpu, 1),
        "config_sha256": config.sha256,
    }


def _read(sections: dict[str, Any], network: str) -> dict[str, Any]:
    """Read the evaluation lines with one network alone, each line at its own width."""
    from training.data.loader import Loader
    from training.loop.evaluation import evaluate
    from training.run import build_run

    # Training lines are not needed, but a config names some.
    run = build_run(Config(None, {**sections, "Train": sections["Eval"]}))
    counter, part = _Counter(network), run.data("Eval")
    with Loader(part.dataset, part.num_workers) as loader:
        evaluate(replace(run, metric=counter), part, loader)
    return _figures(counter.scores)


class _Counter:
    """In the place of a metric: counts what was read beside what was written."""

    def __init__(self, network: str) -> None:
        self.network = network
        self.scores = TextScores()

    def reset(self) -> None:
        self.scores = TextScores()

    def __call__(self, decoded: Mapping[str, Any], batch: Any = None) -> None:
        texts, labels = decoded[self.network]
        for text, label in zip(texts, labels, strict=True):
            self.scores.add(text[0], label[0])

    def get_metric(self) -> dict[str, float]:
        return {}


def _figures(scores: TextScores) -> dict[str, Any]:
    return {
        "lines": scores.num_read,
        "exact": scores.num_exact,
        "edits": scores.num_edits,
        "characters": scores.num_characters,
        "accuracy": round(scores.accuracy, 5),
        "character_error_rate": round(scores.character_error_rate, 5),
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status: 2 when the run cannot be done."""
    (folder,) = map(Path, sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        write_atomically(folder / RESULT, json.dumps(perform(folder)).encode())
    except OcrError as error:
        print(f"{folder.name}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
