"""Shapes that a detector's engine takes: from trtexec's words, or from the spec and the pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from export.shapes import FLAGS, check_order, shape_from_text
from runtime.detection.preprocess import STRIDE_PX, SizePolicy
from runtime.detection.spec import CHANNELS, DetectorSpec
from runtime.engines.tensors import ShapeRange, Sizes
from runtime.errors import ConfigError

Size = tuple[int, int]
"""H and W in px."""

_FIRST_LIMIT_PX = 1280
_PX_PER_BATCH = 4 * _FIRST_LIMIT_PX**2
"""N x H x W of the largest batch that is chosen: an engine allocates for it."""
_MOST_AT_ONCE = 8
_MOST_SIDE_PX = 4000
"""Where the sizes have no limit of their own."""
_USUAL_IMAGE_PX = (960, 1280)
"""Tuned for when no pages are given."""
_LARGE_PX = 100_000


class Sides(NamedTuple):
    """The sizes that a policy makes.

    Args:
        least, most: H and W in px of the smallest and the largest.
    """

    least: Size
    most: Size

    def hold(self, size: Sequence[int]) -> bool:
        """Tell whether H and W lie within."""
        rows = zip(self.least, size, self.most, strict=True)
        return all(least <= side <= most for least, side, most in rows)


def sides_of(sizes: SizePolicy) -> Sides:
    """Return the smallest and the largest sizes that a policy makes, of images of any shape."""
    images = ((_LARGE_PX, _LARGE_PX), (_LARGE_PX, 1), (1, _LARGE_PX), (1, 1))
    heights, widths = zip(*(sizes.input_size(*image) for image in images), strict=True)
    ends = [(min(sides), min(max(sides), _limit_of(min(sides)))) for sides in (heights, widths)]
    return Sides((ends[0][0], ends[1][0]), (ends[0][1], ends[1][1]))


def _limit_of(least: int) -> int:
    return max(least, _MOST_SIDE_PX)


def ranges_for(
    spec: DetectorSpec,
    asked: Mapping[str, str],
    sizes_px: Sequence[Size] = (),
    buckets: Sequence[int] | None = None,
    fixed_batch: int | None = None,
) -> tuple[ShapeRange, ...]:
    """Choose ranges of the model's input, [N, C, H, W], one for each profile.

    Args:
        spec: of the detector.
        asked: `min`, `opt` and `max` as trtexec writes shapes, `x:1x3x736x1280`; what is missing
            is chosen.
        sizes_px: H and W of pages; the commonest is what is tuned for.
        buckets: longest side of each profile, in px; doubling sides when empty; when None one
            profile as asked for, or a few where no shapes are.
        fixed_batch: N of a model that leaves no choice.

    Raises:
        ConfigError: naming the flag, if shapes contradict the model, its sizes, or each other.
    """
    sides = sides_of(spec.sizes)
    given = {name: _shape(text, FLAGS[name], spec, sides) for name, text in asked.items() if text}
    if given and buckets is None:
        shapes = {**_around(given, spec, sides, sizes_px, fixed_batch), **given}
        check_order(shapes, fixed_batch)
        return (ShapeRange(shapes["min"], shapes["opt"], shapes["max"]),)
    least = given["min"][2:] if "min" in given else sides.least
    most = given["max"][2:] if "max" in given else sides.most
    within = Sides((least[0], least[1]), (most[0], most[1]))
    most_at_once = given["max"][0] if "max" in given else _MOST_AT_ONCE
    limits = _limits(within, buckets)
    ranges, first = [], 0
    for limit in limits:
        inside = [size for size in sizes_px if first < max(size) <= limit]
        ranges.append(_square(limit, within, spec, inside, fixed_batch, most_at_once))
        first = limit
    for chosen in ranges:
        check_order({"min": chosen.min, "opt": chosen.opt, "max": chosen.max}, fixed_batch)
    return tuple(ranges)


def _shape(text: str, flag: str, spec: DetectorSpec, sides: Sides) -> Sizes:
    example = (1, CHANNELS, *usual_size(spec.sizes))
    sizes = shape_from_text(text, flag, spec, example)
    if any(side % STRIDE_PX for side in sizes[2:]) or not sides.hold(sizes[2:]):
        (low_h, low_w), (high_h, high_w) = sides
        raise ConfigError(
            f"{flag}: expected H from {low_h} to {high_h} px and W from {low_w} to {high_w} px, "
            f"multiples of {STRIDE_PX} as the model's sizes make them, got {sizes[2]}x{sizes[3]}"
        )
    return sizes


def usual_size(sizes: SizePolicy) -> Size:
    """Return H and W in px of what a photograph of a page becomes."""
    return sizes.input_size(*_USUAL_IMAGE_PX)


def _around(
    given: Mapping[str, Sizes],
    spec: DetectorSpec,
    sides: Sides,
    sizes_px: Sequence[Size],
    fixed_batch: int | None,
) -> dict[str, Sizes]:
    """Choose the shapes that were not asked for around those that were."""
    least = given.get("min", (fixed_batch or 1, CHANNELS, *sides.least))
    if "max" in given:
        most = given["max"]
    else:
        known = [least, *([given["opt"]] if "opt" in given else [])]
        high = [
            max(*side) for side in zip(sides.most, *(shape[2:] for shape in known), strict=True)
        ]
        batch = fixed_batch or max(shape[0] for shape in known)
        most = (batch, CHANNELS, *high)
    within = Sides((least[2], least[3]), (most[2], most[3]))
    usual = _commonest(sizes_px, within) or _clipped(usual_size(spec.sizes), within)
    return {"min": least, "opt": (fixed_batch or least[0], CHANNELS, *usual), "max": most}


def _square(
    limit: int,
    within: Sides,
    spec: DetectorSpec,
    sizes_px: Sequence[Size],
    fixed_batch: int | None,
    most_at_once: int,
) -> ShapeRange:
    """Return the profile of pages of up to `limit` px on either side."""
    most = (min(limit, within.most[0]), min(limit, within.most[1]))
    inside = Sides(within.least, most)
    usual = _commonest(sizes_px, inside)
    if usual is None:
        usual = usual_size(spec.sizes)
        if not inside.hold(usual) or limit > _FIRST_LIMIT_PX:
            usual = _clipped((limit * 3 // 4 // STRIDE_PX * STRIDE_PX, limit), inside)
    fitting = min(most_at_once, max(1, _PX_PER_BATCH // (most[0] * most[1])))
    batch = fixed_batch or fitting
    return ShapeRange(
        (fixed_batch or 1, CHANNELS, *within.least),
        (fixed_batch or 1, CHANNELS, *usual),
        (batch, CHANNELS, *most),
    )


def _limits(within: Sides, buckets: Sequence[int] | None) -> list[int]:
    """Return the longest side of each profile, ascending, the last one the largest that is."""
    least, most = max(within.least), max(within.most)
    if not buckets:
        doubled = [min(most, max(least, _FIRST_LIMIT_PX))]
        while doubled[-1] * 2 < most:
            doubled.append(doubled[-1] * 2)
        return [*doubled, most] if doubled[-1] < most else doubled
    is_ascending = list(buckets) == sorted(set(buckets))
    is_whole = not any(side % STRIDE_PX for side in buckets)
    if not (is_ascending and is_whole and least <= buckets[0] and buckets[-1] <= most):
        raise ConfigError(
            f"--bucketProfiles: expected ascending sides from {least} to {most} px, multiples of "
            f"{STRIDE_PX}, got {','.join(map(str, buckets))}"
        )
    return [*buckets] if buckets[-1] == most else [*buckets, most]


def _commonest(sizes_px: Sequence[Size], within: Sides) -> Size | None:
    inside = [size for size in sizes_px if within.hold(size)]
    return Counter(inside).most_common(1)[0][0] if inside else None


def _clipped(size: Size, within: Sides) -> Size:
    height, width = (
        min(max(side, least), most)
        for least, side, most in zip(within.least, size, within.most, strict=True)
    )
    return height, width
