"""Label files as editors, PaddleOCR and Windows write them, alone and beside images."""

import logging

import pytest

from runtime.errors import ArtifactError, DatasetError
from runtime.recognition.labels import Labels, labelled_images, path_of, read_labels


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows_with_their_numbers(tmp_path, encoding, end):
    file = tmp_path / "labels.txt"
    lines = [
        "a.png\téins\tzwei",
        "",
        "no tab",
        " \tno name",
        '["b.png", "c.png"]\t x ',
        "[d.png\ty",
    ]
    file.write_bytes(end.join(lines).encode(encoding))
    labels = read_labels(file)
    assert [(row.number, row.names, row.text) for row in labels.rows] == [
        (1, ("a.png",), "éins\tzwei"),
        (5, ("b.png", "c.png"), " x "),
        (6, ("[d.png",), "y"),
    ]
    assert {row.file for row in labels.rows} == {file}
    assert labels.malformed == (f"{file}:3", f"{file}:4")


@pytest.mark.parametrize("name", ["[]", '["a", 1]', '"a"', "[" * 9_999])
def test_brackets_of_a_name_are_no_list(tmp_path, name):
    file = tmp_path / "labels.txt"
    file.write_text(f"{name}\tx\n")
    assert read_labels(file).rows[0].names == (name,)


def test_another_delimiter(tmp_path):
    file = tmp_path / "labels.txt"
    file.write_text("a.png one two\n")
    assert read_labels(file, " ").rows[0].text == "one two"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a.png\tx\n\xe9.png\ty\n", "got other bytes in line 2; save the file as UTF-8"),
        ("a\tx\n".encode("utf-16-le"), "got a zero byte in line 1"),
        (b"\xff\xfea", "got other bytes in line 1"),
        (None, "No such file or directory; look elsewhere"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(tmp_path, content, said):
    file = tmp_path / "labels.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DatasetError, match=rf"cannot read the labels {file}: .*{said}"):
        read_labels(file, remedy="look elsewhere")


def test_names_stand_for_files_that_are_there(tmp_path):
    (tmp_path / "a").mkdir()
    for name in ("a/b.png", " c.png", "a\\d.png"):
        (tmp_path / name).touch()
    assert path_of(tmp_path, "a\\b.png") == tmp_path / "a" / "b.png"
    assert path_of(tmp_path, " a/b.png ") == tmp_path / "a" / "b.png"
    assert path_of(tmp_path, " c.png") == tmp_path / " c.png"
    assert path_of(tmp_path, "a\\d.png") == tmp_path / "a\\d.png"
    assert path_of(tmp_path, "gone\\e.png ") == tmp_path / "gone" / "e.png"


def test_every_image_of_a_row_has_its_text(tmp_path):
    file = tmp_path / "labels.txt"
    file.write_text('["a.png", "b.png"]\tx\n/c.png\ty\n')
    assert [(str(path), text) for path, text in labelled_images(file)] == [
        (f"{tmp_path}/a.png", "x"),
        (f"{tmp_path}/b.png", "x"),
        ("/c.png", "y"),
    ]


def test_lines_that_are_no_labels_are_told(tmp_path, caplog):
    file = tmp_path / "labels.txt"
    file.write_text("a.png\tx\nb.png y\n")
    with caplog.at_level(logging.WARNING):
        Labels(file)
    assert f"1 lines without a tab or a name, e.g. {file}:2" in caplog.text
    file.write_text("b.png y\n")
    with pytest.raises(ArtifactError, match=rf"got 1 lines without a tab or a name, e.g. {file}:1"):
        Labels(file)


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
    assert labels.summary().startswith("read exactly: 1 of 2 labelled images (50.0 %); ")


@pytest.mark.parametrize("content", [b"", b"no tab here\n", b"\xff\xfe\tx\n"])
def test_a_useless_label_file_is_one_clear_error(tmp_path, content):
    file = tmp_path / "labels.txt"
    file.write_bytes(content)
    with pytest.raises(ArtifactError, match="labels"):
        Labels(file)


def test_a_missing_label_file_is_named(tmp_path):
    with pytest.raises(ArtifactError, match=r"nothing\.txt"):
        Labels(tmp_path / "nothing.txt")


@pytest.fixture
def data_dir(tmp_path):
    """PaddleOCR's layout: names in the label file are relative to a folder above it."""
    folder = tmp_path / "train_data" / "rec" / "test"
    folder.mkdir(parents=True)
    for name in ("word_1.jpg", "word_2.jpg"):
        (folder / name).touch()
    return tmp_path / "train_data"


def labelled(file, content, encoding="utf-8", folder=None):
    file.write_bytes(content.encode(encoding))
    return Labels(file, folder)


@pytest.mark.parametrize(
    ("content", "num_names"),
    [
        ("rec/test/word_1.jpg\tone\nrec/test/word_2.jpg\tone\n", 2),  # of data_dir
        ("test\\word_1.jpg\tone\r\ntest\\word_2.jpg\tone\r\n", 2),
        ("rec\\test\\word_1.jpg\tone\r\n", 1),
        ('["test/word_1.jpg", "test/word_2.jpg"]\tone\n', 2),
        ('["rec\\\\test\\\\word_1.jpg"]\tone\n', 1),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_names_are_understood_as_in_training(data_dir, content, num_names, encoding):
    labels = labelled(data_dir / "rec" / "labels.txt", content, encoding)
    folder = data_dir / "rec" / "test"
    assert labels.paths == [str(folder / f"word_{number + 1}.jpg") for number in range(num_names)]
    for path in labels.paths:
        labels.compare(path, "one")
    labels.check_use()
    assert labels.summary().startswith(f"read exactly: {num_names} of {num_names} labelled images")


def test_names_with_backslashes_of_their_own_stay(tmp_path):
    (tmp_path / "a\\b.png").touch()
    labels = labelled(tmp_path / "labels.txt", "a\\b.png\tx\n")
    assert labels.text_of(tmp_path / "a\\b.png") == "x"


def test_folder_of_the_names_can_be_given(data_dir):
    labels = labelled(
        data_dir.parent / "labels.txt", "word_1.jpg\tone\n", folder=data_dir / "rec/test"
    )
    assert labels.text_of(data_dir / "rec" / "test" / "word_1.jpg") == "one"


def test_several_folders_are_asked_about(data_dir):
    (data_dir / "word_1.jpg").touch()
    (data_dir / "rec" / "word_1.jpg").touch()
    file = data_dir / "rec" / "test" / "more" / "labels.txt"
    file.parent.mkdir()
    with pytest.raises(ArtifactError, match=r"cannot tell which folder .*--labels-dir"):
        labelled(file, "word_1.jpg\tone\n")
    assert Labels(file, data_dir).text_of(data_dir / "word_1.jpg") == "one"


def test_labels_without_images_are_an_error_with_an_example(data_dir):
    file = data_dir / "rec" / "labels.txt"
    labels = labelled(file, "images/x.jpg\tone\nimages/y.jpg\ttwo\n")
    labels.compare(str(data_dir / "rec" / "test" / "word_1.jpg"), "one")
    example = data_dir / "rec" / "images" / "x.jpg"
    with pytest.raises(
        ArtifactError, match=f"none of the 2 labels in {file} .*{example}"
    ) as caught:
        labels.check_use()
    assert f"from the folder {data_dir / 'rec'}: name the right one with --labels-dir" in str(
        caught.value
    )
    assert "0.00 %" not in labels.summary()


def test_labels_of_some_images_say_how_many_are_left(data_dir):
    content = "".join(f"test/word_{number}.jpg\tone\n" for number in range(1, 6))
    labels = labelled(data_dir / "rec" / "labels.txt", content)
    labels.pass_over(str(data_dir / "rec" / "test" / "word_2.jpg"))
    labels.check_use()
    assert labels.summary() == (
        "read exactly: no labelled image was read in this run; 1 read before are not counted; "
        "4 of 5 labels belong to no image read"
    )
    labels.compare(str(data_dir / "rec" / "test" / "word_1.jpg"), "one")
    assert labels.summary().endswith(
        "error rate: 0.00 %; 1 read before are not counted; 3 of 5 labels belong to no image read"
    )


@pytest.mark.parametrize(
    "content", [b"\xff\xfea\0", b"\xe9.png\tx\n", b"a\0.png\tx\n", b"[" * 99_999 + b"\tx\n"]
)
def test_odd_label_files_are_read_or_refused(tmp_path, content):
    file = tmp_path / "labels.txt"
    file.write_bytes(content)
    try:
        labels = Labels(file)
    except ArtifactError as error:
        assert "labels" in str(error)
    else:
        labels.compare("a\0.png", "x")
        with pytest.raises(ArtifactError, match="none of the 1 labels"):
            labels.check_use()
