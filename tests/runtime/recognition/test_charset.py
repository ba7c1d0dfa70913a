import logging
from pathlib import Path

import pytest

from runtime.errors import ArtifactError
from runtime.recognition.charset import (
    MAX_CHARACTERS,
    MAX_DICTIONARY_BYTES,
    Charset,
    _warn_of_repeated,
    build_charset,
    read_dictionary,
)


def test_class_zero_is_the_blank() -> None:
    charset = Charset(("a", "b", " "))
    assert charset.num_classes == 4
    assert charset.encode("b a") == [2, 3, 1]
    assert charset.text_of([2, 3, 1]) == "b a"


def test_unknown_characters_are_left_out_and_named() -> None:
    charset = Charset(("a", "b"))
    assert charset.encode("aXb!") == [1, 2]
    assert charset.unknown("aXb!") == {"X", "!"}


def test_a_repeated_space_is_allowed_and_the_last_one_encodes() -> None:
    charset = build_charset(["a", " "], use_space_char=True)
    assert charset.num_classes == 4
    assert charset.encode(" ") == [3]
    assert charset.text_of([2, 3]) == "  "


def test_repeated_characters_are_read_as_paddleocr_reads_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its decoder looks the class up in the list, its encoder in a dict made of the list."""
    listed = (*"añbéa", "e\u0301", *"cñ", " ")
    _warn_of_repeated.cache_clear()
    with caplog.at_level(logging.WARNING):
        charset = Charset(listed)
        Charset(listed)
    assert charset.num_classes == len(listed) + 1
    as_dict = {character: number for number, character in enumerate(("blank", *listed))}
    assert charset.encode("ñabcé") == [as_dict[one] for one in "ñabcé"] == [8, 5, 3, 7, 4]
    assert charset.text_of(range(1, 10)) == "".join(listed)
    assert [charset.text_of([number]) for number in charset.encode("añ")] == ["a", "ñ"]
    assert charset.unknown("añx") == {"x"}
    (record,) = caplog.records
    assert "lists 2 of its 9 characters more than once, 'a' on lines 1 and 5" in record.message


def test_only_the_space_may_repeat_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        build_charset(["a", " ", "b"], use_space_char=True)
    assert not caplog.text


def test_an_empty_charset_is_refused() -> None:
    with pytest.raises(ArtifactError, match="at least one character"):
        Charset(())


@pytest.mark.parametrize(
    ("head", "advice"),
    [(5, "use_space_char to true"), (3, "use_space_char to false"), (9, "trained with")],
)
def test_a_head_of_another_size_is_refused_with_advice(head: int, advice: str) -> None:
    charset = Charset(("a", "b", " "))
    charset.check_head(4, "m.onnx")
    with pytest.raises(ArtifactError, match=f"m.onnx.*expected 4.*got a head of {head}.*{advice}"):
        charset.check_head(head, "m.onnx")


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfa\r\n \r\nb\r\n", b"a\n \nb", b"a\n \nb\n"])
def test_only_line_ends_and_the_byte_order_mark_are_stripped(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "dict.txt"
    path.write_bytes(content)
    assert read_dictionary(path) == ["a", " ", "b"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"a\n\xff\xfe\n", "not UTF-8: byte 2"),
        (b"a\n" + b"b" * 65, "got 65 code points on line 2"),
        (b"a\n" * (MAX_CHARACTERS + 1), "expected up to 262144 lines, got 262145"),
        (b"a" * (MAX_DICTIONARY_BYTES + 1), "got more than 16777216 bytes"),
    ],
    ids=["empty", "binary", "long", "many", "large"],
)
def test_an_unusable_dictionary_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "dict.txt"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=reason):
        read_dictionary(path)


def test_a_dictionary_without_end_is_refused() -> None:
    with pytest.raises(ArtifactError, match="/dev/zero is no dictionary"):
        read_dictionary("/dev/zero")


def test_a_missing_dictionary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="No such file"):
        read_dictionary(tmp_path / "none.txt")


def test_without_dictionary_paddleocr_reads_digits_and_lower_case() -> None:
    assert build_charset(None, use_space_char=True).num_classes == 37
