"""A small distillation model with random weights and everything around it."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
import yaml

from export.conversion import convert
from training.config import Config, load_config

_CONVERTS_ANEW = ("test_convert", "test_the_same_checkpoint_gives_the_same_bytes")
"""Files and tests that are about the converter itself, by the start of their names."""


class Conversions:
    """What paddle2onnx made of programs, so that none is converted twice in a run.

    A conversion takes four seconds of a CPU, most of them for starting a process. Numbers within
    paddle's names count up over the life of a process, so programs are compared without them.
    """

    def __init__(self) -> None:
        self.is_used = True
        self._convert = convert._paddle2onnx
        self._models: dict[tuple[str, int], bytes] = {}

    def model_of(self, program: Path, target: Path, opset: int) -> onnx.ModelProto:
        """In the place of `_paddle2onnx`."""
        weights = program.with_suffix(".pdiparams")
        if not (self.is_used and program.is_file() and weights.is_file()):
            return self._convert(program, target, opset)
        text = re.sub(rb"(?<=[a-z]_)\d+", b"", program.read_bytes())
        key = (hashlib.sha256(text + weights.read_bytes()).hexdigest(), opset)
        if key not in self._models:
            self._models[key] = self._convert(program, target, opset).SerializeToString()
        return onnx.load_from_string(self._models[key])


@pytest.fixture(scope="session", autouse=True)
def conversions() -> Iterator[Conversions]:
    """Remember conversions for the whole run."""
    remembered = Conversions()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert, "_paddle2onnx", remembered.model_of)
        yield remembered


@pytest.fixture(autouse=True)
def conversions_where_they_are_not_the_subject(
    request: pytest.FixtureRequest, conversions: Conversions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Convert anew in tests of the converter."""
    names = (request.path.name, request.node.name)
    anew = any(name.startswith(_CONVERTS_ANEW) for name in names)
    monkeypatch.setattr(conversions, "is_used", not anew)


@pytest.fixture(scope="session")
def small_config(tmp_path_factory) -> Config:
    """Two networks of different widths over ten digits and the space."""
    folder = tmp_path_factory.mktemp("config")
    (folder / "digits.txt").write_text("\n".join("0123456789") + "\n")
    sections = yaml.safe_load(Path("configs/small.yml").read_text())
    sections["Global"]["character_dict_path"] = str(folder / "digits.txt")
    for name, hidden_size in (("Teacher", 12), ("Student", 8)):
        network = sections["Architecture"]["Models"][name]
        network["Backbone"]["scale"] = 0.125
        network["Neck"]["hidden_size"] = hidden_size
        network["Head"]["mid_channels"] = 16
    path = folder / "config.yml"
    path.write_text(yaml.safe_dump(sections))
    return load_config(path)


@pytest.fixture(scope="session")
def checkpoint(small_config, tmp_path_factory):
    """A checkpoint of the whole model, its weights large enough to read something."""
    import paddle

    from training.checkpoint.parameters import arrays_of, write_parameters
    from training.networks import build_model

    paddle.seed(3)
    model = build_model(small_config.sections["Architecture"], 12)
    for name, tensor in model.state_dict().items():
        if name.endswith("head.fc2.weight"):
            tensor.set_value(tensor * 40)
    path = tmp_path_factory.mktemp("checkpoint") / "best_accuracy.pdparams"
    write_parameters(path, arrays_of(model))
    return path


@pytest.fixture(scope="session")
def exported(small_config, checkpoint, tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    """Folder and result of a whole export of the small Student; tests leave the files as is."""
    from export.chain import ExportOptions, Source, export_network

    folder = tmp_path_factory.mktemp("exported")
    source = Source(small_config, checkpoint, "Student")
    return folder, export_network(source, folder, ExportOptions())


@pytest.fixture(scope="session")
def small_student(tmp_path_factory) -> Path:
    """ONNX file of the small Student, which reads rendered lines; tests leave it as it is."""
    from export.chain import ExportOptions, Source, export_network

    folder = tmp_path_factory.mktemp("small_student")
    source = Source(load_config(Path("configs/small.yml")), "weights/small_start", "Student")
    return Path(export_network(source, folder, ExportOptions())["onnx"])


@pytest.fixture(scope="session")
def real_crops(real_lines) -> list[Path]:
    """500 crops, of every pack alike and well mixed."""
    crops = []
    for labels in sorted(real_lines.glob("*/val.tsv")):
        rows = labels.read_text(encoding="utf-8").splitlines()[:100]
        crops.append([labels.parent / row.split("\t")[0] for row in rows])
    return [crop for mixed in zip(*crops, strict=True) for crop in mixed][:500]
