"""From an ONNX file to a proven plan and its sidecar."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import onnx

from export.contract import ModelContract, model_contract, samples_to_compare
from export.conversion.model_file import ModelFile, read_model
from export.conversion.precision_of import refuse_eight_bit
from export.conversion.staging import staged
from export.engine.build import Built
from export.engine.child import build_in_child
from export.engine.options import BuildOptions
from export.engine.proof import prove_engine
from export.precision import half_model
from export.proof.samples import Samples
from runtime.engines import ENGINE_SUFFIXES
from runtime.engines.sidecar import EngineSidecar, sidecar_path
from runtime.engines.sidecar_fields import this_platform
from runtime.engines.tensorrt.library import LEAN, load_tensorrt
from runtime.engines.tensors import Profile
from runtime.errors import ConfigError, EngineError
from runtime.files import sha256_of, write_atomically
from runtime.spec import ModelSpec

log = logging.getLogger("export")

Build = Callable[[bytes, str, Sequence[Profile], BuildOptions], Built]
_LEVELS = {"none": "none", "ampere+": "ampere_plus"}


@dataclass(frozen=True)
class EngineRequest:
    """What is to be built, and from what.

    Args:
        onnx_path: the model.
        plan_path: where the plan goes; its sidecar beside it.
        is_half: FP16 as far as it reads the same.
        shapes: `min`, `opt`, `max` as trtexec writes them; what is missing is chosen.
        buckets: as `ModelContract.ranges`.
        images: for precision, shapes and proof; rendered ones without.
        dictionary: for a recogniser that carries no characters.
        tie_tolerance: as `half_model`.
        rebuild_command: the command line that makes the plan again.
        options: everything for the builder.
        layer_info: file for what the inspector tells of layers, None for none.
        shows_layers: say it on stderr too.
    """

    onnx_path: Path
    plan_path: Path
    is_half: bool = False
    shapes: Mapping[str, str] = field(default_factory=dict)
    buckets: Sequence[int] | None = None
    images: Sequence[str | Path] = ()
    dictionary: Path | None = None
    tie_tolerance: float = 0.0
    rebuild_command: str = ""
    options: BuildOptions = field(default_factory=BuildOptions)
    layer_info: Path | None = None
    shows_layers: bool = False


def build_engine(request: EngineRequest, build: Build = build_in_child) -> dict[str, Any]:
    """Build an engine, prove it where that can be done, and write plan and sidecar.

    Args:
        request: what is asked for.
        build: makes the plan; in a process of its own unless another way is given.

    Returns:
        paths, hashes, precision, profiles and parity.

    Raises:
        OcrError: with every reason this project knows; no plan is written then.
    """
    if request.plan_path.suffix.lower() not in ENGINE_SUFFIXES:
        raise ConfigError(
            f"--saveEngine: expected a name ending in .plan or .engine, got {request.plan_path}"
        )
    source = read_model(request.onnx_path, request.dictionary)
    contract = model_contract(source.spec)
    samples = samples_to_compare(request.images, contract)
    ranges = contract.ranges(
        request.shapes,
        # Rendered images say nothing of the sizes to come.
        samples if request.images else None,
        request.buckets,
        source.fixed_batch,
    )
    with staged(request.plan_path.parent) as folder:  # a folder that refuses is met first
        model, spec, precision, parity = _with_precision(source, contract, request, samples)
        graph = model_contract(spec).engine_graph(model).SerializeToString(deterministic=True)
        name = f"distilrec {sha256_of(graph)[:16]}"
        profiles = [contract.profile(shapes) for shapes in ranges]
        built = build(graph, name, profiles, request.options)
        _tell_layers(built, request)
        sidecar = _sidecar(source, spec, request, graph, built, precision, parity)
        sidecar = _written(folder, sidecar, built, source.model, contract, samples, request)
    return _described(request.plan_path, sidecar, built)


def _with_precision(
    source: ModelFile, contract: ModelContract, request: EngineRequest, samples: Samples
) -> tuple[onnx.ModelProto, ModelSpec, dict[str, Any], dict[str, Any]]:
    """Model and spec to build from, the sidecar's `precision`, and parity so far."""
    refuse_eight_bit(source.model)
    if source.is_half:
        log.info("%s is FP16 already and is taken as it is", source.path)
        report = source.spec.provenance.get("precision", {})
        kept = report.get("kept", [])
        achieved = report.get("achieved", "mixed")
        precision = {"asked": "as given", "achieved": achieved, "kept_fp32": kept}
        return source.model, source.spec, precision, dict(report.get("agreement", {}))
    if not request.is_half:
        precision = {"asked": "fp32", "achieved": "fp32", "kept_fp32": []}
        return source.model, source.spec, precision, {}
    half = half_model(
        source.model,
        contract,
        samples,
        source_sha256=source.sha256,
        tie_tolerance=request.tie_tolerance,
    )
    report = half.report.as_json()
    precision = {"asked": "fp16", "achieved": report["achieved"], "kept_fp32": report["kept"]}
    return half.model, half.spec, precision, report["agreement"]


def _sidecar(
    source: ModelFile,
    spec: ModelSpec,
    request: EngineRequest,
    graph: bytes,
    built: Built,
    precision: Mapping[str, Any],
    parity: Mapping[str, Any],
) -> EngineSidecar:
    options = request.options
    return EngineSidecar(
        task=spec.task,
        spec=spec.as_json(),
        plan_sha256=sha256_of(built.plan),
        onnx_sha256=source.sha256,
        graph_sha256=sha256_of(graph),
        library=built.library,
        library_version=built.library_version,
        profiles=built.profiles,
        bindings=built.bindings,
        rebuild_command=request.rebuild_command,
        driver_version=built.gpu.driver_version if built.gpu else None,
        gpu_name=built.gpu.name if built.gpu else None,
        compute_capability=built.gpu.compute_capability if built.gpu else None,
        target_compute_capabilities=built.target_compute_capabilities,
        platform=this_platform(),
        version_compatible="versionCompatible" in options.flags,
        hardware_compatibility=_LEVELS.get(options.hardware_level, "same_compute_capability"),
        precision=precision,
        parity={"onnx": parity} if parity else {},
        options=options.as_json(),
    )


def _written(
    folder: Path,
    sidecar: EngineSidecar,
    built: Built,
    model: onnx.ModelProto,
    contract: ModelContract,
    samples: Samples,
    request: EngineRequest,
) -> EngineSidecar:
    """Write plan and sidecar into a folder and, where a GPU is, prove them there."""
    plan = folder / request.plan_path.name
    plan.write_bytes(built.plan)
    sidecar.write(plan)
    targets = sidecar.target_compute_capabilities
    if built.gpu is None:
        log.info("no GPU here: the engine was built but not run; nothing was compared on it")
        return sidecar
    if targets and built.gpu.compute_capability not in targets:
        log.info(
            "the engine is for compute capability %s and the GPU here has %s: it was built but "
            "not run; nothing was compared on it",
            *(" or ".join(targets), built.gpu.compute_capability),
        )
        return sidecar
    if sidecar.needs_lean:
        try:
            load_tensorrt(LEAN)
        except EngineError as error:
            log.warning("the engine was built but not run; nothing was compared on it: %s", error)
            return sidecar
    sidecar = _proven(sidecar, plan, model, contract, samples, request)
    sidecar.write(plan)
    return sidecar


def _described(plan: Path, sidecar: EngineSidecar, built: Built) -> dict[str, Any]:
    return {
        "plan": str(plan),
        "sidecar": str(sidecar_path(plan)),
        "plan_sha256": sidecar.plan_sha256,
        "onnx_sha256": sidecar.onnx_sha256,
        "library": f"{built.library} {built.library_version}",
        "gpu": sidecar.gpu_name,
        "target_compute_capabilities": list(sidecar.target_compute_capabilities),
        "precision": sidecar.precision["achieved"],
        "num_kept_fp32": len(sidecar.precision["kept_fp32"]),
        "profiles": [
            {name: asdict(shapes) for name, shapes in profile.items()}
            for profile in sidecar.profiles
        ],
        "parity": dict(sidecar.parity),
    }


def _tell_layers(built: Built, request: EngineRequest) -> None:
    if request.layer_info is None and not request.shows_layers:
        return
    if not built.layer_info:
        log.warning("the layers of the engine cannot be told here: they take a GPU that runs it")
        return
    if request.layer_info is not None:
        try:
            write_atomically(request.layer_info, built.layer_info.encode())
        except OSError as error:
            place, reason = request.layer_info, error.strerror or error
            log.warning("--exportLayerInfo: %s cannot be written: %s", place, reason)
    if request.shows_layers:
        log.info("%s", built.layer_info)


def _proven(
    sidecar: EngineSidecar,
    trial: Path,
    model: onnx.ModelProto,
    contract: ModelContract,
    samples: Samples,
    request: EngineRequest,
) -> EngineSidecar:
    agreement = prove_engine(
        trial, model, contract, samples, request.tie_tolerance, request.options.device_id
    )
    log.info(
        "the engine reads %d of %d as onnxruntime does, %d ties",
        *(agreement.num_equal, agreement.num_samples, agreement.num_ties),
    )
    figures = {**agreement.as_json(), "reference": "onnxruntime on the CPU"}
    return replace(sidecar, parity={**sidecar.parity, "engine": figures})
