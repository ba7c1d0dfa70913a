"""Label files beside images."""

import pytest

from runtime.errors import ArtifactError
from runtime.recognition.scores import Labels


def test_exact_readings_are_counted_by_resolved_path(tmp_path, monkeypatch):
    file = tmp_path / "labels.txt"
    file.write_bytes("a.png\tHello\r\nsub/b.png\tWörld 1\nc.png\tx\n".encode("utf-8-sig"))
    labels = Labels(file)
    monkeypatch.chdir(tmp_path)
    labels.compare("a.png", "Hello")
    labels.compare(str(tmp_path / "sub" / ".." / "sub" / "b.png"), "World 1")
    labels.compare("unlabelled.png", "x")
    labels.compare(None, "x")
    assert (labels.num_exact, labels.num_read) == (1, 2)
    assert labels.summary().startswith("read exactly: 1 of 2 labelled images (50.0 %); ")


def test_how_far_off_the_readings_are(tmp_path):
    file = tmp_path / "labels.txt"
    file.write_text("a.png\tHello World\nb.png\t12345\nc.png\tabcd\n")
    labels = Labels(file)
    labels.compare(str(tmp_path / "a.png"), "helloworld")  # two cases and a space
    labels.compare(str(tmp_path / "b.png"), "12345")
    labels.compare(str(tmp_path / "c.png"), "")  # not read
    assert (labels.num_read, labels.num_exact, labels.num_alike) == (3, 1, 2)
    assert labels.character_error_rate == (3 + 0 + 4) / (11 + 5 + 4)
    assert labels.summary() == (
        "read exactly: 1 of 3 labelled images (33.3 %); ignoring case and spaces: 2 (66.7 %); "
        "character error rate: 35.00 %"
    )


@pytest.mark.parametrize("content", [b"", b"no tab here\n", b"\xff\xfe\tx\n"])
def test_a_useless_label_file_is_one_clear_error(tmp_path, content):
    file = tmp_path / "labels.txt"
    file.write_bytes(content)
    with pytest.raises(ArtifactError, match="labels"):
        Labels(file)


def test_a_missing_label_file_is_named(tmp_path):
    with pytest.raises(ArtifactError, match=r"nothing\.txt"):
        Labels(tmp_path / "nothing.txt")
