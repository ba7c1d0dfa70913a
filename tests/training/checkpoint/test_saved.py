"""Checkpoints: found, read, split by network, loaded, and written as one set."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import pickle
from collections import OrderedDict
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from runtime.errors import CheckpointError
from training.checkpoint.loading import load_into
from training.checkpoint.parameters import (
    arrays_of,
    network_parameters,
    networks_in,
    parameters_path,
    parameters_sha256,
    read_parameters,
    write_parameters,
)
from training.checkpoint.saved import (
    read_averages,
    read_optimizer_state,
    read_states,
    recover,
    save_checkpoint,
)

ONE = np.ones((2, 3), np.float32)
NAME_TABLE = "StructuredToParameterName@@"


def write(path: Path, content: Any) -> Path:
    path.write_bytes(pickle.dumps(content, protocol=4))
    return path


# --- where it is -------------------------------------------------------------------------------


def test_file_prefix_and_folder(tmp_path: Path) -> None:
    best = write(tmp_path / "best_accuracy.pdparams", {"a": ONE})
    assert parameters_path(best) == parameters_path(tmp_path / "best_accuracy") == best
    assert parameters_path(str(tmp_path)) == best
    best.unlink()
    latest = write(tmp_path / "latest.pdparams", {"a": ONE})
    assert parameters_path(tmp_path) == latest
    dotted = write(tmp_path / "iter_epoch_1.5.pdparams", {"a": ONE})
    assert parameters_path(tmp_path / "iter_epoch_1.5") == dotted


def test_a_missing_one_names_what_is_there(tmp_path: Path) -> None:
    write(tmp_path / "latest.pdparams", {"a": ONE})
    with pytest.raises(CheckpointError, match=r"expected .*best\.pdparams; .* holds latest\.pd"):
        parameters_path(tmp_path / "best")
    with pytest.raises(CheckpointError, match=r"holds no \.pdparams file"):
        parameters_path(tmp_path / "none" / "best")


# --- what is in it -----------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [dict, OrderedDict])
def test_paddle_s_forms_of_a_parameter(tmp_path: Path, wrap: Callable[..., Any]) -> None:
    content = wrap({"bare": ONE, "named": ("linear_0.w_0", 2 * ONE), NAME_TABLE: {"bare": "x"}})
    parameters = read_parameters(write(tmp_path / "a.pdparams", content))
    assert list(parameters) == ["bare", "named"]
    assert np.array_equal(parameters["named"], 2 * ONE)


def test_both_ways_with_paddle(tmp_path: Path) -> None:
    layer = paddle.nn.Sequential(paddle.nn.Linear(2, 3), paddle.nn.BatchNorm1D(3))
    theirs, ours = tmp_path / "theirs.pdparams", tmp_path / "ours.pdparams"
    paddle.save(layer.state_dict(), str(theirs))
    arrays = arrays_of(layer)
    assert {name: array.tobytes() for name, array in read_parameters(theirs).items()} == {
        name: array.tobytes() for name, array in arrays.items()
    }
    write_parameters(ours, arrays)
    other = paddle.nn.Sequential(paddle.nn.Linear(2, 3), paddle.nn.BatchNorm1D(3))
    missing, unexpected = other.set_state_dict(paddle.load(str(ours)))
    assert not missing and not unexpected
    assert parameters_sha256(arrays_of(other)) == parameters_sha256(arrays)


def test_paddleocr_s_own_file(golden_weights: Path) -> None:
    networks = networks_in(read_parameters(golden_weights))
    assert list(networks) == ["Teacher", "Student"]
    assert set(networks["Teacher"]) == set(networks["Student"])
    assert networks["Student"]["head.fc2.weight"].shape == (32, 40)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([ONE], "expected names with arrays, got list"),
        ({}, "holds no parameters"),
        ({NAME_TABLE: {}}, "holds no parameters"),
        ({"a": 3}, "expected an array under 'a', got int"),
        ({"a": {"b": ONE}}, "expected an array under 'a', got dict"),
        ({3: ONE}, "expected an array under 3"),
        ({"a": ("x", 3)}, "expected an array under 'a', got int"),
        ({"a": ONE.astype(np.uint16)}, "expected float arrays, got uint16 under a"),
        ({"a": ONE.astype(np.complex64)}, "expected float arrays, got complex64 under a"),
        ({"a": np.array(["x"])}, "of the type 'U1', not of numbers"),
    ],
)
def test_files_that_are_no_checkpoint(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_parameters(write(tmp_path / "a.pdparams", content))


def test_the_hash_is_of_the_values(tmp_path: Path) -> None:
    parameters = {"a": ONE, "b": 2 * ONE}
    first = parameters_sha256(parameters)
    assert parameters_sha256(dict(reversed(parameters.items()))) == first
    assert parameters_sha256({"a": np.asfortranarray(ONE), "b": 2 * ONE}) == first
    write_parameters(tmp_path / "a.pdparams", parameters)
    assert parameters_sha256(read_parameters(tmp_path / "a.pdparams")) == first
    for other in (
        {"a": ONE, "c": 2 * ONE},
        {"a": ONE, "b": 3 * ONE},
        {"a": ONE.reshape(3, 2), "b": 2 * ONE},
        {"a": ONE.astype(np.float64), "b": 2 * ONE},
    ):
        assert parameters_sha256(other) != first


# --- networks in it ----------------------------------------------------------------------------


def test_networks_by_their_exact_prefix() -> None:
    parameters = {
        "Student.backbone.w": ONE,
        "Student2.backbone.w": 2 * ONE,
        "Student.head.fc.b": 3 * ONE,
    }
    networks = networks_in(parameters)
    assert {name: list(network) for name, network in networks.items()} == {
        "Student": ["backbone.w", "head.fc.b"],
        "Student2": ["backbone.w"],
    }
    assert network_parameters(parameters, "Student2", "x")["backbone.w"][0, 0] == 2


def test_one_bare_network() -> None:
    parameters = {"backbone.w": ONE, "neck.w": ONE, "head.fc.weight": ONE}
    assert networks_in(parameters) == {"": parameters}
    assert network_parameters(parameters, "Student", "x") == parameters


def test_bare_and_prefixed_names_are_not_mixed() -> None:
    with pytest.raises(CheckpointError, match=r"mixes a bare network.*prefixes: Student"):
        networks_in({"backbone.w": ONE, "Student.backbone.w": ONE})


def test_an_absent_network_lists_those_that_are_there() -> None:
    parameters = {"Teacher.backbone.w": ONE, "Student.backbone.w": ONE, "Student.head.b": ONE}
    with pytest.raises(CheckpointError) as error:
        network_parameters(parameters, "Studnet", "the file")
    assert str(error.value) == (
        "the file: expected a network named Studnet, got Teacher (6 values), Student (12 values)"
    )


# --- loading -----------------------------------------------------------------------------------


class Network(paddle.nn.Layer):
    """A backbone, a neck and a head small enough to count."""

    def __init__(self, num_classes: int = 4) -> None:
        super().__init__()
        self.backbone = paddle.nn.Linear(2, 3)
        self.neck = paddle.nn.Linear(3, 3)
        self.head = paddle.nn.Linear(3, num_classes)


def test_a_full_load() -> None:
    source, target = Network(), Network()
    report = load_into(target, arrays_of(source), "here")
    assert str(report) == "here: 6 loaded, 0 missing, 0 of another shape, 0 not used"
    assert parameters_sha256(arrays_of(target)) == parameters_sha256(arrays_of(source))


def test_other_number_types_are_converted() -> None:
    target = Network()
    load_into(target, {k: v.astype(">f8") for k, v in arrays_of(Network()).items()}, "here")
    assert target.backbone.weight.dtype == paddle.float32


def test_names_have_to_match_one_to_one_unless_asked() -> None:
    target = Network()
    before = parameters_sha256(arrays_of(target))
    lacking = arrays_of(Network())
    del lacking["neck.bias"]
    with pytest.raises(CheckpointError, match=r"5 loaded, 1 missing.*for example neck\.bias"):
        load_into(target, lacking, "here")
    more = {**arrays_of(Network()), "extra.weight": ONE}
    with pytest.raises(CheckpointError, match=r"1 not used; for example extra\.weight"):
        load_into(target, more, "here")
    assert parameters_sha256(arrays_of(target)) == before
    report = load_into(target, {**lacking, "extra.weight": ONE}, "here", is_partial_allowed=True)
    assert report.missing == ("neck.bias",)
    assert report.unused == ("extra.weight",)
    assert np.array_equal(target.backbone.weight.numpy(), lacking["backbone.weight"])


def test_less_than_half_is_the_wrong_checkpoint() -> None:
    arrays = arrays_of(Network())
    half = {name: arrays[name] for name in list(arrays)[:3]}
    assert len(load_into(Network(), half, "here", is_partial_allowed=True).loaded) == 3
    half.popitem()
    with pytest.raises(CheckpointError, match=r"too little fits.*at least half of 6 names"):
        load_into(Network(), half, "here", is_partial_allowed=True)


def test_a_resized_head_only_on_request() -> None:
    target = Network(num_classes=5)
    before = arrays_of(target)
    source = arrays_of(Network(num_classes=4))
    with pytest.raises(CheckpointError) as error:
        load_into(target, source, "here", is_partial_allowed=True)
    assert "head.weight is [3, 5] here, [3, 4] there" in str(error.value)
    assert "set Global.allow_resized_head" in str(error.value)
    report = load_into(target, source, "here", is_resized_head_allowed=True)
    assert report.mismatched == {"head.weight": ((3, 5), (3, 4)), "head.bias": ((5,), (4,))}
    after = arrays_of(target)
    assert np.array_equal(after["head.weight"], before["head.weight"])
    assert np.array_equal(after["neck.weight"], source["neck.weight"])


def test_another_shape_elsewhere_is_never_allowed() -> None:
    source = arrays_of(Network())
    source["neck.weight"] = np.zeros((3, 4), np.float32)
    with pytest.raises(CheckpointError, match=r"shapes differ.*neck\.weight is \[3, 3\] here"):
        load_into(Network(), source, "here", is_partial_allowed=True, is_resized_head_allowed=True)


# --- writing -----------------------------------------------------------------------------------


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


def save(prefix: Path, number: int, averaged: Collection[int] = ()) -> None:
    array = np.full((2,), number, np.float32)
    averages = {"ema_state": {"backbone.w": array}, "step": number} if number in averaged else None
    states = {"epoch": number}
    save_checkpoint(prefix, {"backbone.w": array}, {"m": array, "lr": 0.5}, states, averages)


def content_of(prefix: Path) -> set[int]:
    """The number that each of the files was saved with."""
    numbers = {
        int(read_parameters(prefix)["backbone.w"][0]),
        int(read_optimizer_state(prefix)["m"][0]),
        int(read_states(prefix)["epoch"]),
    }
    averages = read_averages(prefix)
    return numbers if averages is None else {*numbers, averages["step"]}


def kill_at(monkeypatch: pytest.MonkeyPatch, last: int, half_written: bool) -> Callable[[], int]:
    """Every file operation from number `last` on raises; returns how many were tried."""
    tried = 0

    def watched(original: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*arguments: Any, **options: Any) -> Any:
            nonlocal tried
            tried += 1
            if tried > last:
                raise Killed
            return original(*arguments, **options)

        return operation

    class File(io.FileIO):
        def write(self, data: Any) -> int:
            nonlocal tried
            tried += 1
            if tried > last:
                if half_written and tried == last + 1:
                    super().write(bytes(data)[: len(data) // 2])
                raise Killed
            return super().write(data)

    monkeypatch.setattr(Path, "open", watched(lambda path, mode: File(path, mode)))
    for owner, name in ((Path, "replace"), (Path, "unlink"), (Path, "mkdir"), (os, "fsync")):
        monkeypatch.setattr(owner, name, watched(getattr(owner, name)))
    return lambda: tried


@pytest.mark.parametrize(
    ("half_written", "averaged"),
    [(False, ()), (True, ()), (True, (1, 2)), (False, (1,)), (False, (2,))],
)
def test_killed_anywhere_the_old_or_the_new_set_is_there(
    tmp_path: Path, half_written: bool, averaged: Collection[int]
) -> None:
    outcomes = []
    for last in range(200):
        prefix = tmp_path / str(last) / "latest"
        save(prefix, 1, averaged)
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, last, half_written)
            try:
                save(prefix, 2, averaged)
                finished = True
            except Killed:
                finished = False
        if not finished:
            # A second process may be killed while it recovers, too.
            for again in range(3):
                with pytest.MonkeyPatch.context() as patch:
                    kill_at(patch, again, half_written)
                    with contextlib.suppress(Killed):
                        recover(prefix)
        recover(prefix)
        numbers = content_of(prefix)
        assert len(numbers) == 1, (last, numbers)
        outcomes.append(numbers.pop())
        assert len(list(prefix.parent.iterdir())) == 3 + (outcomes[-1] in averaged)
        if finished:
            break
    assert finished and len(outcomes) > 15
    assert outcomes == sorted(outcomes) and set(outcomes) == {1, 2}


def test_the_first_save_of_all_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    kinds = set()
    for last in range(200):
        prefix = tmp_path / str(last) / "latest"
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, last, False)
            try:
                save(prefix, 1)
                finished = True
            except Killed:
                finished = False
        recover(prefix)
        files = sorted(path.name for path in prefix.parent.glob("latest*"))
        kinds.add(tuple(files))
        if finished:
            break
    assert kinds == {(), ("latest.pdopt", "latest.pdparams", "latest.states")}


def test_a_save_after_a_cut_one_keeps_its_own_set(tmp_path: Path) -> None:
    prefix = tmp_path / "latest"
    save(prefix, 1)
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, 9, False)
        with pytest.raises(Killed):
            save(prefix, 2)
    save(prefix, 3)
    assert content_of(prefix) == {3}
    names = {"latest.pdparams", "latest.pdopt", "latest.states"}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_paddle_reads_the_set(tmp_path: Path) -> None:
    save(tmp_path / "latest", 4)
    assert float(paddle.load(str(tmp_path / "latest.pdparams"))["backbone.w"][0]) == 4
    assert paddle.load(str(tmp_path / "latest.states"))["epoch"] == 4


def test_an_optimizer_of_paddle_s_goes_round(tmp_path: Path) -> None:
    layer = paddle.nn.Linear(2, 2)
    optimizer = paddle.optimizer.Adam(
        paddle.optimizer.lr.LinearWarmup(0.1, 10, 0.0, 0.1), parameters=layer.parameters()
    )
    layer(paddle.ones([1, 2])).sum().backward()
    optimizer.step()
    paddle.save(optimizer.state_dict(), str(tmp_path / "theirs.pdopt"))
    state = read_optimizer_state(tmp_path / "theirs")
    assert set(state) == set(optimizer.state_dict())
    fresh = paddle.optimizer.Adam(0.1, parameters=layer.parameters())
    state.pop("LR_Scheduler")
    fresh.set_state_dict(state)
    for name, tensor in fresh.state_dict().items():
        assert np.array_equal(np.asarray(tensor), state[name]), name


@pytest.mark.parametrize("read", [read_states, read_optimizer_state])
def test_states_that_are_none(tmp_path: Path, read: Callable[[Path], Any]) -> None:
    for suffix in (".states", ".pdopt"):
        write(tmp_path / f"a{suffix}", [1])
    with pytest.raises(CheckpointError, match="expected names with values, got list"):
        read(tmp_path / "a")
    with pytest.raises(CheckpointError, match="cannot read"):
        read(tmp_path / "none")


@pytest.mark.parametrize("allowed", range(6))
def test_a_full_disk_leaves_the_set_before_and_no_rest(
    tmp_path: Path, allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = tmp_path / "latest"
    save(prefix, 1)
    tried = 0

    def flush(descriptor: int) -> None:
        nonlocal tried
        tried += 1
        if tried > allowed:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", flush)
    if allowed >= 3:
        save(prefix, 2)
    else:
        with pytest.raises(CheckpointError, match=r"latest: No space left on device; .*are whole"):
            save(prefix, 2)
    assert content_of(prefix) == {2 if allowed >= 3 else 1}
    assert len(list(tmp_path.iterdir())) == 3
