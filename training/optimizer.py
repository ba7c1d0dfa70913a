"""Optimizers and learning-rate schedules of PaddleOCR's recognition configs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import paddle
from paddle.optimizer import lr as schedules

from training.registry import Component, Problems, Registry

Schedule: TypeAlias = schedules.LRScheduler


def _warmed_up(
    schedule: Schedule | float, warmup_epoch: float, step_each_epoch: int, peak: float
) -> Schedule:
    steps = round(warmup_epoch * step_each_epoch)
    if steps > 0:
        return schedules.LinearWarmup(schedule, warmup_steps=steps, start_lr=0.0, end_lr=peak)
    if isinstance(schedule, float):
        return schedules.LambdaDecay(schedule, lr_lambda=lambda step: 1.0)
    return schedule


def constant(learning_rate: float, step_each_epoch: int, warmup_epoch: float = 0) -> Schedule:
    """Keep the same rate throughout, after an optional linear warm-up."""
    return _warmed_up(float(learning_rate), warmup_epoch, step_each_epoch, learning_rate)


def piecewise(
    values: Sequence[float],
    decay_epochs: Sequence[float],
    step_each_epoch: int,
    warmup_epoch: float = 0,
) -> Schedule:
    """Keep `values[i]` until epoch `decay_epochs[i]`."""
    boundaries = [int(step_each_epoch * epoch) for epoch in decay_epochs]
    schedule = schedules.PiecewiseDecay(boundaries, list(values))
    return _warmed_up(schedule, warmup_epoch, step_each_epoch, values[0])


def cosine(
    learning_rate: float, epochs: int, step_each_epoch: int, warmup_epoch: float = 0
) -> Schedule:
    """Lower the rate from `learning_rate` to 0 along half a cosine."""
    schedule = schedules.CosineAnnealingDecay(learning_rate, T_max=step_each_epoch * epochs)
    return _warmed_up(schedule, warmup_epoch, step_each_epoch, learning_rate)


def linear(
    learning_rate: float,
    epochs: int,
    step_each_epoch: int,
    end_lr: float = 0.0,
    power: float = 1.0,
    warmup_epoch: float = 0,
) -> Schedule:
    """Move from `learning_rate` to `end_lr` along a straight line, or a power of it."""
    schedule = schedules.PolynomialDecay(
        learning_rate, decay_steps=epochs * step_each_epoch, end_lr=end_lr, power=power
    )
    return _warmed_up(schedule, warmup_epoch, step_each_epoch, learning_rate)


def one_cycle(
    max_lr: float,
    epochs: int,
    step_each_epoch: int,
    anneal_strategy: Literal["cos", "linear"] = "cos",
    three_phase: bool = False,
    warmup_epoch: float = 0,
) -> Schedule:
    """Rise to `max_lr` and fall far below (Smith 2017), as paddle's `OneCycleLR` does."""
    schedule = schedules.OneCycleLR(
        max_lr,
        total_steps=epochs * step_each_epoch,
        anneal_strategy=anneal_strategy,
        three_phase=three_phase,
    )
    return _warmed_up(schedule, warmup_epoch, step_each_epoch, max_lr)


SCHEDULES = Registry(
    "learning-rate schedule",
    {
        "Const": constant,
        "Piecewise": piecewise,
        "Cosine": cosine,
        "Linear": linear,
        "OneCycle": one_cycle,
    },
    injected=frozenset({"epochs", "step_each_epoch"}),
    unused=frozenset({"regularizer"}),
)


def adam(
    parameters: Any,
    learning_rate: Schedule,
    weight_decay: Any,
    grad_clip: Any,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> paddle.optimizer.Optimizer:
    """Build Adam (Kingma & Ba 2015); weight decay is added to the gradient."""
    return paddle.optimizer.Adam(
        learning_rate, beta1, beta2, epsilon, parameters, weight_decay, grad_clip
    )


def adamw(
    parameters: Any,
    learning_rate: Schedule,
    weight_decay: Any,
    grad_clip: Any,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    no_weight_decay_name: str | None = None,
    one_dim_param_no_weight_decay: bool = False,
    names: Mapping[str, str] | None = None,
) -> paddle.optimizer.Optimizer:
    """Build AdamW (Loshchilov & Hutter 2019); decay 0.01 where none is given.

    Args:
        parameters, learning_rate, weight_decay, grad_clip: as paddle takes them.
        beta1, beta2, epsilon: of the moments.
        no_weight_decay_name: words; a parameter with one of them in its name is not decayed.
        one_dim_param_no_weight_decay: leave out biases and scales.
        names: of the parameters in the model, by paddle's own names.
    """
    words = (no_weight_decay_name or "").split()
    named = names or {}
    left_out = {
        parameter.name
        for parameter in parameters
        if any(word in named.get(parameter.name, parameter.name) for word in words)
        or (one_dim_param_no_weight_decay and len(parameter.shape) == 1)
    }
    return paddle.optimizer.AdamW(
        learning_rate,
        beta1,
        beta2,
        epsilon,
        parameters,
        weight_decay=0.01 if weight_decay is None else weight_decay,
        apply_decay_param_fun=lambda name: name not in left_out,
        grad_clip=grad_clip,
    )


def momentum(
    parameters: Any,
    learning_rate: Schedule,
    weight_decay: Any,
    grad_clip: Any,
    momentum: float = 0.9,
) -> paddle.optimizer.Optimizer:
    """Build stochastic gradient descent with momentum."""
    return paddle.optimizer.Momentum(
        learning_rate, momentum, parameters, weight_decay=weight_decay, grad_clip=grad_clip
    )


OPTIMIZERS = Registry(
    "optimizer",
    {"Adam": adam, "AdamW": adamw, "Momentum": momentum},
    injected=frozenset({"parameters", "learning_rate", "weight_decay", "grad_clip", "names"}),
)
_SHARED_KEYS = frozenset({"lr", "regularizer", "weight_decay", "clip_norm", "clip_norm_global"})


def l1_decay(factor: float = 0.0) -> paddle.regularizer.L1Decay:
    """Add `factor` times the sign of each weight to its gradient."""
    return paddle.regularizer.L1Decay(factor)


def l2_decay(factor: float | str = 0.0) -> float:
    """Add `factor` times each weight to its gradient; `1e-6`, which YAML reads as text, counts."""
    return float(factor)


REGULARIZERS = Registry(
    "regularizer", {"L1": l1_decay, "L1Decay": l1_decay, "L2": l2_decay, "L2Decay": l2_decay}
)


@dataclass(frozen=True)
class OptimizerPlan:
    """The `Optimizer` section, checked.

    Args:
        optimizer, schedule, regularizer: the components; without a regularizer the optimizer's
            own decay holds.
        weight_decay: used where no regularizer is given.
        clip_norm, clip_norm_global: limit on each gradient's norm, or on that of all together.
    """

    optimizer: Component
    schedule: Component
    regularizer: Component | None = None
    weight_decay: float | None = None
    clip_norm: float | None = None
    clip_norm_global: float | None = None

    def build(
        self,
        parameters: Sequence[Any],
        epochs: int,
        step_each_epoch: int,
        names: Mapping[str, str] | None = None,
    ) -> tuple[paddle.optimizer.Optimizer, Schedule]:
        """Build optimizer and schedule.

        Args:
            parameters: the trainable parameters.
            epochs: epochs of the run.
            step_each_epoch: steps of an epoch.
            names: of the parameters in the model, by paddle's own names.
        """
        schedule: Schedule = self.schedule.build(epochs=epochs, step_each_epoch=step_each_epoch)
        clip: Any = None
        if self.clip_norm is not None:
            clip = paddle.nn.ClipGradByNorm(self.clip_norm)
        elif self.clip_norm_global is not None:
            clip = paddle.nn.ClipGradByGlobalNorm(self.clip_norm_global)
        decay = self.weight_decay if self.regularizer is None else self.regularizer.build()
        optimizer = self.optimizer.build(
            parameters=list(parameters),
            learning_rate=schedule,
            weight_decay=decay,
            grad_clip=clip,
            names=names,
        )
        return optimizer, schedule


def read_optimizer(section: object, problems: Problems) -> OptimizerPlan | None:
    """Read the `Optimizer` section; None if anything is wrong with it."""
    if not isinstance(section, Mapping):
        problems.add("Optimizer", f"expected a mapping with a name, got {section!r}")
        return None
    num_problems = len(problems)
    own = {key: value for key, value in section.items() if key not in _SHARED_KEYS}
    optimizer = OPTIMIZERS.read(own, "Optimizer", problems)
    schedule, regularizer = None, None
    rate = section.get("lr")
    if isinstance(rate, Mapping):
        schedule = SCHEDULES.read({"name": "Const", **rate}, "Optimizer.lr", problems)
        _check_piecewise(rate, problems)
    else:
        problems.add("Optimizer.lr", f"expected a learning rate section, got {rate!r}")
    if section.get("regularizer") is not None:
        regularizer = REGULARIZERS.read(section["regularizer"], "Optimizer.regularizer", problems)
        _check_factor(regularizer, problems)
    numbers = {key: section.get(key) for key in ("weight_decay", "clip_norm", "clip_norm_global")}
    for key, value in numbers.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            problems.add(f"Optimizer.{key}", f"expected a number, got {value!r}")
    if len(problems) > num_problems or optimizer is None or schedule is None:
        return None
    return OptimizerPlan(optimizer, schedule, regularizer, **numbers)


def _check_factor(regularizer: Component | None, problems: Problems) -> None:
    factor = None if regularizer is None else regularizer.options.get("factor")
    if isinstance(factor, str):
        try:
            float(factor)
        except ValueError:
            message = f"expected a number, got {factor!r}"
            problems.add("Optimizer.regularizer.factor", message)


def _check_piecewise(schedule: Mapping[str, Any], problems: Problems) -> None:
    values, epochs = schedule.get("values"), schedule.get("decay_epochs")
    if not isinstance(values, list) or not isinstance(epochs, list):
        return
    if len(values) != len(epochs) + 1:
        message = f"expected {len(epochs) + 1} values for {len(epochs)} decay_epochs"
        problems.add("Optimizer.lr.values", f"{message}, got {len(values)}")
