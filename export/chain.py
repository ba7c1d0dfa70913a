"""From a checkpoint to verified files: strip, convert, compare, write."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import onnx

from export.contract import contract_of, model_contract, opened
from export.conversion.convert import check_opset, convert, tool_versions
from export.conversion.graph import describe, opset_of
from export.conversion.program import save_program
from export.conversion.staging import staged
from export.conversion.strip import Stripped, strip
from export.proof.prove import prove
from runtime.errors import ConfigError
from runtime.spec import ModelSpec
from training.checkpoint.foreign import notes_of
from training.checkpoint.parameters import parameters_sha256, write_parameters, write_safetensors
from training.config import Config
from training.plan import DeployedPlan, read_deployed_plan

log = logging.getLogger("export")


@dataclass(frozen=True)
class Source:
    """What to export.

    Args:
        config: the training config.
        checkpoint: file, prefix or folder.
        network: its name in the checkpoint.
    """

    config: Config
    checkpoint: str | Path
    network: str

    @cached_property
    def plan(self) -> DeployedPlan:
        """Read, once, what the config says of the deployed network."""
        return read_deployed_plan(self.config)


@dataclass(frozen=True)
class ExportOptions:
    """How to export.

    Args:
        images: to compare on; rendered ones without.
        opset: of the ONNX operators; the network decides when None.
        batch_size: N, or None to leave it open.
        width_px: W in px, or None to leave it open.
        safetensors: write the parameters in that format too.
        triton: folder of a Triton model repository to add the model to.
        model_name: for PaddleX, in `inference.yml`.
    """

    images: Sequence[str | Path] = ()
    opset: int | None = None
    batch_size: int | None = None
    width_px: int | None = None
    safetensors: bool = False
    triton: Path | None = None
    model_name: str = ""

    def __post_init__(self) -> None:
        check_opset(self.opset)
        for name, value in (("--batch-size", self.batch_size), ("--width", self.width_px)):
            if value is not None and value < 1:
                raise ConfigError(f"{name}: expected at least 1, got {value}")


def export_network(source: Source, output_dir: Path, options: ExportOptions) -> dict[str, Any]:
    """Strip one network, convert it, prove each step, and write all files, or none.

    Written are `<network>.pdparams`, `<network>.onnx`, and `<network>/inference.*`, the folder
    that PaddleOCR 3 and PaddleX read; names in lower case.

    Args:
        source: what.
        output_dir: where the files go.
        options: how.

    Returns:
        Paths, hashes, parameter counts and the measured parity.

    Raises:
        OcrError: with every reason this project knows; nothing of an earlier export is touched.
    """
    stripped = stripped_network(source)
    spec = spec_of_network(source, stripped, options)
    name = source.network.lower()
    with ExitStack() as stack:
        # Blocks end in reverse order: the repository, staged first, is moved last, after the
        # export itself.
        repository = stack.enter_context(staged(options.triton)) if options.triton else None
        folder = stack.enter_context(staged(output_dir))
        (folder / name).mkdir()
        log.info("tracing the network, and converting it with paddle2onnx")
        program = save_program(stripped.network, spec, folder / name, options.batch_size)
        model = convert(program, spec, options.opset, options.batch_size)
        log.info("converted: %d nodes, opset %d", len(model.graph.node), opset_of(model))
        spec = _describe_proven(model, stripped, program, spec, options)
        content = model.SerializeToString(deterministic=True)
        _write_parameters(folder / name, stripped, options)
        contract = model_contract(spec)
        for file_name, text in contract.side_files(options.model_name).items():
            (folder / name / file_name).write_text(text, encoding="utf-8")
        onnx_file = folder / f"{name}.onnx"
        onnx_file.write_bytes(content)
        opened(onnx_file)
        if repository is not None:
            contract.write_triton(repository, name, content, options.batch_size)
    result = _summary_of(stripped, output_dir / name, options)
    result["onnx"] = str(output_dir / f"{name}.onnx")
    result["inference"] = str(output_dir / name)
    if options.triton is not None:
        result["triton"] = str(options.triton / name)
    return {**result, "parity": spec.provenance["parity"]}


def strip_network(source: Source, output_dir: Path, options: ExportOptions) -> dict[str, Any]:
    """Strip one network, prove it, and write `<network>.pdparams`.

    Args, Raises: as `export_network`.

    Returns:
        Path, hash and parameter counts.
    """
    stripped = stripped_network(source)
    name = source.network.lower()
    with staged(output_dir) as folder:
        _write_parameters(folder / name, stripped, options)
    return _summary_of(stripped, output_dir / name, options)


def convert_network(source: Source, output_dir: Path, options: ExportOptions) -> dict[str, Any]:
    """Strip one network, convert and prove it, and write `<network>.onnx` alone.

    Args, Raises: as `export_network`.

    Returns:
        Path, hash and the measured parity.
    """
    stripped = stripped_network(source)
    spec = spec_of_network(source, stripped, options)
    place = output_dir / f"{source.network.lower()}.onnx"
    with staged(output_dir) as folder:
        (folder / "program").mkdir()
        log.info("tracing the network, and converting it with paddle2onnx")
        program = save_program(stripped.network, spec, folder / "program", options.batch_size)
        model = convert(program, spec, options.opset, options.batch_size)
        spec = _describe_proven(model, stripped, program, spec, options)
        for file in (program, program.with_suffix(".pdiparams")):
            file.unlink()
        (folder / place.name).write_bytes(model.SerializeToString(deterministic=True))
        opened(folder / place.name)
    return {
        "onnx": str(place),
        "weights_sha256": spec.weights_sha256,
        "parity": spec.provenance["parity"],
    }


def _describe_proven(
    model: onnx.ModelProto,
    stripped: Stripped,
    program: Path,
    spec: ModelSpec,
    options: ExportOptions,
) -> ModelSpec:
    """Prove a converted model, write the measured parity into it, and return its spec."""
    content = model.SerializeToString()
    parity = prove(stripped, program, content, spec, options.images, options.batch_size)
    measured = {"opset": opset_of(model), "parity": parity}
    spec = replace(spec, provenance={**spec.provenance, **measured})
    describe(model, spec)
    return spec


def stripped_network(source: Source) -> Stripped:
    """Take the network out of its checkpoint and log the counts of all networks in it."""
    log.info("taking %s out of %s", source.network, source.checkpoint)
    stripped = strip(source.plan, source.checkpoint, source.network)
    for name, count in stripped.counts.items():
        mark = "->" if name == source.network else "  "
        log.info("%s %s: %s values", mark, name, f"{count:,}")
    for note in notes_of(source.plan, source.checkpoint):
        log.info("%s", note)
    return stripped


def spec_of_network(
    source: Source, stripped: Stripped, options: ExportOptions | None = None
) -> ModelSpec:
    """Return the spec that the exported model will carry, its parity aside."""
    options = ExportOptions() if options is None else options
    contract = contract_of(source.plan)
    return replace(
        contract.spec(source.network, options.width_px),
        weights_sha256=parameters_sha256(stripped.parameters),
        config_sha256=source.config.sha256,
        provenance={"versions": tool_versions()},
    )


def _write_parameters(prefix: Path, stripped: Stripped, options: ExportOptions) -> None:
    write_parameters(prefix.with_suffix(".pdparams"), stripped.parameters)
    if options.safetensors:
        write_safetensors(prefix.with_suffix(".safetensors"), stripped.parameters)


def _summary_of(stripped: Stripped, prefix: Path, options: ExportOptions) -> dict[str, Any]:
    files = {"parameters": str(prefix.with_suffix(".pdparams"))}
    if options.safetensors:
        files["safetensors"] = str(prefix.with_suffix(".safetensors"))
    return {
        **files,
        "network": stripped.name,
        "weights_sha256": parameters_sha256(stripped.parameters),
        "values": dict(stripped.counts),
    }
