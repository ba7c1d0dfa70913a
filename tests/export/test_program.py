"""An inference program that is not whole is told before it is converted."""

import paddle
import pytest

from export.chain import ExportOptions, Source, convert_network
from runtime.errors import ArtifactError


def test_what_a_full_disk_cut_off_is_noticed(small_config, checkpoint, tmp_path, monkeypatch):
    save = paddle.jit.save

    def cut(layer, path):
        save(layer, path)
        with open(f"{path}.pdiparams", "r+b") as file:
            file.truncate(10_000)  # paddle itself says nothing of a write that fails

    monkeypatch.setattr(paddle.jit, "save", cut)
    source = Source(small_config, checkpoint, "Student")
    with pytest.raises(ArtifactError, match=r"inference\.pdiparams: expected .* got 10,000; give"):
        convert_network(source, tmp_path / "out", ExportOptions())
    assert not (tmp_path / "out").exists()


def test_a_folder_that_refuses_is_met_before_the_work(
    small_config, checkpoint, tmp_path, monkeypatch
):
    (tmp_path / "out").write_bytes(b"a file")
    monkeypatch.setattr("export.chain.save_program", lambda *_: pytest.fail("it was converted"))
    with pytest.raises(ArtifactError, match="cannot write in"):
        convert_network(
            Source(small_config, checkpoint, "Student"), tmp_path / "out", ExportOptions()
        )
