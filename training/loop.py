"""The training loop, readable in one sitting."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from tqdm import tqdm

from runtime.errors import DatasetError, DivergenceError
from training.checkpoint import arrays_of, save_checkpoint
from training.data.batches import TrainingBatch, collate
from training.data.build import DataPart
from training.data.loader import Loader
from training.data.sample import Failure, Sample
from training.evaluation import Evaluation, evaluate
from training.logs import MetricLog, RunningMean
from training.losses import TOTAL
from training.optimizer import Schedule, build_optimizer
from training.run import Run, time_stride_px

LATEST, BEST = "latest", "best_accuracy"
log = logging.getLogger(__name__)


@dataclass
class Position:
    """Where a run stands, and the best it has seen.

    Args:
        epoch: epochs completed.
        step_in_epoch: steps done in the epoch after those.
        global_step: steps done.
        best: figures of the best evaluation, with its `best_epoch`.
    """

    epoch: int = 0
    step_in_epoch: int = 0
    global_step: int = 0
    best: dict[str, float] = field(default_factory=dict)


class Trainer:
    """Trains a run from a position on.

    Args:
        run: model, loss, metric.
        train, evaluation: data.
        position: where to start.
    """

    def __init__(
        self, run: Run, train: DataPart, evaluation: DataPart, position: Position
    ) -> None:
        self.run = run
        self.train_part = train
        self.eval_part = evaluation
        self.position = position
        self.folder = Path(run.settings.save_model_dir)
        self.time_stride = time_stride_px(run.main_network, train.height)
        self.steps_per_epoch = len(train.training_batches(0))
        self.optimizer, self.schedule = self._build_optimizer()
        self.loader = Loader(train.dataset, train.num_workers)
        self.eval_loader = Loader(evaluation.dataset, evaluation.num_workers)

    def _build_optimizer(self) -> tuple[paddle.optimizer.Optimizer, Schedule]:
        return build_optimizer(
            self.run.config.sections["Optimizer"],
            [one for one in self.run.model.parameters() if one.trainable],
            self.run.settings.epoch_num,
            self.steps_per_epoch,
        )

    def fit(self) -> Evaluation:
        """Train to the last epoch; returns the last evaluation.

        Raises:
            DivergenceError: at the first loss that is not finite; checkpoints stay good.
            DatasetError: if the data fails.
        """
        settings = self.run.settings
        self.metric_log = MetricLog(
            self.folder, self.position.global_step, settings.use_visualdl
        )
        total = settings.epoch_num * self.steps_per_epoch
        self.progress = tqdm(
            total=total, initial=self.position.global_step, unit="step", mininterval=0.5
        )
        self.means = RunningMean(settings.log_smooth_window)
        self.run.model.train()
        try:
            self._try_first_batch()
            last: Evaluation | None = None
            for epoch in range(self.position.epoch, settings.epoch_num):
                last = self._train_epoch(epoch) or last
            return self._evaluate() if last is None else last
        finally:
            self.progress.close()
            self.metric_log.close()
            self.loader.close()
            self.eval_loader.close()

    def _train_epoch(self, epoch: int) -> Evaluation | None:
        """One epoch from where it stands; the evaluation after its last step, if there was one."""
        position = self.position
        batches = self.train_part.training_batches(epoch)[position.step_in_epoch :]
        last: Evaluation | None = None
        started = time.perf_counter()
        for loaded in self.loader.load(batches, epoch):
            waited = time.perf_counter() - started
            batch = self._collate(loaded)
            figures = self._step(batch)
            position.step_in_epoch += 1
            position.global_step += 1
            self._log_step(figures, batch, time.perf_counter() - started, waited)
            last = None
            if self._is_evaluation_due():
                last = self._evaluate()
                self._save(LATEST)
            started = time.perf_counter()
        position.epoch, position.step_in_epoch = epoch + 1, 0
        is_last = position.epoch == self.run.settings.epoch_num
        if is_last and last is None:
            last = self._evaluate()
        self._save(LATEST)
        if position.epoch % self.run.settings.save_epoch_step == 0:
            self._save(f"iter_epoch_{position.epoch}")
        return last

    def _collate(self, loaded: Sequence[Sample | Failure]) -> TrainingBatch:
        failures = [one for one in loaded if isinstance(one, Failure)]
        if failures:
            raise DatasetError(
                f"no line could be loaded in place of {failures[0].name}: {failures[0].reason}"
            )
        samples = [one for one in loaded if isinstance(one, Sample)]
        return collate(samples, self.train_part.width_policy, self.time_stride)

    def _tensors(self, batch: TrainingBatch) -> list[paddle.Tensor]:
        """The batch in the order of `KeepKeys`."""
        arrays: dict[str, Any] = {
            "image": batch.images,
            "label": batch.labels,
            "length": batch.lengths,
            "valid_ratio": batch.valid_ratio,
        }
        if "label_ace" in self.train_part.keep_keys:
            arrays["label_ace"] = batch.label_ace(self.run.charset.num_classes)
        return [paddle.to_tensor(arrays[key]) for key in self.train_part.keep_keys]

    def _step(self, batch: TrainingBatch) -> dict[str, float]:
        """Forward, backward, update; returns every loss, the rate and, if asked, accuracy."""
        tensors = self._tensors(batch)
        outputs = self.run.model(tensors[0])
        losses = self.run.loss(outputs, tensors)
        figures = {name: float(value) for name, value in losses.items()}
        self._refuse_non_finite(figures, batch)
        losses[TOTAL].backward()
        self.optimizer.step()
        figures["lr"] = float(self.optimizer.get_lr())
        self.optimizer.clear_grad()
        self.schedule.step()
        if self.run.settings.cal_metric_during_train:
            self.run.metric.reset()
            self.run.metric(self.run.post_process(outputs, batch.labels))  # type: ignore[arg-type]
            figures |= self.run.metric.get_metric()
        return figures

    def _refuse_non_finite(self, figures: dict[str, float], batch: TrainingBatch) -> None:
        bad = {name: value for name, value in figures.items() if not math.isfinite(value)}
        if not bad:
            return
        named = {name: value for name, value in bad.items() if name != TOTAL} or bad
        shown = ", ".join(f"{name} = {value}" for name, value in named.items())
        raise DivergenceError(
            f"training left the finite numbers at step {self.position.global_step + 1}: "
            f"expected finite losses, got {shown}; lines of this batch: "
            f"{', '.join(batch.names[:8])}{' …' if len(batch.names) > 8 else ''}; nothing was "
            f"updated or saved since the last checkpoint in {self.folder}. Lower Optimizer.lr, "
            "add warmup_epoch or clip_norm, or lower the weight of that loss"
        )

    def _try_first_batch(self) -> None:
        """Take one batch through everything before the first step, leaving no trace."""
        indices = self.train_part.training_batches(self.position.epoch)[0]
        loaded = [self.train_part.dataset.load(index, self.position.epoch) for index in indices]
        batch = self._collate(loaded)
        tensors = self._tensors(batch)
        self.run.model.eval()
        with paddle.no_grad():
            outputs = self.run.model(tensors[0], training_form=True)
            losses = self.run.loss(outputs, tensors)
        self.run.post_process(outputs, batch.labels)
        self.run.model.train()
        log.info(
            "first batch: images %s, losses %s",
            list(batch.images.shape),
            ", ".join(f"{name} {float(value):.4g}" for name, value in losses.items()),
        )

    def _log_step(
        self, figures: dict[str, float], batch: TrainingBatch, seconds: float, waited: float
    ) -> None:
        settings = self.run.settings
        figures["samples_per_s"] = len(batch.names) / seconds
        figures["data_share"] = waited / seconds
        self.means.add(figures)
        self.progress.update()
        if self.position.global_step % settings.print_batch_step:
            return
        means = self.means.means()
        shown = {"loss": f"{means[TOTAL]:.3g}", "img/s": f"{means['samples_per_s']:.1f}"}
        if "acc" in means:
            shown["acc"] = f"{means['acc']:.3f}"
        if self.position.best:
            shown["best"] = f"{self.position.best[self.run.metric.main_indicator]:.3f}"
        self.progress.set_postfix(shown)
        epoch = self.position.epoch + 1
        self.metric_log.write("train", self.position.global_step, {"epoch": epoch, **means})

    def _is_evaluation_due(self) -> bool:
        every = self.run.settings.eval_batch_step
        start, interval = (0, every) if isinstance(every, int) else (every[0], every[-1])
        step = self.position.global_step
        return step > start and step % interval == 0

    def _evaluate(self) -> Evaluation:
        """Evaluate, log, and keep the model if it is the best so far."""
        result = evaluate(self.run, self.eval_part, self.eval_loader)
        step, epoch = self.position.global_step, self.position.epoch + 1
        self.metric_log.write("eval", step, {"epoch": epoch, **result.figures})
        shown = ", ".join(f"{name} {value:.4f}" for name, value in result.figures.items())
        self.progress.write(f"step {step}: {shown}")
        indicator = self.run.metric.main_indicator
        best = self.position.best.get(indicator, -1.0)
        if result.figures[indicator] >= best:
            self.position.best = {**result.figures, "best_epoch": epoch}
            self._save(BEST)
        return result

    def _save(self, name: str) -> None:
        parameters = arrays_of(self.run.model)
        for parameter, array in parameters.items():
            if not np.isfinite(array).all():
                raise DivergenceError(
                    f"{parameter} is not finite at step {self.position.global_step}: expected "
                    f"finite weights; the checkpoints in {self.folder} are left as they were"
                )
        save_checkpoint(
            self.folder / name,
            parameters,
            {
                key: value.numpy() if isinstance(value, paddle.Tensor) else value
                for key, value in self.optimizer.state_dict().items()
            },
            {
                "epoch": self.position.epoch,
                "step_in_epoch": self.position.step_in_epoch,
                "global_step": self.position.global_step,
                "best_model_dict": dict(self.position.best),
                "config_sha256": self.run.config.sha256,
            },
        )
