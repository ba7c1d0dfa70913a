"""A model in a Triton repository; lines of its `config.pbtxt`, in protobuf's text format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def write_model(place: Path, model: bytes, config: Iterable[str]) -> None:
    """Write `1/model.onnx` and `config.pbtxt`.

    Args:
        place: the folder of the model in the repository.
        model: the ONNX file.
        config: lines.
    """
    (place / "1").mkdir(parents=True, exist_ok=True)
    (place / "1" / "model.onnx").write_bytes(model)
    text = "".join(f"{line}\n" for line in config)
    (place / "config.pbtxt").write_text(text, encoding="utf-8")


def quoted(text: str) -> str:
    """Quote a string, what is not plain ASCII as octal UTF-8."""
    plain = b"".join(
        bytes([byte]) if 32 <= byte < 127 and byte not in b'"\\' else b"\\%03o" % byte
        for byte in text.encode()
    )
    return f'"{plain.decode("ascii")}"'


def tensor(kind: str, name: str, dims: Sequence[int], label_file: str = "") -> str:
    """Return the line of an input or output in FP32, -1 for open dimensions."""
    labels = f", label_filename: {quoted(label_file)}" if label_file else ""
    return f"{kind} [{{ name: {quoted(name)}, data_type: TYPE_FP32, dims: {[*dims]}{labels} }}]"


def parameters(entries: Mapping[str, str]) -> list[str]:
    """Return the lines of what a model says of itself."""
    return [
        f"parameters {{ key: {quoted(key)} value {{ string_value: {quoted(value)} }} }}"
        for key, value in entries.items()
    ]
