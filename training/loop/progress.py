"""What a run shows of its steps, and records of them."""

from __future__ import annotations

from pathlib import Path

from tqdm import tqdm

from training.config import GlobalConfig
from training.loop.logs import MetricLog, RunningMean
from training.loop.position import Position
from training.losses import TOTAL


class Progress:
    """A bar with the latest figures, and `metrics.jsonl`; the main process alone has them.

    Args:
        folder: of the run.
        settings: of the run.
        position: of the run, which moves on.
        total: steps of the whole run.
        is_main: whether this process shows and writes.
    """

    def __init__(
        self, folder: Path, settings: GlobalConfig, position: Position, total: int, is_main: bool
    ) -> None:
        self.position = position
        self._every = settings.print_batch_step
        step = position.global_step
        self._log = MetricLog(folder, step, settings.use_visualdl) if is_main else None
        self._bar = tqdm(
            total=total, initial=step, unit="step", mininterval=0.5, disable=not is_main
        )
        self._means = RunningMean(settings.log_smooth_window)
        self._speed = RunningMean(settings.log_smooth_window)

    def close(self) -> None:
        """Close the bar and the files."""
        self._bar.close()
        if self._log is not None:
            self._log.close()

    def add_step(
        self,
        figures: dict[str, float],
        num_samples: int,
        seconds: float,
        waited: float,
        best: float | None,
    ) -> None:
        """Average a step's figures; every `print_batch_step` steps show and record them.

        Args:
            figures: losses, learning rate, perhaps accuracies.
            num_samples: of all processes.
            seconds: that the step took.
            waited: of these, for data.
            best: figure of the main network so far; None before the first evaluation.
        """
        self._means.add(figures)
        self._speed.add({"samples": num_samples, "seconds": seconds, "waited": waited})
        self._bar.update()
        if self.position.global_step % self._every:
            return
        means, speed = self._means.means(), self._speed.means()
        means["lr"] = figures["lr"]
        means["samples_per_s"] = speed["samples"] / speed["seconds"]
        means["data_share"] = speed["waited"] / speed["seconds"]
        shown = {
            "loss": f"{means[TOTAL]:.3g}",
            "lr": f"{means['lr']:.2e}",
            "img/s": f"{means['samples_per_s']:.1f}",
        }
        if "acc" in means:
            shown["acc"] = f"{means['acc']:.3f}"
        if best is not None:
            shown["best"] = f"{best:.3f}"
        self._bar.set_postfix(shown)
        self._record("train", means)

    def add_evaluation(self, figures: dict[str, float]) -> None:
        """Show and record the figures of an evaluation."""
        self._record("eval", figures)
        if self._log is not None:
            shown = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
            self._bar.write(f"step {self.position.global_step}: {shown}")

    def _record(self, kind: str, figures: dict[str, float]) -> None:
        if self._log is not None:
            epoch = self.position.current_epoch
            self._log.write(kind, self.position.global_step, {"epoch": epoch, **figures})
