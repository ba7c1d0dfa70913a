"""What backbones leave of an image: a map or a sequence, how many rows and time steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from runtime.errors import OcrError
from training.backbones.mobilenet_v1_enhance import MobileNetV1Enhance
from training.backbones.mobilenet_v3 import MobileNetV3
from training.backbones.pooling import TRAINING_STEPS
from training.backbones.pphgnet import PPHGNet
from training.backbones.pphgnet_v2 import PPHGNetV2
from training.backbones.pplcnet_v3 import PPLCNetV3
from training.backbones.pplcnet_v4 import PPLCNetV4
from training.backbones.rep_svtr import RepSVTR
from training.backbones.svtrnet import SVTRNet
from training.backbones.svtrv2 import SVTRv2
from training.data.planned import Size
from training.recognition.heads.multi_head import MAX_POSITIONS
from training.recognition.inputs import heights, sizes_of
from training.recognition.teacher.line_teacher import LineTeacher

if TYPE_CHECKING:
    from training.data.build import DataPlan
    from training.losses import LossPart
    from training.networks import NetworkPlan
    from training.plan import Plan
    from training.registry import Component

Options = Mapping[str, Any]
_ROWS, _COLUMNS = 0, 1
_POOLED_ROWS = 3
"""That `MultiHead.use_pool` averages."""
_WITHOUT_TIME = frozenset({"sar", "gtc"})
"""Outputs of heads whose time steps are a label's symbols."""
_WAYS_TO_A_MAP = {"SVTRNet": "last_stage: true", "SVTRv2": "use_pool: true"}


def leaves_sequence(backbone: str, options: Options) -> bool:
    """Tell whether a backbone leaves a sequence [N, L, C], which `MultiHead.use_pool` pools."""
    if backbone == "SVTRNet":
        return not options.get("last_stage", True)
    return backbone == "SVTRv2" and not (options.get("use_pool") or options.get("feat2d"))


def time_steps(network: NetworkPlan, size: Size, follows_width: bool) -> int:
    """Return T of a network in training.

    Args:
        network: of a config.
        size: of the image.
        follows_width: whether training batches are as wide as their lines; else a network that
            pools its rows has 40 time steps whatever the width, as in PaddleOCR.
    """
    rows, columns = rows_and_columns(network.backbone, size)
    if _is_sequence(network):
        return rows * columns // _POOLED_ROWS // 2
    is_pooled_as_read = follows_width or (network.is_frozen and network.keeps_statistics)
    if network.backbone.builder in _POOLED and not is_pooled_as_read:
        return TRAINING_STEPS
    return columns


def problems_of_sequence(section: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield key and message of a sequence where a head takes a map, or of the reverse.

    Args:
        section: of a network, not checked yet.
    """
    backbone, head = section.get("Backbone"), section.get("Head")
    if not isinstance(backbone, Mapping) or not isinstance(head, Mapping):
        return
    name, is_pooled = str(backbone.get("name")), bool(head.get("use_pool"))
    is_sequence = leaves_sequence(name, backbone)
    if head.get("name") != "MultiHead":
        if is_sequence:
            message = f"{name} leaves a sequence, and this head takes a map: expected"
            yield "Backbone", f"{message} {_WAYS_TO_A_MAP[name]}"
    elif is_sequence and not is_pooled:
        message = f"{name} leaves a sequence: expected use_pool: true, or Backbone's"
        yield "Head", f"{message} {_WAYS_TO_A_MAP[name]}"
    elif is_pooled and not is_sequence:
        yield "Head.use_pool", f"{name} leaves a map, no sequence: expected false, got true"


def problems_of_features(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield path and message of features that do not suit decoders or losses."""
    follows_width = plan.train.loader.width_step != 0
    trained = list(sizes_of(plan.train))
    for network in plan.model.networks.values():
        for data in (plan.train, plan.evaluation):
            yield from _problems_of_rows(network, data)
        yield from _problems_of_positions(network, trained, follows_width)
    for part in plan.loss.parts:
        yield from _problems_of_steps(part, plan, trained, follows_width)


def _problems_of_rows(network: NetworkPlan, data: DataPlan) -> Iterator[tuple[str, str]]:
    """Find heights of which a backbone leaves other rows than its head takes."""
    wanted = _POOLED_ROWS if _is_sequence(network) else 1
    for height in heights(data):
        rows, _ = rows_and_columns(network.backbone, Size(height, height))
        if rows != wanted:
            message = (
                f"{network.path}.Backbone leaves {rows} rows of {height} px: expected {wanted}, "
                "as its head takes; choose a height that suits its strides"
            )
            yield data.path, message


def _problems_of_positions(
    network: NetworkPlan, sizes: Iterable[Size], follows_width: bool
) -> Iterator[tuple[str, str]]:
    """Find widths with more time steps than a head has learned positions for."""
    if not network.head.options.get("use_pos"):
        return
    size = max(sizes, key=lambda size: size.width)
    steps = time_steps(network, size, follows_width)
    if steps > MAX_POSITIONS:
        message = (
            f"it has {MAX_POSITIONS} positions: expected at most as many time steps, got {steps} "
            f"at {size.width} px; set Train.loader.max_width, or take use_pos out"
        )
        yield f"{network.path}.Head.use_pos", message


def _problems_of_steps(
    part: LossPart, plan: Plan, sizes: Iterable[Size], follows_width: bool
) -> Iterator[tuple[str, str]]:
    """Find a pair of networks whose time steps are compared and differ."""
    is_of_time = not getattr(part.component.builder, "needs_teacher", False)
    if set(part.head_outputs) & _WITHOUT_TIME or not is_of_time:
        return
    networks = plan.model.networks
    for names in part.pairs:
        if names[0] in networks and names[1] in plan.teachers:
            yield from _problems_of_teachers_steps(part, names, plan, sizes)
        if not set(names) <= networks.keys():
            continue
        first, second = names
        for size in sizes:
            steps = [time_steps(networks[name], size, follows_width) for name in names]
            if steps[0] != steps[1]:
                message = (
                    f"{first} and {second} differ in time steps: expected as many, got {steps[0]} "
                    f"and {steps[1]} at {size.width} px; {_remedy(follows_width)}"
                )
                yield f"{part.component.path}.model_name_pairs", message
                break


def _problems_of_teachers_steps(
    part: LossPart, names: tuple[str, str], plan: Plan, sizes: Iterable[Size]
) -> Iterator[tuple[str, str]]:
    """Find an ONNX file whose time steps are compared with a network's and lie elsewhere.

    Its lines have widths of their own, so that steps have to lie equally close in heights.
    """
    student, name = names
    teacher = plan.teachers[name]
    assert isinstance(teacher, LineTeacher)
    try:
        wanted = teacher.spec.height / teacher.step_px
    except OcrError:
        return  # the file's own problem is found elsewhere
    follows_width = plan.train.loader.width_step != 0
    for size in sizes:
        ratio = size.width / size.height
        steps = time_steps(plan.model.networks[student], size, follows_width)
        if abs(steps / ratio - wanted) * ratio >= 1:
            yield (
                f"{part.component.path}.model_name_pairs",
                f"{student} and {name} differ in time steps: expected {wanted:g} to a line's "
                f"height, as {name} has, got {steps / ratio:g} at {size.width} x {size.height} px; "
                "give the student that height and stride, or take DistillationTeacherCTCLoss and "
                "DistillationSpikeKLLoss, which need no equal steps",
            )
            return


def _remedy(follows_width: bool) -> str:
    if follows_width:
        return "give both the same strides, or take the pair out of this loss"
    return "let them follow the width by loader.width_step 32, or take a width that suits both"


def _is_sequence(network: NetworkPlan) -> bool:
    return leaves_sequence(network.backbone.name, network.backbone.all_options)


def rows_and_columns(backbone: Component, size: Size) -> tuple[int, int]:
    """Return the rows and columns of the features that a backbone leaves in evaluation."""
    if backbone.builder in _POOLED:
        return 1, _halved(size.width, 2) // 2
    left, options = _LEFT[backbone.builder], backbone.all_options
    return left(options, size.height, _ROWS), left(options, size.width, _COLUMNS)


def _halved(side: int, times: int) -> int:
    """Return a side behind so many convolutions of stride 2 that pad."""
    for _ in range(times):
        side = _strided(side, 2)
    return side


def _strided(side: int, stride: int) -> int:
    return -(-side // stride)


def _pooled(side: int, window: int) -> int:
    """Return a side behind a pool without padding; paddle cuts a window larger than the side."""
    return max(1, side // window)


def _at(value: int | list[int] | tuple[int, ...], axis: int) -> int:
    """Return an option, given as one number or as [vertical, horizontal], along an axis."""
    return value if isinstance(value, int) else value[axis]


def _mobilenet_v1_enhance(options: Options, side: int, axis: int) -> int:
    side = _halved(side, 4 if axis == _ROWS else 1)
    side = _strided(side, _at(options["last_conv_stride"], axis))
    is_average = options["last_pool_type"] == "avg"
    return _pooled(side, _at(options["last_pool_kernel_size"], axis) if is_average else 2)


def _mobilenet_v3(options: Options, side: int, axis: int) -> int:
    is_large = options["model_name"] == "large"
    first, *others = options["large_stride" if is_large else "small_stride"] or (
        (1, 2, 2, 2) if is_large else (2, 2, 2, 2)
    )
    side = _halved(side, 1)
    if is_large or axis == _ROWS:
        side = _strided(side, first)
    for stride in others if axis == _ROWS else ():
        side = _strided(side, stride)
    return _pooled(side, 2)


def _svtrnet(options: Options, side: int, axis: int) -> int:
    if options["last_stage"]:
        return 1 if axis == _ROWS else options["out_char_num"]
    merges = axis == _ROWS and options["patch_merging"] in ("Conv", "Pool")
    return _halved(side, options["sub_num"] + (2 if merges else 0))


def _svtrv2(options: Options, side: int, axis: int) -> int:
    side = _halved(side, 2)
    for stride in options["sub_k"][:-1]:
        side = _strided(side, stride[axis])
    if axis == _ROWS:
        return 1 if options["use_pool"] or options["last_stage"] else side
    return side // 2 if options["use_pool"] else side


def _rep_svtr(options: Options, side: int, axis: int) -> int:
    return 1 if axis == _ROWS else _halved(side, 2) // 2


_POOLED = (PPHGNet, PPHGNetV2, PPLCNetV3, PPLCNetV4)
"""Backbones that end in `PoolToRow`."""
_LEFT: Mapping[Callable[..., Any], Callable[[Options, int, int], int]] = {
    MobileNetV1Enhance: _mobilenet_v1_enhance,
    MobileNetV3: _mobilenet_v3,
    RepSVTR: _rep_svtr,
    SVTRNet: _svtrnet,
    SVTRv2: _svtrv2,
}
"""Rows or columns that are left of an image's height or width, by a backbone's options."""
