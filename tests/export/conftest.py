"""A small distillation model with random weights and everything around it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from training.config import Config, load_config


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
    """500 crops of every pack, well mixed."""
    crops = []
    for labels in sorted(real_lines.glob("*/val.tsv")):
        rows = labels.read_text(encoding="utf-8").splitlines()[:100]
        crops.append([labels.parent / row.split("\t")[0] for row in rows])
    return [crop for mixed in zip(*crops, strict=True) for crop in mixed]
