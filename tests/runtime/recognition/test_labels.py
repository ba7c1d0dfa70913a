"""Label files beside images."""

import pytest

from runtime.errors import ArtifactError
from runtime.recognition.labels import Labels


def test_exact_readings_are_counted_by_resolved_path(tmp_path, monkeypatch):
    file = tmp_path / "labels.txt"
    file.write_bytes("a.png\tHello\r\nsub/b.png\tWörld 1\nc.png\tx\n".encode("utf-8-sig"))
    labels = Labels(file)
    monkeypatch.chdir(tmp_path)
    labels.compare("a.png", "Hello")
    labels.compare(str(tmp_path / "sub" / ".." / "sub" / "b.png"), "World 1")
    labels.compare("unlabelled.png", "x")
    labels.compare(None, "x")
    assert (labels.scores.num_exact, labels.scores.num_read) == (1, 2)


@pytest.mark.parametrize("content", [b"", b"no tab here\n", b"\xff\xfe\tx\n"])
def test_a_useless_label_file_is_one_clear_error(tmp_path, content):
    file = tmp_path / "labels.txt"
    file.write_bytes(content)
    with pytest.raises(ArtifactError, match="labels"):
        Labels(file)


def test_a_missing_label_file_is_named(tmp_path):
    with pytest.raises(ArtifactError, match=r"nothing\.txt"):
        Labels(tmp_path / "nothing.txt")
