"""The whole export: strip, convert, verify, write."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from export.convert import OPSET, convert, describe
from export.strip import Stripped, probabilities_of, strip
from export.verify import compare, comparison_lines, onnx_probabilities, require
from runtime.errors import ConfigError
from runtime.sessions import open_session
from runtime.spec import RecognizerSpec, WidthPolicy
from training.config import Config
from training.data.build import check_data_section, deployed_input
from training.files import write_atomically
from training.parameters import parameters_sha256, write_parameters
from training.postprocess import charset_of

log = logging.getLogger("export")
_TOOLS = ("paddlepaddle", "paddle2onnx", "onnx", "onnxslim", "onnxruntime")


def export_network(
    config: Config,
    checkpoint: str | Path,
    network: str,
    output_dir: Path,
    images: Sequence[str | Path] = (),
) -> dict[str, Any]:
    """Strip one network, convert it, prove it, and write both files.

    Nothing is written unless everything agrees.

    Args:
        config: the training config.
        checkpoint: file, prefix or folder.
        network: its name.
        output_dir: where `<network>.pdparams` and `<network>.onnx` go, names in lower case.
        images: line images to compare on; rendered ones without.

    Returns:
        Paths, hashes, parameter counts and the measured parity.

    Raises:
        OcrError: with every reason this project knows.
    """
    charset = charset_of(_section(config, "Global"))
    height, width = _deployed_input(config)
    stripped = _stripped(config, checkpoint, network)
    spec = RecognizerSpec(
        characters=charset.characters,
        height=height,
        width=width,
        network=network,
        weights_sha256=parameters_sha256(stripped.parameters),
        config_sha256=config.sha256,
        provenance={"versions": {tool: version(tool) for tool in _TOOLS}, "opset": OPSET},
    )
    model = convert(stripped.network, spec)
    log.info("converted: %d nodes, opset %d", len(model.graph.node), OPSET)
    lines, lines_from = comparison_lines(images, charset)
    parity = compare(
        partial(probabilities_of, stripped.network),
        onnx_probabilities(model.SerializeToString(), spec),
        spec,
        lines,
        lines_from,
    )
    require(parity, "paddle and onnxruntime")
    log.info(
        "verified: %d of %d texts equal, probabilities within %.2g, on %s",
        parity.num_equal_texts,
        parity.num_lines,
        parity.max_difference,
        lines_from,
    )
    describe(model, replace(spec, provenance={**spec.provenance, "parity": parity.as_json()}))
    base = output_dir / network.lower()
    write_parameters(base.with_suffix(".pdparams"), stripped.parameters)
    write_atomically(base.with_suffix(".onnx"), model.SerializeToString(deterministic=True))
    open_session(base.with_suffix(".onnx"), device="cpu").close()
    return {
        "onnx": str(base.with_suffix(".onnx")),
        "parameters": str(base.with_suffix(".pdparams")),
        "network": network,
        "weights_sha256": spec.weights_sha256,
        "values": dict(stripped.counts),
        "parity": parity.as_json(),
    }


def strip_network(
    config: Config, checkpoint: str | Path, network: str, output_dir: Path
) -> dict[str, Any]:
    """Strip one network, prove it, and write `<network>.pdparams`.

    Args:
        config: the training config.
        checkpoint: file, prefix or folder.
        network: its name.
        output_dir: where the file goes.

    Returns:
        Path, hash and parameter counts.

    Raises:
        OcrError: with every reason this project knows.
    """
    stripped = _stripped(config, checkpoint, network)
    path = output_dir / f"{network.lower()}.pdparams"
    write_parameters(path, stripped.parameters)
    return {
        "parameters": str(path),
        "network": network,
        "weights_sha256": parameters_sha256(stripped.parameters),
        "values": dict(stripped.counts),
    }


def _stripped(config: Config, checkpoint: str | Path, network: str) -> Stripped:
    charset = charset_of(_section(config, "Global"))
    stripped = strip(config, charset, checkpoint, network, _deployed_input(config)[0])
    for name, count in stripped.counts.items():
        log.info("%s %s: %d values", "->" if name == network else "  ", name, count)
    return stripped


def _deployed_input(config: Config) -> tuple[int, WidthPolicy]:
    section = _section(config, "Eval")
    config.raise_problems(check_data_section(section, "Eval"))
    return deployed_input(section, "Eval")


def _section(config: Config, name: str) -> Mapping[str, Any]:
    section = config.sections.get(name)
    if not isinstance(section, Mapping):
        raise ConfigError(f"{config.path}: expected the section {name}, got {section!r}")
    return section
