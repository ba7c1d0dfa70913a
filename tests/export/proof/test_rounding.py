"""A network that amplifies rounding is told from a conversion that is wrong."""

import numpy as np
import pytest

from export import chain
from export.chain import ExportOptions, Source, export_network
from export.conversion.strip import deployed_outputs
from export.proof.forms import ProbabilityForm, onnx_probabilities
from export.proof.rounding import Rounding, measure_rounding
from export.proof.samples import comparison_lines
from runtime.errors import ParityError


def test_what_rounding_accounts_for():
    assert Rounding(reference=1e-3, candidate=3e-3).explains
    assert not Rounding(reference=1e-6, candidate=1e-3).explains


def test_paddle_is_close_to_float64_and_a_shifted_form_is_not(small_config, checkpoint):
    source = Source(small_config, checkpoint, "Student")
    stripped = chain.stripped_network(source)
    spec = chain.spec_of_network(source, stripped)
    run = deployed_outputs(stripped.network)
    lines, _ = comparison_lines((), spec.charset)
    paddle = ProbabilityForm("paddle", spec, run)
    shifted = ProbabilityForm("shifted", spec, lambda batch: run(batch) + np.float32(1e-3))
    rounding = measure_rounding(stripped, paddle, shifted, spec, lines[:8])
    assert 0 < rounding.reference < 1e-5
    assert rounding.candidate == pytest.approx(1e-3, rel=0.1)
    assert not rounding.explains


def test_a_wrong_conversion_is_not_excused(small_config, checkpoint, tmp_path, monkeypatch):
    def shifted(model, spec):
        run = onnx_probabilities(model, spec)
        return lambda batch: run(batch) * np.float32(1.001)

    monkeypatch.setattr(chain, "onnx_probabilities", shifted)
    with pytest.raises(ParityError, match="paddle and onnxruntime disagree"):
        export_network(Source(small_config, checkpoint, "Student"), tmp_path, ExportOptions())
    assert not any(tmp_path.iterdir())
