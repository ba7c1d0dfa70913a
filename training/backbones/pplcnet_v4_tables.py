"""Channels, strides and gates of PPLCNetV4's tiers, and what is wrong with a table of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.registry import unknown_name

_HALVE_HEIGHT = (2, 1)
Stride = int | Sequence[int]
Row = Sequence[Any]
"""One block: kernel size, C, C', stride, whether it has squeeze-excitation."""
Table = Mapping[str, Any]
"""`stem`: (C inside, C'), `stem_type`, and the blocks of every stage by its name."""


def _rows(in_channels: int, out_channels: int, gates: str, stride: Stride = 1) -> list[Row]:
    """List a stage's blocks; the first one has the stride and changes the width.

    Args:
        in_channels: C.
        out_channels: C'.
        gates: one letter a block, `g` for squeeze-excitation.
        stride: of the first block.
    """
    return [
        (3, out_channels if number else in_channels, out_channels, 1 if number else stride, gate)
        for number, gate in enumerate(letter == "g" for letter in gates)
    ]


RECOGNITION_STAGES = ("blocks2", "blocks3", "blocks4", "blocks5", "blocks6")
RECOGNITION_TABLES: Mapping[str, Table] = {
    "tiny": {
        "stem": (24, 48),
        "stem_type": "simple",
        "blocks2": _rows(48, 48, "g"),
        "blocks3": _rows(48, 48, "-"),
        "blocks4": _rows(48, 96, "-g-", _HALVE_HEIGHT),
        "blocks5": _rows(96, 160, "-g--", _HALVE_HEIGHT),
    },
    "small": {
        "stem": (48, 96),
        "stem_type": "branch",
        "blocks2": _rows(96, 96, "g"),
        "blocks3": _rows(96, 96, "--"),
        "blocks4": _rows(96, 192, "-g-g-g-", _HALVE_HEIGHT),
        "blocks5": _rows(192, 384, "-g-", _HALVE_HEIGHT),
    },
    "medium": {
        "stem": (64, 128),
        "stem_type": "branch",
        "blocks2": _rows(128, 128, "g"),
        "blocks3": _rows(128, 256, "--g"),
        "blocks4": _rows(256, 512, "-g-g-g-", _HALVE_HEIGHT),
        "blocks5": _rows(512, 768, "-g-", _HALVE_HEIGHT),
    },
}


MULTI_SCALE_STAGES = ("blocks_s1", "blocks_s2", "blocks_s3", "blocks_s4")


def _pyramid(stem_channels: int, *channels: int) -> Table:
    """Return a table whose stages give features at four scales.

    Args:
        stem_channels: C inside the stem.
        channels: C' of each stage; the stem gives the first's.
    """
    table: dict[str, Any] = {"stem": (stem_channels, channels[0])}
    inputs = channels[0]
    for name, outputs, gates in zip(
        MULTI_SCALE_STAGES, channels, ("g-", "-g-", "-g-g-", "-g-"), strict=True
    ):
        table[name] = _rows(inputs, outputs, gates, 1 if name == MULTI_SCALE_STAGES[0] else 2)
        inputs = outputs
    return table


MULTI_SCALE_TABLES: Mapping[str, Table] = {
    "tiny": _pyramid(16, 32, 48, 64, 160),
    "small": _pyramid(24, 48, 96, 192, 384),
    "medium": _pyramid(64, 128, 256, 512, 896),
}


def mistake_in(table: Table, stages: Sequence[str] = RECOGNITION_STAGES) -> str:
    """Describe the first mistake in an explicit table; empty if there is none.

    Args:
        table: as `RECOGNITION_TABLES` has them, or as `MULTI_SCALE_TABLES`.
        stages: their names; those of `MULTI_SCALE_STAGES` have blocks each, and no `stem_type`.
    """
    is_multi_scale = stages is MULTI_SCALE_STAGES
    known = ("stem", *(() if is_multi_scale else ("stem_type",)), *stages)
    for key in table:
        if key not in known:
            return unknown_name("key", key, known)
    if not is_multi_scale and table.get("stem_type") not in ("branch", "simple"):
        return f"stem_type: expected 'branch' or 'simple', got {table.get('stem_type')!r}"
    stem = table.get("stem")
    if not _are_counts(stem, 2):
        return f"stem: expected its inner and its outer channels, got {stem!r}"
    assert stem is not None
    channels = stem[1]
    for name in stages:
        rows = table.get(name) or ()
        if not isinstance(rows, list | tuple) or (is_multi_scale and not rows):
            return f"{name}: expected a list of rows, got {rows!r}"
        for number, row in enumerate(rows):
            where = f"{name}[{number}]"
            if not _is_row(row):
                return (
                    f"{where}: expected [kernel size, channels, next channels, stride, true or "
                    f"false], got {row!r}"
                )
            if row[1] != channels:
                return (
                    f"{where}: expected {channels} channels as the layer before emits, got {row[1]}"
                )
            channels = row[2]
    return ""


def _is_row(row: object) -> bool:
    if not isinstance(row, list | tuple) or len(row) != 5:
        return False
    *counts, stride, has_gates = row
    strides = stride if isinstance(stride, list | tuple) else (stride, stride)
    is_odd = type(row[0]) is int and row[0] % 2 == 1
    return _are_counts(counts, 3) and _are_counts(strides, 2) and is_odd and type(has_gates) is bool


def _are_counts(values: object, length: int) -> bool:
    return (
        isinstance(values, list | tuple)
        and len(values) == length
        and all(type(value) is int and value > 0 for value in values)
    )
