"""Fits networks to the dictionary and to the images of a config."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from runtime.errors import OcrError
from runtime.recognition.charset import Charset, build_charset, read_dictionary
from training.backbones.pooling import PoolToRow
from training.backbones.svtrnet import SVTRNet
from training.data.planned import Size
from training.recognition.class_map import ClassMap
from training.recognition.features import problems_of_features, problems_of_sequence
from training.recognition.heads import HEADS
from training.recognition.inputs import deployed_input, problems_of_inputs, sizes_of
from training.recognition.network import RecognitionNetwork
from training.recognition.start import PRETRAINED_DICTIONARY

if TYPE_CHECKING:
    from training.data.build import DataPlan
    from training.networks import NetworkPlan
    from training.plan import Plan

DICTIONARY = "character_dict_path"
"""Key of a network's section for a dictionary other than the run's."""
_SHOWN = 8
log = logging.getLogger(__name__)


def charset_of(network: NetworkPlan, charset: Charset, use_space_char: bool) -> Charset:
    """Return the characters of a network: its own, or the run's where it names none.

    Raises:
        OcrError: if its dictionary cannot be read.
    """
    path = network.of_task.get(DICTIONARY)
    return charset if path is None else build_charset(path, use_space_char)


def problems_of_fit(plan: Plan, use_space_char: bool) -> Iterator[tuple[str, str]]:
    """Yield path and message of networks that fit neither a dictionary nor the images."""
    shared = plan.settings.pretrained_dictionary
    if shared is not None:
        yield from _problems_of_dictionary(shared, f"Global.{PRETRAINED_DICTIONARY}")
    for network in plan.model.networks.values():
        before = network.of_task.get(PRETRAINED_DICTIONARY)
        if before is not None:
            yield from _problems_of_dictionary(before, f"{network.path}.{PRETRAINED_DICTIONARY}")
        path = f"{network.path}.{DICTIONARY}"
        own = network.of_task.get(DICTIONARY)
        if own is not None:
            if not isinstance(own, str):
                yield path, f"expected a dictionary's path, got {own!r}"
                continue
            try:
                build_charset(own, use_space_char)
            except OcrError as error:
                yield path, str(error)
            if not network.is_frozen:
                yield (
                    path,
                    "a network with a dictionary of its own cannot learn the run's labels: "
                    "expected freeze_params: true",
                )
        for data in (plan.train, plan.evaluation):
            yield from _problems_of_size(network, data)
    for message in problems_of_inputs(plan.train, plan.evaluation):
        yield "Eval.dataset.transforms", message
    yield from problems_of_features(plan)


def problems_of_network(section: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield path and message of a backbone, neck and head that do not suit each other."""
    head = section.get("Head")
    name = str(head.get("name")) if isinstance(head, Mapping) else ""
    has_own_neck = getattr(HEADS.builders.get(name), "has_own_neck", False)
    has_neck = section.get("Neck") is not None
    if has_own_neck and has_neck:
        yield "Neck", f"{name} has a neck of its own in its head_list: expected none here"
    if not has_own_neck and not has_neck:
        yield (
            "Neck",
            "a CTC head needs a sequence: expected a Neck, got none; "
            "add SequenceEncoder with encoder_type reshape",
        )
    yield from problems_of_sequence(section)


def _problems_of_dictionary(dictionary: object, path: str) -> Iterator[tuple[str, str]]:
    """Find a dictionary of weights to start from that cannot be read."""
    if not isinstance(dictionary, str):
        yield path, f"expected a dictionary's path, got {dictionary!r}"
        return
    try:
        read_dictionary(dictionary)
    except OcrError as error:
        yield path, str(error)


def only_size_of(network: NetworkPlan) -> Size | None:
    """Return the one size of images that a network reads; None where it reads any width."""
    if network.backbone.builder is not SVTRNet:
        return None
    height, width = network.backbone.all_options["img_size"]
    return Size(height, width)


def _problems_of_size(network: NetworkPlan, data: DataPlan) -> Iterator[tuple[str, str]]:
    """Find a backbone that takes one size of images, and a section that gives others."""
    size = only_size_of(network)
    if size is None:
        return
    height, width = size.height, size.width
    sizes = set(sizes_of(data))
    wanted = f"image_shape [3, {height}, {width}] and loader.width_step 0"
    if not data.is_training:
        # As it is deployed: beyond `image_shape` lines are squeezed only where the loader says so.
        sizes |= {Size(height, deployed_input(data)[1].max_px)}
        wanted += f", loader.max_width {width}"
    others = sorted(sizes - {size}, key=lambda size: (size.height, size.width))
    if others:
        yield (
            f"{data.path}.loader",
            f"{network.path}.Backbone reads images of {height} x {width} px alone: expected "
            f"{wanted}, got lines of {others[0].height} x {others[0].width} px too",
        )


def fit_networks(
    networks: Mapping[str, Any],
    plans: Mapping[str, NetworkPlan],
    charset: Charset,
    use_space_char: bool,
    follows_width: bool,
) -> None:
    """Give networks their class maps, and let their time steps follow the width.

    Args:
        networks: by name.
        plans: by name.
        charset: of the run.
        use_space_char: whether dictionaries are followed by a space.
        follows_width: whether training batches are as wide as their lines; else all have one
            width, and T is PaddleOCR's.
    """
    for name, network in networks.items():
        own = charset_of(plans[name], charset, use_space_char)
        if own != charset:
            assert isinstance(network, RecognitionNetwork)
            network.class_map = ClassMap(own, charset)
            _report(name, network.class_map)
        if follows_width:
            for layer in network.sublayers():
                if isinstance(layer, PoolToRow):
                    layer.follow_width()


def _report(name: str, class_map: ClassMap) -> None:
    absent = class_map.absent
    known = len(class_map.shared.characters) - len(absent)
    text = (
        f"{name} has a dictionary of its own: it knows {known} of {known + len(absent)} characters"
    )
    if absent:
        shown = " ".join(absent[:_SHOWN])
        more = f" and {len(absent) - _SHOWN} more" if len(absent) > _SHOWN else ""
        text += f"; not {shown}{more}"
    log.info("%s", text)
