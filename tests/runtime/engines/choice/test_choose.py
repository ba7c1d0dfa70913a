"""What is taken: as the file is without a proof, else the fastest of what is proven here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from runtime.engines import open_engine
from runtime.engines.choice import choose
from runtime.engines.choice.choose import chosen_way
from runtime.engines.choice.ways import Way
from runtime.errors import ArtifactError, EngineError
from tests.fakes.eight_bit_toy import write_eight_bit

Choose = Callable[..., Way]


@pytest.fixture
def chosen(
    model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Choose:
    """Chooses; `ms` tells what each engine and precision takes."""
    caplog.set_level(logging.INFO, choose.__name__)

    def call(
        device: str = "cpu",
        precision: str = "auto",
        ms: Mapping[str, float] | None = None,
        path: Path = model,
    ) -> Way:
        def speeds_of(sha256: str, ways: list[Way], opened: object) -> dict[Way, float]:
            if ms is None:
                raise AssertionError("nothing is to be measured")
            told = {way: ms.get(f"{way.engine} {way.precision}") for way in ways}
            return {way: taken / 1000 for way, taken in told.items() if taken is not None}

        monkeypatch.setattr(choose, "speeds_of", speeds_of)
        return chosen_way(path, device, precision, lambda way: pytest.fail("opened"))

    return call


FAST = {"onnxruntime fp32": 10.0, "openvino bf16": 5.0, "openvino fp32": 9.0}


def test_without_a_proof_it_is_as_ever(model: Path, chosen: Choose) -> None:
    for device in ("auto", "cpu"):
        assert chosen(device) == Way(model, "onnxruntime", "fp32")
    assert chosen("openvino") == Way(model, "openvino", "fp32")


def test_what_is_proven_and_faster_is_taken_and_told(
    model: Path, chosen: Choose, prove, caplog: pytest.LogCaptureFixture
) -> None:
    prove()
    prove(precision="fp32")
    assert chosen(ms=FAST) == Way(model, "openvino", "bf16")
    assert "bf16 in openvino: 500 of 500 read the same, on 500 images" in caplog.text
    assert "5 ms" in caplog.text


def test_what_is_hardly_faster_is_not(model: Path, chosen: Choose, prove) -> None:
    prove()
    assert chosen(ms={**FAST, "openvino bf16": 9.8}) == Way(model)
    assert chosen(ms={"onnxruntime fp32": 10.0}) == Way(model)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model_sha256": "1" * 64}, "proven of another model"),
        ({"cpu": "x86_64: amx_bf16"}, "proven on another kind of CPU"),
        ({"version": "2026.3.0"}, "proven with openvino 2026.3.0"),
    ],
)
def test_a_proof_of_something_else_is_not_taken_and_it_is_said_why(
    model: Path,
    chosen: Choose,
    prove,
    caplog: pytest.LogCaptureFixture,
    changes: dict[str, str],
    reason: str,
) -> None:
    prove(**changes)
    assert chosen() == Way(model)
    assert f"bf16 in openvino is not taken: {reason}" in caplog.text


def test_an_engine_that_is_not_there_is_not_taken(
    model: Path, chosen: Choose, prove, caplog, monkeypatch: pytest.MonkeyPatch
) -> None:
    prove()
    monkeypatch.setattr("runtime.engines.choice.proof.version_of", lambda engine: None)
    assert chosen() == Way(model)
    assert "openvino is not installed: pip install 'distilrec[openvino]'" in caplog.text


def test_a_proven_8_bit_form(model: Path, chosen: Choose, prove) -> None:
    form = write_eight_bit(model)
    prove(form=form.name, engine="onnxruntime", precision="int8")
    prove(form=form.name, precision="int8")
    speeds = {"onnxruntime fp32": 10.0, "onnxruntime int8": 6.0, "openvino int8": 4.0}
    assert chosen(ms=speeds) == Way(form, "openvino", "int8")
    assert chosen(ms={**speeds, "openvino int8": 7.0}) == Way(form, "onnxruntime", "int8")
    assert chosen("openvino", ms={"openvino fp32": 10.0, **speeds}).engine == "openvino"


def test_8_bit_that_is_asked_for_is_computed_by_the_faster_engine(
    model: Path, chosen: Choose
) -> None:
    form = write_eight_bit(model)
    speeds = {"onnxruntime int8": 6.0, "openvino int8": 4.0}
    assert chosen(precision="int8", ms=speeds) == Way(form, "openvino", "int8")
    assert chosen(precision="int8", ms={"onnxruntime int8": 6.0}).engine == "onnxruntime"
    assert chosen("openvino", "int8") == Way(form, "openvino", "int8")
    assert chosen(precision="int8", ms=speeds, path=form).path == form


def test_precisions_that_are_asked_for(model: Path, chosen: Choose) -> None:
    assert chosen(precision="bf16") == Way(model, "openvino", "bf16")
    assert chosen(precision="fp32") == Way(model, "onnxruntime", "fp32")
    assert chosen("openvino", "fp32") == Way(model, "openvino", "fp32")


def test_a_missing_or_foreign_8_bit_form(model: Path, chosen: Choose) -> None:
    with pytest.raises(ArtifactError, match=r"expected student_int8\.onnx beside it"):
        chosen(precision="int8")
    write_eight_bit(model, source_sha256="1" * 64)
    with pytest.raises(ArtifactError, match="is not the 8-bit form of student"):
        chosen(precision="int8")


def test_fp32_of_an_8_bit_file(model: Path, chosen: Choose) -> None:
    form = write_eight_bit(model)
    with pytest.raises(ArtifactError, match="is 8-bit: expected an FP32 model for precision fp32"):
        chosen(precision="fp32", path=form)


def test_contradictions_are_refused(model: Path) -> None:
    with pytest.raises(EngineError, match="unknown precision 'fp8'"):
        open_engine(model, precision="fp8")
    with pytest.raises(EngineError, match="precision bf16 is one of CPUs"):
        open_engine(model, "cuda", precision="bf16")
    plan = model.with_suffix(".plan")
    plan.write_bytes(b"")
    with pytest.raises(EngineError, match="has the precision it was built with"):
        open_engine(plan, precision="int8")
    with pytest.raises(EngineError, match="expected device auto or cuda, got openvino"):
        open_engine(plan, "openvino")
