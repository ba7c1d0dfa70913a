"""What is said of a checkpoint that does not hold what the network has, name by name."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import paddle
import pytest
from paddle import nn

from runtime.errors import CheckpointError
from training.backbones.pplcnet_v4 import PPLCNetV4
from training.backbones.rep_svtr import RepSVTR
from training.backbones.reparameterise import reparameterise
from training.checkpoint.loading import load_into
from training.checkpoint.parameters import Parameters, arrays_of


class Waves(nn.Layer):
    """A table that follows from its size, in the state as PaddleOCR keeps it."""

    optional_state: ClassVar[dict[str, str]] = {"table": "it follows from its size"}

    def __init__(self, length: int = 6) -> None:
        super().__init__()
        self.register_buffer("table", paddle.arange(length, dtype="float32"))


class Idle(nn.Layer):
    optional_state: ClassVar[dict[str, str]] = {"fc": "it classifies images"}

    def __init__(self, num_images: int = 10) -> None:
        super().__init__()
        self.conv = nn.Conv2D(2, 3, 1)
        if num_images:
            self.fc = nn.Linear(3, num_images)


class Network(nn.Layer):
    def __init__(self, num_images: int = 10, length: int = 6) -> None:
        super().__init__()
        self.backbone = Idle(num_images)
        self.head = nn.LayerList([nn.Linear(3, 4), Waves(length)])


def without(parameters: Parameters, *prefixes: str) -> Parameters:
    return {name: array for name, array in parameters.items() if not name.startswith(prefixes)}


# --- entries that a layer calls optional -------------------------------------------------------


def test_what_a_file_lacks_stays_as_it_is() -> None:
    target = Network()
    table = target.head[1].table.numpy()
    report = load_into(target, without(arrays_of(Network()), "head.1", "backbone.fc"), "here")
    assert not report.missing
    assert str(report) == (
        "here: 4 loaded, 0 missing, 0 of another shape, 0 not used"
        "; left out: backbone.fc (2 names), it classifies images"
        "; left out: head.1.table, it follows from its size"
    )
    assert np.array_equal(target.head[1].table.numpy(), table)


def test_what_a_network_lacks_is_not_used() -> None:
    report = load_into(Network(num_images=0), arrays_of(Network()), "here")
    assert not report.unused
    assert set(report.left_out) == {"backbone.fc.weight", "backbone.fc.bias"}


def test_another_shape_of_it_does_not_matter() -> None:
    target = Network(num_images=7, length=9)
    report = load_into(target, arrays_of(Network()), "here")
    assert not report.mismatched
    assert len(report.left_out) == 3
    assert target.head[1].table.shape == [9]


def test_it_is_loaded_where_it_fits() -> None:
    source, target = Network(), Network()
    assert not load_into(target, arrays_of(source), "here").left_out
    assert paddle.equal_all(target.backbone.fc.weight, source.backbone.fc.weight)


def test_a_layer_speaks_for_names_inside_itself_alone() -> None:
    parameters = {**arrays_of(Network()), "fc.weight": np.zeros((3, 10), np.float32)}
    with pytest.raises(CheckpointError, match=r"1 not used; for example fc\.weight"):
        load_into(Network(), parameters, "here")
    parameters = {**arrays_of(Network()), "backbone.fc2.weight": np.zeros((3, 10), np.float32)}
    with pytest.raises(CheckpointError, match=r"1 not used; for example backbone\.fc2\.weight"):
        load_into(Network(), parameters, "here")


def test_it_does_not_count_towards_the_half_that_has_to_fit() -> None:
    parameters = without(arrays_of(Network()), "head.1", "backbone.fc", "head.0")
    assert len(load_into(Network(), parameters, "here", is_partial_allowed=True).loaded) == 2
    parameters = without(parameters, "backbone.conv.bias")
    with pytest.raises(CheckpointError, match="at least half of 4 names"):
        load_into(Network(), parameters, "here", is_partial_allowed=True)


# --- what only training runs -------------------------------------------------------------------


class Guided(nn.Layer):
    """A head beside one that guides it in training, which is larger."""

    training_only: ClassVar[tuple[str, ...]] = ("guide", "other_guide")

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 4)
        self.guide = nn.LayerList([nn.Linear(2, 2) for _ in range(5)])


def test_what_only_training_runs_may_be_absent_where_a_network_is_read_with() -> None:
    parameters = without(arrays_of(Guided()), "guide")
    parameters["other_guide.fc.bias"] = np.zeros(3, np.float32)
    report = load_into(Guided(), parameters, "here", is_for_reading=True)
    assert not report.missing and not report.unused
    assert str(report) == (
        "here: 2 loaded, 0 missing, 0 of another shape, 0 not used"
        "; left out: guide (10 names), other_guide.fc.bias, only training runs it"
    )
    with pytest.raises(CheckpointError, match=r"1 loaded, 11 missing.*for example head\.bias"):
        load_into(Guided(), without(parameters, "head.bias"), "here")


def test_a_run_that_goes_on_needs_it() -> None:
    with pytest.raises(CheckpointError, match="10 missing"):
        load_into(Guided(), without(arrays_of(Guided()), "guide"), "here")


def test_in_fine_tuning_it_starts_as_initialised_and_does_not_count_towards_the_half() -> None:
    parameters = without(arrays_of(Guided()), "guide")
    report = load_into(Guided(), parameters, "here", is_partial_allowed=True)
    assert "missing, so as initialised: guide (10 names)" in str(report)


# --- a part of a checkpoint --------------------------------------------------------------------


def test_a_partial_load_names_the_parts() -> None:
    more = {f"head.{index}.weight": np.zeros(2, np.float32) for index in range(2, 8)}
    parameters = {
        **without(arrays_of(Network()), "head.0"),
        **more,
        "extra.a.b": more["head.2.weight"],
    }
    report = load_into(Network(), parameters, "here", is_partial_allowed=True)
    assert str(report) == (
        "here: 5 loaded, 2 missing, 0 of another shape, 7 not used"
        "; missing, so as initialised: head.0 (2 names)"
        "; not used, the network has none: head.2.weight, head.3.weight, head.4.weight, "
        "head.5.weight and 3 more"
    )


# --- merged networks ---------------------------------------------------------------------------

_TABLE: dict[str, Any] = {
    "stem": [4, 8],
    "stem_type": "branch",
    "blocks2": [[3, 8, 8, 1, True]],
    "blocks4": [[3, 8, 12, [2, 1], False]],
}


class Reader(nn.Layer):
    def __init__(self, backbone: nn.Layer) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.LayerList([nn.Linear(2, 2) for _ in range(40)])


def _merged(network: nn.Layer) -> nn.Layer:
    network.eval()
    reparameterise(network)
    return network


def _small() -> nn.Layer:
    return Reader(PPLCNetV4(net_config=_TABLE))


@pytest.mark.parametrize("is_partial_allowed", [False, True])
@pytest.mark.parametrize(
    ("build", "expected", "got"),
    [
        (_small, "backbone.conv1.stem1.bn.weight", "backbone.conv1.stem1.conv.bias"),
        (
            lambda: Reader(RepSVTR()),
            r"backbone.features.0.0.c.weight",
            r"backbone.features.0.0.weight",
        ),
    ],
)
def test_a_merged_checkpoint_is_refused_with_the_remedy(
    build: Any, expected: str, got: str, is_partial_allowed: bool
) -> None:
    merged, apart = arrays_of(_merged(build())), build()
    before = arrays_of(apart)
    with pytest.raises(CheckpointError) as error:
        load_into(apart, merged, "checkpoint x", is_partial_allowed=is_partial_allowed)
    assert str(error.value) == (
        f"checkpoint x was merged for inference: expected {expected} and the other branches, got "
        f"{got} in their place, from which they cannot be found again; name the checkpoint that "
        "training saved"
    )
    assert all(np.array_equal(array, before[name]) for name, array in arrays_of(apart).items())


def test_a_merged_network_takes_a_merged_checkpoint() -> None:
    source, target = _merged(_small()), _merged(_small())
    report = load_into(target, arrays_of(source), "here")
    assert str(report).endswith(" 0 not used")


def test_a_merged_kernel_beside_its_branches_is_left_out() -> None:
    source = _small()
    parameters = arrays_of(source)
    merged = arrays_of(_merged(source))
    both = {**parameters, **{name: merged[name] for name in merged if "reparam_conv" in name}}
    report = load_into(_small(), both, "here")
    assert str(report).endswith(
        "; left out: backbone.blocks2.0.token_mixer.rep_dw.reparam_conv (2 names), it follows "
        "from the branches"
    )


def test_branches_do_not_make_a_merged_network() -> None:
    with pytest.raises(CheckpointError, match="do not match one to one"):
        load_into(_merged(_small()), arrays_of(_small()), "here")
