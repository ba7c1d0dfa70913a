"""No faithful conversion is refused, whatever its weights make of rounding."""

import numpy as np
import paddle
import pytest

from export.chain import ExportOptions, Source, convert_network
from export.contract import model_contract
from export.proof import prove as proof
from export.proof.forms import run_of_onnx
from export.recognition.samples import rendered_lines
from runtime.errors import ParityError
from runtime.recognition.charset import Charset
from runtime.recognition.preprocess import batch_from_lines, resize_to
from tests.export.wrong_conversions import CHANGES, changed
from training.checkpoint.parameters import arrays_of, write_parameters
from training.networks import build_model

CHARACTERS = tuple("0123456789 ")


def _chaotic(small_config, path, seed, gain):
    """A checkpoint of random weights, large in the head, with the statistics of real lines.

    `gain` multiplies every other weight of LSTM and head, so that rounding is amplified.
    """
    paddle.seed(seed)
    section = small_config.sections["Architecture"]["Models"]["Student"]
    section = {**section, "freeze_params": False, "return_all_feats": False}
    section["Backbone"] = {"name": "MobileNetV1Enhance", "scale": 0.125}
    network = build_model(section, len(CHARACTERS) + 1)
    for name, tensor in network.state_dict().items():
        if ".fc" in name and name.endswith(".weight"):
            tensor.set_value(tensor * 10 * gain)
        elif "lstm" in name and ".weight" in name:
            tensor.set_value(tensor * gain)
    lines, _ = rendered_lines(Charset(CHARACTERS))
    batch = paddle.to_tensor(batch_from_lines([resize_to(line, 32, 96) for line in lines[:32]], 96))
    network.train()
    with paddle.no_grad():
        for _ in range(25):
            network(batch)
    write_parameters(path, arrays_of(network))
    return path


def _parity(small_config, folder, seed, gain):
    path = _chaotic(small_config, folder / f"{seed}.pdparams", seed, gain)
    source = Source(small_config, path, "Student")
    return convert_network(source, folder, ExportOptions())["parity"]


@pytest.mark.parametrize("gain", [1.0, 2.0])
def test_a_chaotic_network_is_exported(small_config, tmp_path, gain):
    assert _parity(small_config, tmp_path, 1, gain)["rounding"]["typical"] < 2


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(24))
def test_none_of_many_is_refused(small_config, tmp_path, seed):
    gain = (1.0, 1.5, 2.0)[seed % 3]
    rounding = _parity(small_config, tmp_path, 100 + seed, gain)["rounding"]
    assert rounding["typical"] < 2 and rounding["worst"] < 8


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_where_rounding_alone_reads_another_text_that_is_what_is_said(small_config, tmp_path, seed):
    """Of some such networks two runs of paddle itself read half of the lines differently."""
    gain = (4.0, 8.0, 16.0)[seed % 3]
    try:
        rounding = _parity(small_config, tmp_path, 200 + seed, gain)["rounding"]
    except ParityError as error:
        assert "cannot be compared" in str(error) and "train the network further" in str(error)
    else:
        assert rounding["typical"] < 2


@pytest.mark.parametrize("what", ["one layer 1e-3 larger", "LSTM forward only"])
def test_a_wrong_conversion_is_refused_and_nothing_written(
    small_config, checkpoint, tmp_path, monkeypatch, what
):
    import onnx

    def wrong(model, spec):
        content = changed(onnx.load_model_from_string(model), CHANGES[what])
        return run_of_onnx(content, spec)

    monkeypatch.setattr(proof, "run_of_onnx", wrong)
    with pytest.raises(ParityError, match="paddle and onnxruntime disagree"):
        convert_network(Source(small_config, checkpoint, "Student"), tmp_path, ExportOptions())
    assert not any(tmp_path.iterdir())


def test_texts_may_differ_only_where_rounding_decides(
    small_config, checkpoint, tmp_path, monkeypatch
):
    def tied(batch):
        """Two classes equally probable, which of them by the last bit of the first pixel."""
        result = np.full((len(batch), 4, 12), 0.0, np.float32)
        result[..., 1:3] = 0.5
        return result

    def either(batch):
        result = tied(batch)
        result[..., 2] = np.nextafter(np.float32(0.5), np.float32(1))
        return result

    monkeypatch.setattr(proof, "deployed_outputs", lambda network: tied)
    monkeypatch.setattr(proof, "run_of_onnx", lambda model, spec: either)
    monkeypatch.setattr(proof, "run_of_program", lambda program, batch_size: tied)
    from export.proof.forms import ScoreForm

    monkeypatch.setattr(
        proof, "exact_form", lambda stripped, spec: ScoreForm("exact", model_contract(spec), tied)
    )
    monkeypatch.setattr(
        proof, "drawn_forms", lambda stripped, spec: [ScoreForm("draw", model_contract(spec), tied)]
    )
    parity = convert_network(
        Source(small_config, checkpoint, "Student"), tmp_path, ExportOptions()
    )["parity"]
    assert parity["num_equal"] == 0
    assert parity["rounding"]["worst"] == 1.0
