"""YAML as people write it, and YAML made to cost more than it weighs."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.yaml_file import MOST_BYTES, YamlError, parse_yaml, read_yaml

pytest.importorskip("yaml", reason="YAML is read with it")

ALIASES = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
MERGES = "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 10))
LEVELS = "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 100))


def test_values_lines_and_aliases_of_their_own() -> None:
    document = parse_yaml("a: &a\n  b: [1, 2.5]\nc: *a\nd:\n  <<: *a\n  e: text\n")
    assert document.content == {
        "a": {"b": [1, 2.5]},
        "c": {"b": [1, 2.5]},
        "d": {"b": [1, 2.5], "e": "text"},
    }
    assert document.content["a"]["b"] is not document.content["c"]["b"]
    assert document.lines["a.b.1"] == 2
    assert document.lines["c.b"] == 2
    assert document.lines["d.e"] == 6


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_encoding_with_a_mark(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yml"
    file.write_bytes("é: ß\n".encode(encoding))
    assert read_yaml(file).content == {"é": "ß"}


def test_an_empty_text_is_nothing() -> None:
    assert parse_yaml("# only a comment\n").content is None


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", 4, "the key c is given twice, here and on line 3"),
        ("{a: 1, 'a': 2}", 1, "the key a is given twice"),
        ("a: 1\n5: 2\n", 2, "expected text as a key, got 5; put it in quotes"),
        ("on: 2\n", 1, "expected text as a key, got on"),
        ("[a]: 2\n", 1, "expected text as a key, got a list or mapping"),
        ("a: *b\n", 1, "found undefined alias 'b'"),
        ("a: &a\n  b: *a\n", 1, "an alias holds itself"),
        ("a: 1\n---\nb: 2\n", 2, "but found another document"),
        ("a: 2026-99-99\n", None, "month must be in 1..12"),
        ("a: !!int x\n", None, "invalid literal"),
        ("a: !!timestamp x\n", None, "a value cannot be what it is tagged"),
        ("a: !!python/object/apply:os.system [x]\n", 1, "could not determine a constructor"),
        ("a: \x00\n", None, "special characters are not allowed"),
    ],
)
def test_what_is_refused_by_line(text: str, line: int | None, reason: str) -> None:
    with pytest.raises(YamlError, match=reason) as error:
        parse_yaml(text)
    assert error.value.line == line
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a0: &a0 [x, x, x]\n" + ALIASES, "with its aliases written out"),
        ("a0: &a0 {k: x}\n" + MERGES, "with its aliases written out"),
        ("a0: &a0 [x]\n" + LEVELS, "with its aliases written out"),
        ("[" * 100_000, "nested deeper"),
        ("{a: " * 100_000, "nested deeper"),
        ("- " * 100_000, "nested deeper"),
        ("? " * 100_000, "nested deeper"),
        ("[" + "a," * 150_000, "more than 100000 keys and values"),
        # Multiples of 2^61 - 1 share one hash; base 60 costs the square of its length.
        ("".join(f"{n * (2**61 - 1)}: 1\n" for n in range(1, 1000)), "expected text as a key"),
        ("a: 1" + ":1" * 100_000, "a number or date of 200001 characters"),
        ("a: 1" + ":59" * 100_000 + ".5", "a number or date of"),
        ("a: 0x" + "f" * 100_000, "a number or date of"),
        ("x" * (MOST_BYTES + 1), "expected at most"),
    ],
    ids=lambda value: value[:12].replace("\n", " "),
)
def test_what_costs_too_much_is_refused_before_it_is_built(text: str, reason: str) -> None:
    with pytest.raises(YamlError, match=reason):
        parse_yaml(text)


def test_an_alias_is_not_checked_again_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    from runtime import yaml_file

    checked = []
    original = yaml_file._check_keys
    monkeypatch.setattr(
        yaml_file, "_check_keys", lambda node: (checked.append(node), original(node))
    )
    text = "m: &m {" + ", ".join(f"k{n}: 1" for n in range(50)) + "}\n"
    parse_yaml(text + "l: [" + ", ".join(["*m"] * 200) + "]\n")
    assert len(checked) == 2


def test_long_paths_keep_no_line_of_their_own() -> None:
    key = "k" * 2000
    document = parse_yaml(f"a:\n  ? {key}\n  : [1, 2, 3]\n")
    assert document.content == {"a": {key: [1, 2, 3]}}
    assert document.lines == {"a": 1}


def test_a_file_is_read_no_farther_than_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "large.yml"
    with file.open("wb") as stream:
        stream.truncate(2**40)
    with pytest.raises(YamlError, match="expected at most"):
        read_yaml(file)
