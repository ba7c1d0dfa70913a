"""Parameters as safetensors, and LSTM weights under either of their two names."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
import safetensors.numpy

from runtime.errors import CheckpointError
from training.checkpoint.loading import load_into
from training.checkpoint.parameters import (
    Parameters,
    arrays_of,
    count_values,
    network_parameters,
    parameters_path,
    parameters_sha256,
    read_parameters,
    write_parameters,
    write_safetensors,
)

ONE = np.arange(6, dtype=np.float32).reshape(2, 3)


def equal(one: Parameters, other: Parameters) -> bool:
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and np.array_equal(one[name], other[name])
        for name in one
    )


# --- safetensors -------------------------------------------------------------------------------


def test_both_formats_hold_the_same(tmp_path: Path) -> None:
    arrays: Parameters = {
        "head.fc.weight": ONE,
        "backbone.transposed": ONE.T,
        "backbone.every_second": ONE[:, ::2],
        "backbone.scalar": np.array(3, np.float32),
        "backbone.none": np.zeros((0, 4), np.float32),
        "backbone.half": ONE.astype(np.float16),
        "backbone.double": ONE.astype(np.float64),
        "backbone.counted": np.array([7], np.int64),
    }
    write_safetensors(tmp_path / "a.safetensors", arrays)
    write_parameters(tmp_path / "a.pdparams", arrays)
    fast, pickled = (
        read_parameters(tmp_path / f"a.{kind}") for kind in ("safetensors", "pdparams")
    )
    assert equal(fast, arrays) and equal(pickled, arrays)
    assert parameters_sha256(fast) == parameters_sha256(pickled) == parameters_sha256(arrays)


def test_other_programs_read_what_is_written_and_write_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_safetensors(path, {"head.fc.weight": ONE})
    assert np.array_equal(safetensors.numpy.load_file(path)["head.fc.weight"], ONE)
    safetensors.numpy.save_file({"head.fc.weight": 2 * ONE}, path, metadata={"format": "pt"})
    assert equal(read_parameters(path), {"head.fc.weight": 2 * ONE})


def test_the_same_parameters_give_the_same_file(tmp_path: Path) -> None:
    arrays = {"b": ONE, "a": 2 * ONE}
    write_safetensors(tmp_path / "one.safetensors", arrays)
    write_safetensors(tmp_path / "two.safetensors", arrays)
    assert (tmp_path / "one.safetensors").read_bytes() == (
        tmp_path / "two.safetensors"
    ).read_bytes()


def test_writing_replaces_the_file_whole(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "a.safetensors", {"a": np.zeros(10_000, np.float32)})
    write_safetensors(tmp_path / "a.safetensors", {"a": ONE})
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]
    assert equal(read_parameters(tmp_path / "a.safetensors"), {"a": ONE})


def _truncated(content: bytes) -> bytes:
    return content[:-4]


def _lengthened(content: bytes) -> bytes:
    return content + b"more"


def _huge_header(content: bytes) -> bytes:
    return struct.pack("<Q", 2**60) + content[8:]


def _other_words(content: bytes) -> bytes:
    return content.replace(b'"F32"', b'"F33"')


@pytest.mark.parametrize(
    "damage",
    [
        _truncated,
        _lengthened,
        _huge_header,
        _other_words,
        lambda content: b"",
        lambda content: b"PK\x03\x04 not one at all",
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a.safetensors"
    write_safetensors(path, {"a": ONE})
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CheckpointError, match=r"a\.safetensors is damaged: expected .*; copy"):
        read_parameters(path)


def _raw(dtype: str, size: int) -> bytes:
    header = f'{{"a":{{"dtype":"{dtype}","shape":[2],"data_offsets":[0,{2 * size}]}}}}'.encode()
    return struct.pack("<Q", len(header)) + header + bytes(2 * size)


@pytest.mark.parametrize(("dtype", "size"), [("BF16", 2), ("F8_E4M3", 1), ("U16", 2)])
def test_a_type_that_no_layer_takes_is_refused(tmp_path: Path, dtype: str, size: int) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(_raw(dtype, size))
    with pytest.raises(CheckpointError, match="expected"):
        read_parameters(path)


def test_an_empty_file_of_parameters_is_refused(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "a.safetensors", {})
    with pytest.raises(CheckpointError, match="holds no parameters"):
        read_parameters(tmp_path / "a.safetensors")


def test_a_missing_one_names_what_is_there_in_either_format(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "student.safetensors", {"a": ONE})
    for given in ("teacher.safetensors", "student", "best"):
        with pytest.raises(CheckpointError, match=r"no checkpoint at .* holds student\.safet"):
            parameters_path(tmp_path / given)


# --- the two names of an LSTM weight -----------------------------------------------------------


class Reader(paddle.nn.Layer):
    def __init__(self, seed: int) -> None:
        super().__init__()
        paddle.seed(seed)
        self.lstm = paddle.nn.LSTM(3, 4, num_layers=2, direction="bidirectional")
        self.head = paddle.nn.Linear(8, 2)

    def read(self) -> Any:
        with paddle.no_grad():
            lines = paddle.ones([2, 5, 3])
            return self.head(self.lstm(lines)[0]).numpy()


def by_cell(name: str) -> bool:
    return ".cell_" in name


def by_layer(name: str) -> bool:
    return name.startswith("lstm.") and not by_cell(name)


def without(parameters: Parameters, names: Iterable[str]) -> Parameters:
    left_out = set(names)
    return {name: array for name, array in parameters.items() if name not in left_out}


@pytest.mark.parametrize("left_out", [by_cell, by_layer, lambda name: False])
def test_either_name_or_both_load_the_weight(left_out: Callable[[str], bool]) -> None:
    source, target = Reader(1), Reader(2)
    parameters = arrays_of(source)
    names = [name for name in parameters if left_out(name)]
    assert not np.array_equal(source.read(), target.read())
    report = load_into(target, without(parameters, names), "here")
    assert not report.missing and not report.unused
    assert np.array_equal(source.read(), target.read())


def test_each_weight_under_a_name_of_its_own_choice() -> None:
    source, target = Reader(1), Reader(2)
    tensors = source.state_dict()
    names: dict[int, list[str]] = {}
    for name, tensor in tensors.items():
        names.setdefault(id(tensor), []).append(name)
    pairs = [key for key in names.values() if len(key) == 2]
    assert len(pairs) == 2 * 2 * 4
    left_out = [pair[number % 2] for number, pair in enumerate(pairs)]
    load_into(target, without(arrays_of(source), left_out), "here")
    assert np.array_equal(source.read(), target.read())


def test_a_weight_under_neither_name_is_missing() -> None:
    parameters = arrays_of(Reader(1))
    lacking = without(parameters, ["lstm.weight_hh_l1", "lstm.1.cell_fw.weight_hh"])
    assert len(lacking) == len(parameters) - 2
    with pytest.raises(CheckpointError, match=r"2 missing.*weight_hh"):
        load_into(Reader(2), lacking, "here")


def test_a_weight_of_another_shape_is_refused_under_either_name() -> None:
    for name in ("lstm.weight_hh_l1", "lstm.1.cell_fw.weight_hh"):
        parameters = arrays_of(Reader(1))
        parameters[name] = parameters[name][:-1]
        with pytest.raises(CheckpointError, match=rf"shapes differ.*{name}"):
            load_into(Reader(2), parameters, "here")


@pytest.mark.parametrize("left_out", [by_cell, by_layer, lambda name: False])
def test_every_weight_counts_once(left_out: Callable[[str], bool]) -> None:
    layer = Reader(1)
    parameters = arrays_of(layer)
    names = [name for name in parameters if left_out(name)]
    expected = sum(int(np.prod(parameter.shape)) for parameter in layer.parameters())
    assert count_values(without(parameters, names)) == expected


def test_an_lstm_goes_through_safetensors(tmp_path: Path) -> None:
    source, target = Reader(1), Reader(2)
    write_safetensors(tmp_path / "a.safetensors", arrays_of(source))
    load_into(target, read_parameters(tmp_path / "a.safetensors"), "here")
    assert np.array_equal(source.read(), target.read())


# --- what ships --------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["Student", "Teacher"])
def test_the_shipped_weights_start_a_network_of_any_name(network: str) -> None:
    file = Path(__file__).resolve().parents[3] / "models" / "latin" / "student.pdparams"
    parameters = read_parameters(file)
    assert network_parameters(parameters, network, str(file)).keys() == parameters.keys()
