"""The sizes of input images, as a data section asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.recognition.spec import BILINEAR, RecognizerSpec, WidthPolicy
from training.data.planned import Size

if TYPE_CHECKING:
    from training.data.build import DataPlan


@dataclass(frozen=True)
class InputWidths:
    """How input widths follow from the width in px that a section or a batch has.

    Args:
        step_px: widths are rounded up to a multiple of this; 0 pads every line to one width, as
            PaddleOCR does.
        max_px: a longer line is squeezed, where widths follow the images; None leaves it to the
            width of the section or batch.
    """

    step_px: int
    max_px: int | None

    def policy(self, width: int) -> WidthPolicy:
        """Return the policy of a section or batch that is `width` px wide."""
        if self.step_px == 0:
            return WidthPolicy(width, width, width)
        max_px = self.max_px or width
        return WidthPolicy(self.step_px, min(self.step_px, max_px), max_px)


def foreign_notes(plan: DataPlan) -> Iterator[str]:
    """Yield how lines are read otherwise than in PaddleOCR, where the `Eval` section does so."""
    if plan.loader.width_step:
        width = image_shape(plan)[2]
        yield (
            f"PaddleOCR trained these weights on lines padded to {width} px, and here each is read "
            "at a width of its own, which costs some networks characters of short lines: try "
            "-o Eval.loader.width_step=0, which pads as PaddleOCR does"
        )


def resize_options(plan: DataPlan) -> Mapping[str, Any]:
    """Return the options of a section's resizing transform; empty where a sampler resizes."""
    return plan.options_of("RecResizeImg") or plan.options_of("SVTRRecResizeImg") or {}


def resize_of(plan: DataPlan) -> str:
    """Return how images are resized, one of `INTERPOLATIONS`; bilinearly where a sampler does."""
    return str(resize_options(plan).get("interpolation", BILINEAR))


def image_shape(plan: DataPlan) -> tuple[int, int, int]:
    """Return [C, H, W] of a section's images; of several scales the base."""
    if plan.sampler is not None:
        base = plan.sampler.scales[0].size
        return 3, base.height, base.width
    channels, height, width = resize_options(plan)["image_shape"]
    return channels, height, width


def heights(plan: DataPlan) -> tuple[int, ...]:
    """Return the heights in px that a section's images have."""
    return (image_shape(plan)[1],) if plan.sampler is None else plan.sampler.heights


def problems_of_inputs(train: DataPlan, evaluation: DataPlan) -> Iterator[str]:
    """Yield what differs between the images trained on and those evaluated, and may not."""
    trained, evaluated = heights(train), image_shape(evaluation)[1]
    if evaluated not in trained:
        listed = " or ".join(map(str, trained))
        yield f"expected the training height {listed}, got {evaluated}"
    if resize_of(train) != resize_of(evaluation):
        of_sampler = " (a sampler resizes bilinearly)" if train.sampler is not None else ""
        yield (
            f"expected the interpolation that is trained with, {resize_of(train)}{of_sampler}, got "
            f"{resize_of(evaluation)}"
        )


def keep_keys(plan: DataPlan) -> tuple[str, ...]:
    """Return the arrays that a section's batches hand to the loss."""
    return tuple((plan.options_of("KeepKeys") or {})["keep_keys"])


def widths_of(plan: DataPlan) -> InputWidths:
    """Return the input widths of a section's images."""
    max_px = plan.loader.max_width
    return InputWidths(
        plan.loader.width_step, max_px or (None if plan.is_training else WidthPolicy().max_px)
    )


def width_policy_of(plan: DataPlan) -> WidthPolicy:
    """Return the input widths of a section's images; of several scales those of the base."""
    widths, width = widths_of(plan), image_shape(plan)[2]
    if widths.step_px == 0 and resize_options(plan).get("eval_mode"):
        return WidthPolicy(1, width, max(width, widths.max_px or 0, WidthPolicy().max_px))
    return widths.policy(width)


def sizes_of(plan: DataPlan) -> Iterator[Size]:
    """Yield the sizes that a section's images can have, but for labels that need more width."""
    if plan.sampler is None:
        yield from _sizes(image_shape(plan)[1], width_policy_of(plan))
        return
    widths = widths_of(plan)
    for scale in plan.sampler.scales:
        height = scale.size.height
        if widths.step_px == 0 and plan.dataset.options.get("ds_width"):
            widest = max(height, round(plan.sampler.max_w / height) * height)
            yield from _sizes(height, WidthPolicy(height, height, widest))
        else:
            yield from _sizes(height, widths.policy(scale.size.width))


def _sizes(height: int, policy: WidthPolicy) -> Iterator[Size]:
    for width in range(policy.min_px, policy.max_px, policy.step_px):
        yield Size(height, width)
    yield Size(height, policy.max_px)


def deployed_input(plan: DataPlan) -> tuple[int, WidthPolicy]:
    """Return input height in px and width policy of the deployed model, from an `Eval` section.

    As in evaluation; where that pads to PaddleOCR's fixed width, no line is narrower than that
    width and longer ones are not squeezed, as PaddleOCR serves.
    """
    _, height, shape_width = image_shape(plan)
    if plan.loader.width_step:
        return height, width_policy_of(plan)
    max_px = plan.loader.max_width or WidthPolicy().max_px
    return height, WidthPolicy(min_px=shape_width, max_px=max(shape_width, max_px))


def deployed_spec(plan: DataPlan, characters: tuple[str, ...]) -> RecognizerSpec:
    """Return what a network reads as it is deployed, from an `Eval` section.

    Args:
        plan: of the section.
        characters: of classes 1 .. K-1.
    """
    height, width = deployed_input(plan)
    return RecognizerSpec(characters, height=height, width=width, resize=resize_of(plan))
