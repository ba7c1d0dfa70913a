"""The plan of the fake TensorRT: a JSON header and the ONNX model."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

_MAGIC = b"fake plan "

Shapes = list[list[int]]


@dataclass
class Tensor:
    """An input or output: `dtype` is a member of `DataType`, `shape` has -1 where it is open."""

    name: str
    dtype: str
    shape: list[int]
    is_input: bool


@dataclass
class Plan:
    """What a plan holds.

    Args:
        module, version: of the library that built it.
        tensors: inputs, then outputs.
        profiles: by input: min, opt and max; one entry each profile.
    """

    module: str
    version: str
    name: str
    capability: str
    tensors: list[Tensor]
    profiles: list[dict[str, Shapes]]
    num_layers: int
    flags: list[str] = field(default_factory=list)
    hardware: str = "NONE"
    onnx: bytes = b""

    def pack(self) -> bytes:
        """As bytes."""
        entries = asdict(self)
        del entries["onnx"]
        header = json.dumps(entries).encode()
        return _MAGIC + len(header).to_bytes(8, "little") + header + self.onnx

    @classmethod
    def unpack(cls, data: bytes) -> Plan:
        """From bytes; a ValueError if they are something else."""
        if not data.startswith(_MAGIC):
            raise ValueError("magic tag does not match")
        start = len(_MAGIC) + 8
        end = start + int.from_bytes(data[len(_MAGIC) : start], "little")
        entries: dict[str, Any] = json.loads(data[start:end])
        entries["tensors"] = [Tensor(**entry) for entry in entries["tensors"]]
        return cls(**entries, onnx=bytes(data[end:]))
