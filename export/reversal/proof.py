"""Shows that a network taken back from a model file is the file's, and that it can train."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from functools import cache
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray

from export.contract import ModelContract
from export.conversion.strip import deployed_outputs
from export.proof.forms import Run
from export.reversal.contract import Difference, Image, ReversedContract, badness
from export.reversal.statistics import batch_statistics, parts_of
from runtime.errors import ParityError
from training.network import Network

TOLERANCE = 2e-4
"""On any probability, in evaluation: a tenth of what one layer off by a thousandth makes."""
MOST_BY_ROUNDING = 5e-3
"""What differs by more in FP32 is not tried in float64: it is no rounding."""
TRAINING_TOLERANCE = 1e-2
"""On any probability, when BatchNorms take the statistics of the batch that they were measured on;
one that was not measured moves it by more than .5."""
ALLOWED_RISE = 0.1
"""Of the loss, a mean over time steps or pixels, by one step."""
_STEP_LEARNING_RATE = 1e-5
"""Of Adam, whose first step moves every weight by as much, as warming up begins: from 0.024 the
loss of PP-OCRv6's small recogniser rises to 0.12 with 1e-4."""
_SIDE_PX = 1536
_MOST_PX = _SIDE_PX**2
"""Compared of an image, which bounds the memory of a network in float64 to some GB."""
_MOST_PX_IN_STEP = 2 * 640 * 640
Inputs = NDArray[np.float32]


def prove_evaluation(
    run: Run,
    network: Network,
    contract: ReversedContract,
    serving: ModelContract,
    images: Iterable[Image],
    exact: Callable[[], tuple[Run, Run]],
) -> dict[str, Any]:
    """Compare in evaluation on images as they are served, one by one; of large ones the middle.

    Args:
        run: of the model file.
        network: taken from it.
        contract: of both.
        serving: of the model file.
        images: BGR uint8 [h, w, 3].
        exact: gives the file with less rounding, and the network in float64.

    Raises:
        ParityError: beyond `TOLERANCE`, or if there is nothing to compare.
    """
    batches = (batch for image in images for batch in serving.samples([image], "").batches())
    inputs = (middle_of(batch.inputs) for batch in batches)
    own = deployed_outputs(network)
    difference = _differences(run, own, contract, inputs, cache(exact))
    return _within(difference, TOLERANCE, "in evaluation")


def prove_inputs(
    run: Run, own: Run, contract: ReversedContract, inputs: Inputs, what: str
) -> dict[str, Any]:
    """Compare another form of the network on images as training sees them.

    Raises:
        ParityError: beyond `TOLERANCE`, or if there is nothing to compare.
    """
    return _within(_differences(run, own, contract, _one_by_one(inputs)), TOLERANCE, what)


def seems_equal(run: Run, own: Run, contract: ReversedContract, inputs: Inputs) -> bool:
    """Tell whether nothing on these few images speaks against a network, rounding aside."""
    difference = _differences(run, own, contract, _one_by_one(inputs))
    return difference.largest <= MOST_BY_ROUNDING


def middle_of(inputs: Inputs) -> Inputs:
    """Cut inputs [N, C, H, W] of more than `_MOST_PX` to `_SIDE_PX` at most, from their middle."""
    height, width = inputs.shape[2:]
    if height * width <= _MOST_PX:
        return inputs
    above, left = (max(0, (side - _SIDE_PX) // 2) for side in (height, width))
    return np.ascontiguousarray(inputs[:, :, above : above + _SIDE_PX, left : left + _SIDE_PX])


def _one_by_one(inputs: Inputs) -> Iterator[Inputs]:
    return (inputs[number : number + 1] for number in range(len(inputs)))


def _differences(
    run: Run,
    own: Run,
    contract: ReversedContract,
    inputs: Iterable[Inputs],
    exact: Callable[[], tuple[Run, Run]] | None = None,
) -> Difference:
    """Compare on images one by one, where FP32 is too coarse in float64.

    Paddle and onnxruntime add up the pixels of a map one after the other: paddle's mean of 640 x
    640 is off by 4e-5 of itself. PP-OCRv6's small detector, which excites channels by such means,
    is off by up to 2.5e-3 on whole pages in paddle, and 4.1e-4 in onnxruntime; of its file with
    `rows_first` the network in float64 is within 1e-5 there.
    """
    found = []
    for image in inputs:
        expected = contract.expected(run(image))
        difference = contract.difference(expected, own(image))
        if exact is not None and TOLERANCE < difference.largest <= MOST_BY_ROUNDING:
            in_single = difference.largest
            steady, in_double = exact()
            expected = contract.expected(steady(image))
            difference = contract.difference(expected, in_double(image.astype(np.float64)))
            difference = replace(difference, largest_in_single=in_single)
        found.append(difference)
    return Difference(
        max((each.largest for each in found), key=badness, default=0),
        sum(each.num_places for each in found),
        sum(each.num_left_out for each in found),
        max((each.largest_in_single for each in found), default=0.0),
    )


def prove_training(
    run: Run, network: Network, contract: ReversedContract, inputs: Inputs
) -> dict[str, Any]:
    """Compare with the statistics of the batch in the place of those that were measured.

    Raises:
        ParityError: beyond `TRAINING_TOLERANCE`, or if there is nothing to compare.
    """
    expected = np.concatenate([contract.expected(run(part)) for part in parts_of(inputs)])
    with batch_statistics(network):
        got = deployed_outputs(network)(inputs)
    difference = contract.difference(expected, got)
    return _within(difference, TRAINING_TOLERANCE, "with the statistics of the batch")


def prove_step(
    run: Run, network: Network, contract: ReversedContract, inputs: Inputs
) -> dict[str, float]:
    """Take one step of training towards what the file decides, and see that it does no harm.

    The file decides as the network does already: there is next to nothing to learn.

    The network's weights are changed.

    Raises:
        ParityError: if the loss rises by more than `ALLOWED_RISE` or is no number.
    """
    height, width = inputs.shape[2:]
    inputs = inputs[: max(1, _MOST_PX_IN_STEP // (height * width))]
    expected, images = contract.expected(run(inputs)), paddle.to_tensor(inputs)
    optimizer = paddle.optimizer.Adam(_STEP_LEARNING_RATE, parameters=network.parameters())

    def loss() -> paddle.Tensor:
        return contract.loss(network.deployed(images), expected)

    with batch_statistics(network):
        before = loss()
        before.backward()
        optimizer.step()
        optimizer.clear_grad()
        with paddle.no_grad():
            after = float(loss())
    figures = {"loss_before": float(before), "loss_after": after}
    if not figures["loss_after"] <= figures["loss_before"] + ALLOWED_RISE:
        raise ParityError(
            f"one step of training destroys the network: expected a loss of at most "
            f"{figures['loss_before'] + ALLOWED_RISE:.3g} after it, got {after:.3g}; nothing was "
            "written; give more, or other, images to --calibrate"
        )
    return figures


def _within(difference: Difference, tolerance: float, what: str) -> dict[str, Any]:
    if not difference.num_places:
        raise ParityError(
            f"nothing to compare {what}: expected images on which the file reads characters of the "
            f"config, got {difference.num_left_out} places where it sees others; give such images "
            "to --calibrate; nothing was written"
        )
    if not difference.largest <= tolerance:
        raise ParityError(
            f"the network and the model file disagree {what}: expected probabilities within "
            f"{tolerance:g}, got {difference.largest:.3g}; nothing was written; check that the "
            "config is this model's: activations, slopes and options without weights"
        )
    return asdict(difference) | {"allowed": tolerance}
