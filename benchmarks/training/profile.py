"""Where the time of a step goes, by kind of operation; ends in one JSON line.

python -m benchmarks.training.profile '<settings as JSON>'

paddle's profiler records its operations and gradient nodes; the layers and the optimizer are
marked here besides, so that the compiled kernels have names too. Time belongs to the outermost
marked event around it, once. Recording slows short operations down, so shares are to be read,
not rates.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.training.inputs import random_inputs
from benchmarks.training.settings import StepSettings

_MARK = "marked:"
_KINDS = (
    ("marked:depthwise", "depthwise convolution"),
    ("marked:convolution", "other convolutions"),
    ("marked:norm", "BatchNorm and hard-swish"),
    ("marked:lstm", "LSTM"),
    ("marked:linear", "linear layers"),
    ("marked:pool", "pooling"),
    ("marked:loss", "losses"),
    ("marked:optimizer", "optimizer"),
    # Gradient nodes, which no layer surrounds. Losses first: "logsoftmax" is no other kind.
    *[(name, "losses") for name in ("ctc", "mutual", "softmax", "loggrad", "squaregrad")],
    ("depthwise", "depthwise convolution"),
    *[(name, "other convolutions") for name in ("pointwise", "conv2d")],
    *[(name, "BatchNorm and hard-swish") for name in ("batchnorm", "batch_norm")],
    *[(name, "BatchNorm and hard-swish") for name in ("hard_swish", "hardswish")],
    *[(name, "LSTM") for name in ("rnngrad", "rnn ")],
    *[(name, "linear layers") for name in ("linear", "matmul")],
    *[(name, "pooling") for name in ("maxpool", "pool2d")],
    ("adam", "optimizer"),
)
OTHER, BETWEEN = "other operations", "Python between operations"


def kind_of(event: str) -> str | None:
    """Return the kind of an event by its name, None for an event that only surrounds others."""
    lowered = event.lower()
    return next((kind for part, kind in _KINDS if part in lowered), None)


def seconds_by_kind(roots: Iterable[Any], wall_s: float) -> dict[str, float]:
    """Add the events up.

    Args:
        roots: event trees; an event has `name`, `start_ns`, `end_ns`, `children_node` and `type`,
            whose name is `Operator` for an operation of paddle's.
        wall_s: of everything, so that the rest is known too.

    Returns:
        Seconds of each kind, longest first; they add up to `wall_s`.
    """
    totals: dict[str, float] = defaultdict(float)
    for root in roots:
        for child in root.children_node:
            _add(child, totals)
    totals[BETWEEN] = max(0.0, wall_s - sum(totals.values()))
    return dict(sorted(totals.items(), key=lambda item: -item[1]))


def _add(event: Any, totals: dict[str, float]) -> None:
    kind = kind_of(event.name)
    if kind is None and str(event.type).endswith("Operator"):
        kind = OTHER
    if kind is not None:
        totals[kind] += (event.end_ns - event.start_ns) * 1e-9
        return
    for child in event.children_node:
        _add(child, totals)


def measure(settings: StepSettings) -> dict[str, Any]:
    """Profile `steps` steps after `warmup` others."""
    summary = settings.apply_process_settings()
    import paddle

    from benchmarks.training.paddle_pair import build_pair, tensors_of

    pair, batch = build_pair(settings), tensors_of(random_inputs(settings), settings)
    _mark_layers(pair.model)
    _mark(pair.loss, "loss")
    for _ in range(max(1, settings.warmup)):
        pair.step(batch)
    profiler = paddle.profiler.Profiler(
        targets=[paddle.profiler.ProfilerTarget.CPU],
        on_trace_ready=lambda finished: None,  # else it writes a folder of traces
    )
    with profiler:
        started = time.perf_counter()
        for _ in range(settings.steps):
            _marked_step(pair, batch)
        wall_s = time.perf_counter() - started
    totals = seconds_by_kind(profiler.profiler_result.get_data().values(), wall_s)
    return {
        "images_per_s_each": [round(settings.batch_size * settings.steps / wall_s, 4)],
        "seconds_by_kind": {
            kind: round(seconds / settings.steps, 6) for kind, seconds in totals.items()
        },
        "settings": summary,
    }


def _marked_step(pair: Any, batch: dict[str, Any]) -> None:
    """Take a training step as `Pair.step` does, with the optimizer marked."""
    from paddle.profiler import RecordEvent

    pair.loss(pair.run(batch), batch)["loss"].backward()
    with RecordEvent(_MARK + "optimizer"):
        pair.optimizer.step()
        pair.optimizer.clear_grad()


def _mark_layers(model: Any) -> None:
    """Mark the forward of every layer that does arithmetic of one kind."""
    from paddle import nn

    for layer in model.sublayers():
        if isinstance(layer, nn.Conv2D):
            is_depthwise = layer._groups > 1 and layer._groups == layer._in_channels
            _mark(layer, "depthwise" if is_depthwise else "convolution")
        elif isinstance(layer, nn.BatchNorm | nn.BatchNorm2D):
            _mark(layer, "norm")
        elif isinstance(layer, nn.LSTM):
            _mark(layer, "lstm")
        elif isinstance(layer, nn.Linear):
            _mark(layer, "linear")
        elif isinstance(layer, nn.MaxPool2D):
            _mark(layer, "pool")


def _mark(layer: Any, kind: str) -> None:
    from paddle.profiler import RecordEvent

    open_events: list[Any] = []

    def begin(*_: Any) -> None:
        open_events.append(RecordEvent(_MARK + kind))
        open_events[-1].begin()

    def end(*_: Any) -> None:
        open_events.pop().end()

    layer.register_forward_pre_hook(begin)
    layer.register_forward_post_hook(end)


def profile_table(seconds: Mapping[str, Mapping[str, float]]) -> str:
    """Format milliseconds and shares, a row per kind, a pair of columns per contender.

    Args:
        seconds: contender -> kind -> seconds a step.
    """
    kinds = sorted(
        {kind for spent in seconds.values() for kind in spent},
        key=lambda kind: -max(spent.get(kind, 0.0) for spent in seconds.values()),
    )
    wide = max(map(len, [*kinds, "a step"]), default=0)
    lines = [" " * wide + "".join(f"  {name + ' ms':>20} {'share':>6}" for name in seconds)]
    for kind in [*kinds, "a step"]:
        cells = ""
        for spent in seconds.values():
            total = sum(spent.values())
            value = total if kind == "a step" else spent.get(kind, 0.0)
            cells += f"  {1000 * value:20.1f} {value / total:6.1%}"
        lines.append(f"{kind:{wide}}{cells}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(json.dumps(measure(StepSettings.from_json(sys.argv[1]))))
