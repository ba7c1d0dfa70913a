"""The training loop, readable in one sitting."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import paddle
from paddle.utils import unique_name

from runtime.errors import DatasetError
from training.data.build import DataPart
from training.data.loader import Loader
from training.data.planned import PlannedBatch
from training.data.sample import Failure, Sample
from training.data.unreadable import Unreadable
from training.loop.divergence import refuse_non_finite_losses
from training.loop.earlier import set_aside
from training.loop.ema import ModelEMA
from training.loop.ending import BEST, LATEST
from training.loop.evaluation import Evaluation, evaluate
from training.loop.fingerprint import fingerprint_of
from training.loop.parallel import Group, synchronize_batch_norm
from training.loop.position import Position
from training.loop.precision import Precision
from training.loop.progress import Progress
from training.loop.saving import save
from training.loop.worst import WorstSamples
from training.losses import TOTAL, figures_of
from training.run import Run
from training.task import Batch

log = logging.getLogger(__name__)


class Trainer:
    """Trains a run from a position on.

    Args:
        run: model, loss, metric.
        train, evaluation: data.
        position: where to start.
        group: the processes that train together; every one of them evaluates, the main one
            writes.
    """

    def __init__(
        self,
        run: Run,
        train: DataPart,
        evaluation: DataPart,
        position: Position,
        group: Group,
    ) -> None:
        self.run = run
        self.group = group
        synchronize_batch_norm(run.model, group)
        self.train_part = train
        self.eval_part = evaluation
        self.position = position
        self.folder = Path(run.settings.save_model_dir)
        self.batching = train.batching.fitted_to(run.main_network)
        self._planned: tuple[int, list[PlannedBatch]] = (-1, [])
        self.steps_per_epoch = len(self._plan(0))
        self.parameters = [parameter for parameter in run.model.parameters() if parameter.trainable]
        self.optimizer, self.schedule = run.plan.optimizer.build(
            self.parameters,
            run.settings.epoch_num,
            self.steps_per_epoch,
            {parameter.name: name for name, parameter in run.model.named_parameters()},
        )
        self.fingerprint = fingerprint_of(
            {"Train": train, "Eval": evaluation}, run.task, self._plan(0)
        )
        self.precision = Precision(run.settings)
        self.ema = ModelEMA.of(run.model, run.settings)
        self.loader = Loader(train.dataset, train.num_workers)
        self.eval_loader = Loader(evaluation.dataset, evaluation.num_workers)
        self.worst_samples = WorstSamples(run, group.is_main)

    def _plan(self, epoch: int) -> list[PlannedBatch]:
        """Plan the batches of an epoch for all processes, once."""
        if self._planned[0] != epoch:
            planned = self.batching.plan(epoch, self.group.size)
            if not planned:
                raise DatasetError(
                    f"epoch {epoch + 1} has no samples: expected at least one batch, got none; "
                    "raise Train.dataset.ratio_list"
                )
            self._planned = (epoch, planned)
        return self._planned[1]

    def fit(self) -> Evaluation:
        """Train to the last epoch; return the last evaluation.

        Raises:
            DivergenceError: at the first loss that is not finite; checkpoints stay good.
            DatasetError: if the data fails.
        """
        settings = self.run.settings
        self._try_first_batch()
        total = settings.epoch_num * self.steps_per_epoch
        if self.group.is_main and not settings.checkpoints:
            set_aside(self.folder)
        self.progress = Progress(self.folder, settings, self.position, total, self.group.is_main)
        self.run.model.train()
        try:
            self._evaluate_start()
            last: Evaluation | None = None
            for epoch in range(self.position.epoch, settings.epoch_num):
                last = self._train_epoch(epoch) or last
            # A run that is resumed at its end trains no epoch.
            return self._evaluate() if last is None else last
        finally:
            self.progress.close()
            self.loader.close()
            self.eval_loader.close()

    def _train_epoch(self, epoch: int) -> Evaluation | None:
        """Train the rest of an epoch; return the evaluation after its last step, or None."""
        position = self.position
        planned = self._plan(epoch)
        batches = list(map(self._own_part, planned[position.step_in_epoch :]))
        max_share = self.run.settings.max_unreadable_share
        as_saved = f"; {self.folder} is as last saved"
        num_own = sum(map(len, planned)) // self.group.size
        last: Evaluation | None = None
        started = time.perf_counter()
        for own, loaded in zip(batches, self.loader.load(batches, epoch), strict=True):
            waited = time.perf_counter() - started
            position.unreadable.add_replaced(loaded)
            position.unreadable.refuse_above(max_share, num_own, f"epoch {epoch + 1}", as_saved)
            batch = self._collate(own, loaded)
            figures = self._step(batch)
            position.advance(len(planned))
            self._log_step(figures, batch, time.perf_counter() - started, waited)
            last = None
            if self.run.settings.is_evaluation_due(position.global_step):
                last = self._evaluate()
                if position.step_in_epoch:  # at the end of the epoch it is saved below
                    self._save(LATEST)
            started = time.perf_counter()
        if not batches:  # resumed at the end of an epoch that is shorter now
            position.epoch, position.step_in_epoch = epoch + 1, 0
        if position.epoch == self.run.settings.epoch_num and last is None:
            last = self._evaluate()
        self._log_replaced(epoch, sum(map(len, planned)))
        # `latest` comes after the others, so that a run killed between them makes them again.
        if position.epoch % self.run.settings.save_epoch_step == 0:
            self._save(f"iter_epoch_{position.epoch}")
        self._save(LATEST)
        return last

    def _log_replaced(self, epoch: int, num_samples: int) -> None:
        """Log which lines of an epoch that ended were replaced, and start to count anew."""
        unreadable, self.position.unreadable = self.position.unreadable, Unreadable()
        unreadable.count = self.group.total(unreadable.count)
        if unreadable.count and self.group.is_main:
            summary = unreadable.describe(num_samples)
            log.warning("epoch %d: %s; others took their place", epoch + 1, summary)

    def _own_part(self, batch: PlannedBatch) -> PlannedBatch:
        """Return this process's part of a planned batch."""
        return replace(batch, indices=tuple(self.group.share(batch)))

    def _collate(self, planned: PlannedBatch, loaded: Sequence[Sample | Failure]) -> Batch:
        samples = []
        for sample in loaded:
            if isinstance(sample, Failure):
                raise DatasetError(f"no sample could be loaded in place of {sample}")
            samples.append(sample)
        return self.batching.training_batch(samples, self.group, planned.size)

    def _step(self, batch: Batch) -> dict[str, float]:
        """Run forward, backward and update; return every loss, the rate and, if asked, accuracy."""
        self._seed_step()
        tensors = tensors_of(batch)
        with self.precision.forward():
            outputs = self.run.model(tensors["image"], tensors)
        outputs = batch.beside(self.precision.outputs(outputs))
        losses = self.run.loss(outputs, tensors)
        figures = self.group.mean(figures_of(losses))
        step = self.position.global_step + 1
        refuse_non_finite_losses(figures, step, batch.names, self.folder)
        self.precision.backward(losses[TOTAL])
        self.group.average_gradients(self.parameters)
        with unique_name.guard():
            # The first step names the optimizer's state; without the guard a second run in the
            # same process would get other names, and its checkpoints would fit no other run.
            self.precision.update(self.optimizer)
        if self.ema is not None:
            self.ema.update()
        figures["lr"] = float(self.optimizer.get_lr())
        self.optimizer.clear_grad()
        self.schedule.step()
        if self.run.settings.cal_metric_during_train:
            self.run.metric.reset()
            self.run.task.score(self.run, outputs, batch)
            figures |= self.run.metric.get_metric()
        return figures

    def _seed_step(self) -> None:
        """Make what dropout leaves out a function of (seed, step, rank), as the data are.

        Else a run that is resumed would draw other values than one that never stopped.
        """
        numbers = [self.run.settings.seed, self.position.global_step, self.group.rank]
        paddle.seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))

    def _try_first_batch(self) -> None:
        """Run one batch through everything, so that errors show before the first step.

        Of several heights the largest, which every network can take in evaluation mode.
        """
        epoch = self.position.epoch
        planned = self._own_part(max(self._plan(epoch), key=_height))
        batch = self._collate(planned, self.train_part.dataset.load_batch(planned, epoch))
        tensors = tensors_of(batch)
        self.run.model.eval()
        with paddle.no_grad():
            outputs = self.run.model(tensors["image"], tensors, training_form=True)
            outputs = batch.beside(outputs)
            losses = self.run.loss(outputs, tensors)
        self.run.task.score(self.run, outputs, batch)
        self.run.metric.reset()
        self.run.model.train()
        log.info(
            "first batch: images %s, losses %s",
            list(batch.arrays["image"].shape),
            ", ".join(f"{name} {value:.4g}" for name, value in figures_of(losses).items()),
        )

    def _log_step(
        self, figures: dict[str, float], batch: Batch, seconds: float, waited: float
    ) -> None:
        """Show and record a step's figures."""
        samples = len(batch.names) * self.group.size
        best = self.position.best.get(self.run.metric.main_indicator)
        self.progress.add_step(figures, samples, seconds, waited, best)

    def _evaluate_start(self) -> None:
        """Evaluate the weights that a run begins with, before it changes them.

        They are the first to be the best: no run leaves a `best_accuracy` that reads less.
        """
        if self.position.global_step == 0 and self.run.evaluates_start and not self.position.start:
            self.position.start = self._evaluate().figures

    def _evaluate(self) -> Evaluation:
        """Evaluate, log, and keep the model if it is the best so far.

        Averages of the weights, where there are any, are evaluated in their place.
        """
        with nullcontext() if self.ema is None else self.ema.applied():
            takers = self.worst_samples.takers()
            result = evaluate(self.run, self.eval_part, self.eval_loader, *takers)
        self.progress.add_evaluation(result.figures)
        indicator = self.run.metric.main_indicator
        best = self.position.best.get(indicator, -1.0)
        is_best = result.figures[indicator] >= best
        self.worst_samples.keep(result, self.position.global_step, is_best)
        if is_best:
            self.position.best = {**result.figures, "best_epoch": self.position.current_epoch}
            self._save(BEST)
        return result

    def _save(self, name: str) -> None:
        save(self, name)


def _height(batch: PlannedBatch) -> int:
    return 0 if batch.size is None else batch.size.height


def tensors_of(batch: Batch) -> dict[str, paddle.Tensor]:
    """Return a batch as the network and the losses take it, by name."""
    return {name: paddle.to_tensor(array) for name, array in batch.arrays.items()}
