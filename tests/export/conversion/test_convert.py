"""paddle2onnx in a process of its own, and what becomes of its failures."""

import pytest

from export.conversion import convert as room
from export.conversion.convert import convert
from runtime.errors import ArtifactError
from runtime.recognition.spec import RecognizerSpec

SPEC = RecognizerSpec(characters=tuple("0123456789 "))


@pytest.fixture
def program(exported):
    """The Student's inference program."""
    return exported[0] / "student" / "inference.json"


@pytest.fixture
def child(monkeypatch, tmp_path):
    """Puts another program in the converter's place."""

    def put(code: str) -> None:
        script = tmp_path / "child.py"
        script.write_text(code)
        monkeypatch.setattr(room, "_CHILD", script)

    return put


def test_a_crash_of_the_converter_is_an_error_message(program, child):
    child("import os, sys; print('about to crash'); sys.stdout.flush(); os.abort()")
    with pytest.raises(ArtifactError, match=r"was ended by SIGABRT and said: about to crash"):
        convert(program, SPEC)


def test_an_error_of_the_converter_carries_its_words_on_one_line(program, child):
    child("raise RuntimeError('operator\\nfoo is unknown')")
    with pytest.raises(ArtifactError, match=r"ended with status 1 .*operator foo is unknown") as e:
        convert(program, SPEC)
    assert "\n" not in str(e.value)


def test_a_converter_that_writes_nothing_is_noticed(program, child):
    child("print('all is well')")
    with pytest.raises(ArtifactError, match=r"wrote no model .*all is well"):
        convert(program, SPEC)


def test_a_converter_that_writes_rubbish_is_noticed(program, child):
    child("import sys; open(sys.argv[3], 'wb').write(b'no model')")
    with pytest.raises(ArtifactError, match=r"cannot read the model .*raw\.onnx"):
        convert(program, SPEC)


def test_what_is_missing_among_the_packages_is_told_with_the_failure(program, child, monkeypatch):
    child("import sys; sys.exit(3)")
    monkeypatch.setattr(room, "hint", lambda step: f". Doctor: {step} lacks a package")
    with pytest.raises(ArtifactError, match=r"status 3 .*Doctor: convert lacks a package"):
        convert(program, SPEC)


def test_a_damaged_or_lonely_program_is_refused(program, tmp_path):
    (tmp_path / "inference.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"expected inference\.pdiparams beside it"):
        convert(tmp_path / "inference.json", SPEC)
    (tmp_path / "inference.pdiparams").write_bytes(b"")
    with pytest.raises(ArtifactError, match="paddle2onnx cannot convert"):
        convert(tmp_path / "inference.json", SPEC)


def test_another_process_gives_the_same_bytes(exported, program):
    """The converter's names count up over the life of a process; ours do not depend on it."""
    first = convert(program, SPEC).SerializeToString(deterministic=True)
    assert convert(program, SPEC).SerializeToString(deterministic=True) == first
