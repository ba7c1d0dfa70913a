"""A checkpoint from anyone: its data is read, its code is never run."""

from __future__ import annotations

import collections
import copyreg
import functools
import io
import operator
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from runtime.errors import CheckpointError
from training.checkpoint.safe_pickle import dump_pickle, load_pickle

CANARY = "SAFE_PICKLE_CANARY"
ARRAY = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture(autouse=True)
def canary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Fails the test when a pickle reached the environment or the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(CANARY, raising=False)
    yield
    assert CANARY not in os.environ
    assert not (tmp_path / CANARY).exists()


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *arguments: Any, **state: Any) -> None:
        self.call = (function, arguments, state) if state else (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


TOUCH = f"touch {CANARY}"
SET = f"__import__('os').environ.__setitem__('{CANARY}', '1')"


def text(value: str) -> bytes:
    """SHORT_BINUNICODE."""
    encoded = value.encode()
    return b"\x8c" + bytes([len(encoded)]) + encoded


def name(module: str, attribute: str) -> bytes:
    """STACK_GLOBAL of two texts."""
    return text(module) + text(attribute) + b"\x93"


def persistent() -> bytes:
    class Pickler(pickle.Pickler):
        def persistent_id(self, value: object) -> object:
            return TOUCH if value == "x" else None

    buffer = io.BytesIO()
    Pickler(buffer, 2).dump({"a": "x"})
    return buffer.getvalue()


def object_array() -> bytes:
    array = np.empty(2, object)
    array[:] = [Call(os.system, TOUCH), 1]
    return pickle.dumps({"a": array})


def extension() -> bytes:
    copyreg.add_extension("posix", "system", 240)
    try:
        return pickle.dumps(Call(os.system, TOUCH), 2)
    finally:
        copyreg.remove_extension("posix", "system", 240)


class Child(np.ndarray):  # type: ignore[type-arg]
    """A subclass of an array."""


class ChildDict(dict):  # type: ignore[type-arg]
    """A subclass of a dict."""


def array_with(shape: bytes, dtype: bytes = text("f4"), state: bytes = b"", data: bytes = b"C\x00"):
    """An array whose shape, type and content are given as pickle instructions."""
    return (
        *(b"\x80\x04", name("numpy._core.multiarray", "_reconstruct"), name("numpy", "ndarray")),
        *(b"K\x00\x85C\x01b\x87R(K\x01", shape, name("numpy", "dtype"), dtype),
        *(b"\x89\x88\x87R", state or b"(K\x03" + text("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff"),
        *(b"" if state else b"\xff\xffK\x00tb", b"\x89", data, b"tb."),
    )


def joined(parts: tuple[bytes, ...]) -> bytes:
    return b"".join(bytes(part) if isinstance(part, bytes) else bytes([part]) for part in parts)


def dtype_state(*parts: bytes) -> bytes:
    return b"(K\x03" + b"".join(parts) + b"tb"


NESTED = b"\x80\x04}" + b"N" + b"\x85" * 300_000
# t = (t, t), sixty times: 2 ** 60 leaves, which nothing may visit one by one.
SHARED = b"N" + b"".join(b"\x94h" + bytes([index]) + b"\x86" for index in range(60))

REFUSED: dict[str, tuple[bytes, str]] = {
    "os.system by reduce": (pickle.dumps(Call(os.system, TOUCH)), "posix.system"),
    "os.system, protocol 0": (pickle.dumps(Call(os.system, TOUCH), 0), "posix.system"),
    "os.system, protocol 1": (pickle.dumps(Call(os.system, TOUCH), 1), "posix.system"),
    "os.system, protocol 2": (pickle.dumps({"a": Call(os.system, TOUCH)}, 2), "posix.system"),
    "os.system, protocol 5": (pickle.dumps([[Call(os.system, TOUCH)]], 5), "posix.system"),
    "os.popen": (pickle.dumps(Call(os.popen, TOUCH)), "os.popen"),
    "eval of another text": (pickle.dumps(Call(eval, SET)), "a call of eval"),
    "eval of data that are code": (pickle.dumps(Call(eval, SET, {"data": 1})), "a call of eval"),
    "eval with more variables": (
        pickle.dumps(Call(eval, "data", {"data": 1, "__builtins__": {}})),
        "a call of eval",
    ),
    "eval with locals": (pickle.dumps(Call(eval, "data", {"data": 1}, {})), "a call of eval"),
    "exec": (pickle.dumps(Call(exec, SET)), "builtins.exec"),
    "getattr": (pickle.dumps(Call(getattr, 1, "real")), "builtins.getattr"),
    "__import__": (pickle.dumps(Call(__import__, "os")), "builtins.__import__"),
    "compile": (pickle.dumps(Call(compile, SET, "x", "exec")), "builtins.compile"),
    "open": (pickle.dumps(Call(open, CANARY, "w")), "io.open"),
    "python 2's builtins": (b"c__builtin__\nexec\n(S'1'\ntR.", "__builtin__.exec"),
    "functools.partial": (pickle.dumps(functools.partial(os.system, TOUCH)), "functools.partial"),
    "operator.attrgetter": (pickle.dumps(operator.attrgetter("system")), "operator.attrgetter"),
    "operator.methodcaller": (pickle.dumps(operator.methodcaller("x")), "operator.methodcaller"),
    "a class": (pickle.dumps(collections.Counter("ab")), "collections.Counter"),
    "a defaultdict": (pickle.dumps(collections.defaultdict(list)), "collections.defaultdict"),
    "a dict's subclass": (pickle.dumps(ChildDict(a=1)), "ChildDict"),
    "an array's subclass": (pickle.dumps(ARRAY.view(Child)), "Child"),
    "an array of objects": (object_array(), "type 'O8'"),
    "an array of plain objects": (pickle.dumps(np.array([1, "a"], object)), "type 'O8'"),
    "a structured array": (pickle.dumps(np.zeros(2, "f4,i4")), "type 'V8'"),
    "dates": (pickle.dumps(np.zeros(2, "M8[s]")), "type 'M8'"),
    "copyreg": (pickle.dumps(Call(copyreg.add_extension, "os", "system", 1)), "add_extension"),
    "copyreg's reconstructor": (
        pickle.dumps(Call(copyreg._reconstructor, dict, dict, None)),  # type: ignore[attr-defined]
        "copyreg._reconstructor",
    ),
    "a persistent reference": (persistent(), "a persistent reference"),
    "a persistent reference, protocol 0": (b"Pthing\n.", "a persistent reference"),
    "an extension": (extension(), "a registered extension"),
    "INST": (b"(S'" + TOUCH.encode() + b"'\nios\nsystem\n.", "an instance of a class"),
    "OBJ": (b"(cos\nsystem\nS'x'\no.", "os.system"),
    "OBJ of an allowed name": (b"(cnumpy\nndarray\nI5\no.", "an instance of a class"),
    "NEWOBJ of an allowed name": (
        b"\x80\x04" + name("numpy", "ndarray") + b"K\x05\x85\x81.",
        "an instance of a class",
    ),
    "STACK_GLOBAL": (b"\x80\x04" + name("os", "system") + text("x") + b"\x85R.", "os.system"),
    "STACK_GLOBAL of no text": (b"\x80\x04NN\x93.", "a name that is no text"),
    "STACK_GLOBAL of memoised parts": (
        b"\x80\x04" + text("os") + b"\x94" + text("system") + b"\x94" + b"h\x00h\x01\x93.",
        "os.system",
    ),
    "a dotted attribute": (b"\x80\x04" + name("os", "path.join") + b".", "os.path.join"),
    "a dotted module": (b"cos.path\njoin\n.", "os.path.join"),
    "an attribute of an allowed name": (
        b"\x80\x04" + name("numpy", "ndarray.tofile") + b".",
        "numpy.ndarray.tofile",
    ),
    "another name of an allowed module": (
        b"cnumpy.core.multiarray\nfromfile\n(S'x'\ntR.",
        "numpy.core.multiarray.fromfile",
    ),
    "numpy.load": (pickle.dumps(Call(np.load, "x.npy")), "numpy.load"),
    "numpy.f2py": (b"cnumpy.testing\nrunstring\n.", "numpy.testing.runstring"),
    "BUILD on a name": (
        b"cnumpy.core.multiarray\n_reconstruct\n}S'evil'\nI1\nsb.",
        "to set the state of RECONSTRUCT",
    ),
    "BUILD on a class": (b"ccollections\nOrderedDict\n}S'a'\nI1\nsb.", "ORDERED_DICT"),
    "BUILD on a dict": (b"}}S'__class__'\nI1\nsb.", "to set the state of dict"),
    "a call of a value": (b"S'x'\n(tR.", "a call of a str"),
    "a call of a list": (b"](tR.", "a call of a list"),
    "SETITEM on a name": (b"cnumpy\ndtype\nI1\nI2\ns.", "to set an entry of a Token"),
    "APPEND to a name": (b"cnumpy\ndtype\nI1\na.", "to append to a Token"),
    "a name in place of a value": (b"}S'a'\ncnumpy\nndarray\ns.", "in place of a value"),
    "another codec": (
        pickle.dumps(Call(__import__("codecs").encode, "x", "rot13")),
        "a call of encode",
    ),
    "bytes of a size": (pickle.dumps(Call(bytes, 1 << 40)), "a call of bytes"),
    "bytearray of a size": (pickle.dumps(Call(bytearray, 1 << 40)), "builtins.bytearray"),
    "a set": (pickle.dumps({1, 2}), "a set"),
    "a slice": (pickle.dumps(slice(3)), "builtins.slice"),
    "a huge shape": (
        joined(array_with(b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86")),
        "an array of shape [2147483647, 2147483647]",
    ),
    "a negative side": (joined(array_with(b"J\xff\xff\xff\xff\x85")), "a malformed array"),
    "a shape of texts": (joined(array_with(text("a") + b"\x85")), "a malformed array"),
    "a type with a memory bomb": (
        joined(array_with(b"K\x01\x85", text("(1000000000,)f8"))),
        "an array of the type '(1000000000,)f8'",
    ),
    "a type made of a list": (joined(array_with(b"K\x01\x85", b"]")), "given by a list"),
    "a type told to hold pointers": (
        joined(
            array_with(
                b"K\x01\x85",
                state=dtype_state(text("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?"),
                data=b"C\x04aaaa",
            )
        ),
        "not plain numbers",
    ),
    "a type told to have fields": (
        joined(array_with(b"K\x01\x85", state=dtype_state(text("<") + b"N(t}K\x01K\x01K\x00"))),
        "not plain numbers",
    ),
    "an array without content": (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR.",
        "an array without content",
    ),
    "a list that holds itself": (b"]p0\ng0\na.", "nested deeper"),
    "endless nesting": (b"N" + b"\x85" * 300_000 + b".", "nested deeper"),
    "endless nesting as a key": (NESTED + b"Ns.", "an entry under a tuple"),
    "shared nesting as a key": (b"\x80\x04}" + SHARED + b"Ns.", "an entry under a tuple"),
    "shared nesting as an argument": (
        b"\x80\x04" + name("numpy", "dtype") + SHARED + b"R.",
        "given by a tuple",
    ),
    "a zip archive": (b"PK\x03\x04" + bytes(40), "numpy or zip archive"),
    "a numpy file": (b"\x93NUMPY\x01\x00" + bytes(40), "numpy or zip archive"),
}
DAMAGED: dict[str, bytes] = {
    "nothing": b"",
    "text": b"hello",
    "no end": pickle.dumps({"a": 1})[:-1],
    "cut in an array": pickle.dumps({"a": ARRAY})[:-20],
    "an empty stack": b".",
    "two values": b"I1\nI2\n.",
    "a memo that is not there": b"h\x05.",
    "more bytes than the file has": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"abc.",
    "a tuple of nothing": b"\x80\x02\x87.",
    "a mark that is not there": b"t.",
    "a number that is none": b"Iabc\n.",
    "a text that is none": b"\x80\x04\x8c\x02\xff\xff.",
    "half an entry": b"\x80\x02}Ns.",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_with_its_reason_and_not_run(tmp_path: Path, kind: str) -> None:
    content, reason = REFUSED[kind]
    path = tmp_path / "evil.pdparams"
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as error:
        load_pickle(path)
    assert reason in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "damaged.pdparams"
    path.write_bytes(DAMAGED[kind])
    with pytest.raises(CheckpointError, match="is damaged: expected a pickle of arrays"):
        load_pickle(path)


def test_the_payloads_would_run_elsewhere(tmp_path: Path) -> None:
    """Otherwise the canary proves nothing."""
    pickle.loads(REFUSED["os.system by reduce"][0])
    assert (tmp_path / CANARY).exists()
    (tmp_path / CANARY).unlink()
    pickle.loads(REFUSED["eval of another text"][0])
    assert os.environ.pop(CANARY) == "1"


def test_a_real_zip_and_a_real_npz(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=ARRAY)
    with zipfile.ZipFile(tmp_path / "b.pdparams", "w") as archive:
        archive.writestr("data.pkl", REFUSED["os.system by reduce"][0])
    for file in ("a.npz", "b.pdparams"):
        with pytest.raises(CheckpointError, match="numpy or zip archive"):
            load_pickle(tmp_path / file)


def test_cut_anywhere_it_is_an_error_of_ours(tmp_path: Path) -> None:
    whole = dump_pickle({"a": ARRAY, "b": [1, 2.5, "x", None, True, (3,)]})
    path = tmp_path / "cut.pdparams"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError):
            load_pickle(path)


def test_any_changed_byte_gives_a_value_or_an_error_of_ours(tmp_path: Path) -> None:
    whole = bytearray(dump_pickle({"weight": ARRAY}))
    path = tmp_path / "changed.pdparams"
    num_errors = 0
    rng = np.random.default_rng(5)
    for position in range(len(whole)):
        changed = whole.copy()
        changed[position] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        try:
            load_pickle(path)
        except CheckpointError:
            num_errors += 1
    assert num_errors > len(whole) / 2


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pdparams", tmp_path):
        with pytest.raises(CheckpointError, match="cannot read"):
            load_pickle(path)


VALUES: list[Any] = [
    {"epoch": 3, "best": {"acc": 0.5}, "list": [1, -2, 1 << 70], "none": None, "yes": True},
    (1, ("a", b"bytes", b""), [], {}, ()),
    "text é 日本",
    collections.OrderedDict(a=1, b=2),
    {1: "a", 2.5: "b", None: "c", b"d": 1},
    [[1]] * 3,
]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("index", range(len(VALUES)))
def test_plain_values(tmp_path: Path, index: int, protocol: int) -> None:
    path = tmp_path / "plain.pdparams"
    path.write_bytes(pickle.dumps(VALUES[index], protocol))
    assert load_pickle(path) == VALUES[index]


ARRAYS = [
    ARRAY,
    np.asfortranarray(ARRAY),
    ARRAY.astype(">f4"),
    ARRAY[:, ::2],
    ARRAY.astype(np.float16),
    np.arange(3, dtype=">i8"),
    np.array([True, False]),
    np.array(2.5),
    np.zeros((0, 3), np.float64),
    np.array([1 + 2j]),
]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("index", range(len(ARRAYS)))
def test_arrays(tmp_path: Path, index: int, protocol: int) -> None:
    path = tmp_path / "arrays.pdparams"
    path.write_bytes(pickle.dumps({"a": ARRAYS[index], "again": ARRAYS[index]}, protocol))
    content = load_pickle(path)
    for got in content.values():
        assert type(got) is np.ndarray
        assert got.dtype == ARRAYS[index].dtype
        assert np.array_equal(got, ARRAYS[index])


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_numpy_scalars(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "states.pdparams"
    path.write_bytes(pickle.dumps({"acc": np.float64(0.25), "n": np.int64(-3)}, protocol))
    assert load_pickle(path) == {"acc": 0.25, "n": -3}


def test_what_python_2_wrote(tmp_path: Path) -> None:
    path = tmp_path / "old.pdparams"
    data = np.array([1.5, -2.0], "<f4").tobytes()
    path.write_bytes(
        b"\x80\x02}U\x01acnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01bt"
        b"R(K\x01K\x02\x85cnumpy\ndtype\n(U\x02f4K\x00K\x01tR(K\x03U\x01<NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89U\x08" + data + b"tbs."
    )
    assert load_pickle(path)["a"].tolist() == [1.5, -2.0]


def test_the_names_of_older_numpy(tmp_path: Path) -> None:
    path = tmp_path / "old.pdparams"
    path.write_bytes(pickle.dumps(ARRAY, 2).replace(b"numpy._core.", b"numpy.core."))
    assert np.array_equal(load_pickle(path), ARRAY)


def test_what_paddle_saves(tmp_path: Path) -> None:
    layer = paddle.nn.Linear(2, 3)
    path = tmp_path / "layer.pdparams"
    paddle.save(layer.state_dict(), str(path))
    content = load_pickle(path)
    assert set(content) == {"weight", "bias", "StructuredToParameterName@@"}
    assert np.array_equal(content["weight"], layer.weight.numpy())
    nested = {"a": [paddle.ones([2])], "b": paddle.to_tensor(3.0), "c": (1, "x")}
    paddle.save(nested, str(path))
    content = load_pickle(path)
    assert content["a"][0][1].tolist() == [1, 1]  # (paddle's own name, array)
    assert content["b"][1] == 3
    assert content["c"] == (1, "x")


def test_a_tensor_pickled_as_eval_of_data(tmp_path: Path) -> None:
    path = tmp_path / "tensor.pdparams"
    path.write_bytes(pickle.dumps({"a": Call(eval, "data", {"data": ARRAY})}))
    assert np.array_equal(load_pickle(path)["a"], ARRAY)


def test_paddle_reads_ours(tmp_path: Path) -> None:
    path = tmp_path / "ours.pdparams"
    path.write_bytes(dump_pickle({"weight": ARRAY, "epoch": 3}))
    content = paddle.load(str(path), return_numpy=True)
    assert np.array_equal(content["weight"], ARRAY)
    assert content["epoch"] == 3
