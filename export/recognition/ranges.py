"""Shapes that an engine takes: from trtexec's words, or from the spec and the widths of crops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from export.shapes import FLAGS, check_order, shape_from_text
from runtime.engines.tensors import ShapeRange, Sizes
from runtime.errors import ConfigError
from runtime.recognition.spec import RecognizerSpec

DEFAULT_MAX_BATCH = 32
"""The runtime's own batch size."""
_USUAL_BATCH_SHARE = 4
"""The batch tuned for is a quarter of the largest: half-filled batches are as common as full."""
_FIRST_LIMIT_PX = 320
_PX_PER_BATCH = DEFAULT_MAX_BATCH * 640
"""N x W of the largest batch that is chosen: 32 lines of 640 px, 6 of 3200. An engine allocates
for the largest: 32 lines of 3200 px are 1.8 GiB of probabilities alone for 18,710 characters."""
_USUAL_WIDTH_PX = 320
"""Tuned for when no crops are given: what PaddleOCR pads lines to."""


def ranges_for(
    spec: RecognizerSpec,
    asked: Mapping[str, str],
    widths_px: Sequence[int] = (),
    buckets: Sequence[int] | None = None,
    fixed_batch: int | None = None,
) -> tuple[ShapeRange, ...]:
    """Choose ranges of the model's input, [N, C, H, W], one for each profile.

    Args:
        spec: of the recogniser.
        asked: `min`, `opt` and `max` as trtexec writes shapes, `x:1x3x32x32`; what is missing is
            chosen.
        widths_px: input widths of crops; the commonest is what is tuned for.
        buckets: largest width of each profile, in px; doubling widths when empty; when None one
            profile as asked for, or a few wide ones where no shapes are.
        fixed_batch: N of a model that leaves no choice.

    Raises:
        ConfigError: naming the flag, if shapes contradict the model, its width policy, or each
            other.
    """
    given = {name: _shape(text, FLAGS[name], spec) for name, text in asked.items() if text}
    shapes = {**_defaults(spec, widths_px, given, fixed_batch), **given}
    check_order(shapes, fixed_batch)
    wide = ShapeRange(shapes["min"], shapes["opt"], shapes["max"])
    if buckets is None and given:
        return (wide,)  # as asked for
    limits = _limits(wide, buckets, _FIRST_LIMIT_PX if buckets is None else wide.min[3])
    is_free = "max" not in given and "opt" not in given and fixed_batch is None
    ranges = _bucketed(wide, spec, limits, widths_px)
    return tuple(map(_within_budget, ranges)) if is_free else ranges


def _shape(text: str, flag: str, spec: RecognizerSpec) -> Sizes:
    example = (1, spec.channels, spec.height, _USUAL_WIDTH_PX)
    sizes, policy = shape_from_text(text, flag, spec, example), spec.width
    least = policy.input_width(1)
    if not least <= sizes[3] <= policy.max_px:
        raise ConfigError(
            f"{flag}: expected W from {least} to {policy.max_px} px, the widths that the model's "
            f"width policy makes, got {sizes[3]}"
        )
    return sizes


def _defaults(
    spec: RecognizerSpec,
    widths_px: Sequence[int],
    given: Mapping[str, Sizes],
    fixed_batch: int | None,
) -> dict[str, Sizes]:
    """Every line of the width policy can be read, and the usual line is tuned for."""
    policy = spec.width
    least = given["min"][3] if "min" in given else policy.input_width(1)
    most = given["max"][3] if "max" in given else policy.max_px
    inside = [width for width in widths_px if least <= width <= most]
    usual = _commonest(inside) or policy.input_width(_USUAL_WIDTH_PX)
    batch = given["max"][0] if "max" in given else DEFAULT_MAX_BATCH
    first = given["min"][0] if "min" in given else 1
    batches = (first, max(first, batch // _USUAL_BATCH_SHARE), max(first, batch))
    if fixed_batch is not None:
        batches = (fixed_batch,) * 3
    if "opt" in given:
        # One that tunes for more than the default wants more.
        batches = (batches[0], given["opt"][0], max(batches[2], given["opt"][0]))
    widths = (least, min(max(usual, least), most), most)
    named = zip(("min", "opt", "max"), batches, widths, strict=True)
    return {name: (n, spec.channels, spec.height, width) for name, n, width in named}


def _within_budget(shapes: ShapeRange) -> ShapeRange:
    """Let the largest batch fall as lines get longer: memory and time go with their product."""
    most = max(shapes.min[0], min(shapes.max[0], _PX_PER_BATCH // shapes.max[3]))
    return ShapeRange(
        shapes.min, (min(shapes.opt[0], most), *shapes.opt[1:]), (most, *shapes.max[1:])
    )


def _limits(wide: ShapeRange, buckets: Sequence[int] | None, first_px: int) -> list[int]:
    """Return the largest width of each bucket, ascending, the last one the profile's own."""
    least, most = wide.min[3], wide.max[3]
    if not buckets:
        doubled = [min(most, max(least, first_px))]
        while doubled[-1] * 2 < most:
            doubled.append(doubled[-1] * 2)
        return [*doubled, most] if doubled[-1] < most else doubled
    if list(buckets) != sorted(set(buckets)) or not least <= buckets[0] or buckets[-1] > most:
        raise ConfigError(
            f"--bucketProfiles: expected ascending widths from {least} to {most} px, got "
            f"{','.join(map(str, buckets))}"
        )
    return [*buckets] if buckets[-1] == most else [*buckets, most]


def _bucketed(
    wide: ShapeRange, spec: RecognizerSpec, limits: Sequence[int], widths_px: Sequence[int]
) -> tuple[ShapeRange, ...]:
    profiles, first = [], wide.min[3]
    for limit in limits:
        inside = [width for width in widths_px if first <= width <= limit]
        usual = _commonest(inside) or limit
        profiles.append(
            replace(
                wide,
                min=_with_width(wide.min, first),
                opt=_with_width(wide.opt, usual),
                max=_with_width(wide.max, limit),
            )
        )
        first = min(spec.width.input_width(limit + 1), wide.max[3])
    return tuple(profiles)


def _commonest(widths_px: Sequence[int]) -> int | None:
    return Counter(widths_px).most_common(1)[0][0] if widths_px else None


def _with_width(shape: Sizes, width_px: int) -> Sizes:
    return (*shape[:3], width_px)
