"""Products that stay in vector registers, as LLVM code: what a compiler does not make of loops.

A tile is a few output channels by a few vectors of pixels. While it is summed up nothing of it
leaves the registers, and each vector that is read serves all of its channels.

Source: Goto and van de Geijn 2008, Anatomy of high-performance matrix multiplication.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_FLOAT, _INT = ir.FloatType(), ir.IntType(64)
_FAST = ("contract", "reassoc")
_ALIGNMENT = 4


def _has_wide_registers() -> bool:
    """Tell whether there are 32 registers of 16 floats: with fewer a smaller tile fits."""
    return bool(llvm.get_host_cpu_features().get("avx512f"))


WIDTH = 16 if _has_wide_registers() else 8
"""Floats of a vector."""
VECTORS = 2
"""Vectors of a tile."""
CHANNELS = 8 if _has_wide_registers() else 6
"""Output channels of a tile."""
PIXELS = WIDTH * VECTORS
"""Pixels of a tile."""
DOT_CHANNELS = 8 if _has_wide_registers() else 4
"""Output channels whose dot products with some taps are taken at once."""
_VECTOR = ir.VectorType(_FLOAT, WIDTH)


def _pointer(builder: Any, address: Any, kind: Any) -> Any:
    return builder.inttoptr(address, ir.PointerType(kind))


def _vector_at(builder: Any, floats: Any, place: Any) -> Any:
    """Load a vector that begins at any float."""
    pointer = builder.bitcast(builder.gep(floats, [place]), ir.PointerType(_VECTOR))
    return builder.load(pointer, align=_ALIGNMENT)


def _repeated(builder: Any, value: Any) -> Any:
    """Return a vector of one value."""
    first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.IntType(32)(0))
    places = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), places)


def _sum_of_products(builder: Any, left: Any, right: Any, total: Any) -> Any:
    return builder.fadd(builder.fmul(left, right, flags=_FAST), total, flags=_FAST)


def _loop(
    builder: Any, count: Any, carried: Sequence[Any], body: Callable[[Any, list[Any]], list[Any]]
) -> list[Any]:
    """Write a loop that runs at least once.

    Args:
        builder: where it begins, and where it has ended afterwards.
        count: of its turns.
        carried: values at its beginning.
        body: makes of the turn's number and the values those of the next turn.

    Returns:
        The values at its end.
    """
    before = builder.block
    inside, behind = (builder.append_basic_block(name) for name in ("turn", "end"))
    builder.branch(inside)
    builder.position_at_end(inside)
    turn = builder.phi(_INT)
    turn.add_incoming(_INT(0), before)
    values = []
    for value in carried:
        values.append(builder.phi(value.type))
        values[-1].add_incoming(value, before)
    results = body(turn, values)
    following = builder.add(turn, _INT(1))
    last = builder.block
    turn.add_incoming(following, last)
    for value, result in zip(values, results, strict=True):
        value.add_incoming(result, last)
    builder.cbranch(builder.icmp_signed("<", following, count), inside, behind)
    builder.position_at_end(behind)
    return results


@intrinsic
def multiply_tile(
    typing_context: Any, tile: Any, source: Any, offsets: Any, weights: Any, count: Any
) -> Any:
    """Write a tile: the sums over k of weights[k, channel] * source[offsets[k] + pixel].

    Args:
        tile: address of [CHANNELS, PIXELS] float32, overwritten.
        source: address of float32.
        offsets: address of [count] int64.
        weights: address of [count, CHANNELS] float32.
        count: of the products to a sum, at least 1.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to, values, places, factors = (
            _pointer(builder, address, kind)
            for address, kind in zip(arguments, (_FLOAT, _FLOAT, _INT, _FLOAT), strict=False)
        )
        zero = ir.Constant(_VECTOR, [0.0] * WIDTH)

        def body(k: Any, sums: list[Any]) -> list[Any]:
            place = builder.load(builder.gep(places, [k]))
            vectors = [
                _vector_at(builder, values, builder.add(place, _INT(index * WIDTH)))
                for index in range(VECTORS)
            ]
            row = builder.gep(factors, [builder.mul(k, _INT(CHANNELS))])
            totals = []
            for channel in range(CHANNELS):
                factor = _repeated(builder, builder.load(builder.gep(row, [_INT(channel)])))
                for index in range(VECTORS):
                    total = sums[channel * VECTORS + index]
                    totals.append(_sum_of_products(builder, vectors[index], factor, total))
            return totals

        totals = _loop(builder, arguments[4], [zero] * (CHANNELS * VECTORS), body)
        for index, total in enumerate(totals):
            place = builder.gep(to, [_INT(index * WIDTH)])
            pointer = builder.bitcast(place, ir.PointerType(_VECTOR))
            builder.store(total, pointer, align=_ALIGNMENT)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), generate


def _dot_rows_of(taps: int) -> Any:
    """Return the intrinsic for so many taps."""

    @intrinsic
    def dot_rows(
        typing_context: Any,
        sums: Any,
        gradients: Any,
        channel: Any,
        row_of_gradients: Any,
        source: Any,
        offsets: Any,
        row_of_source: Any,
        rows: Any,
        vectors: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            to, left, distance, step, values, places, stride, num_rows, num_vectors = arguments
            to, left, values = (_pointer(builder, place, _FLOAT) for place in (to, left, values))
            places = _pointer(builder, places, _INT)
            of_taps = [builder.load(builder.gep(places, [_INT(tap)])) for tap in range(taps)]
            of_channels = [builder.mul(distance, _INT(channel)) for channel in range(DOT_CHANNELS)]
            zero = ir.Constant(_VECTOR, [0.0] * WIDTH)

            def row(number: Any, sums_before: list[Any]) -> list[Any]:
                gradients_of_row = builder.gep(left, [builder.mul(number, step)])
                source_of_row = builder.gep(values, [builder.mul(number, stride)])

                def vector(index: Any, totals: list[Any]) -> list[Any]:
                    at = builder.mul(index, _INT(WIDTH))
                    read = [
                        _vector_at(builder, source_of_row, builder.add(offset, at))
                        for offset in of_taps
                    ]
                    added = []
                    for channel, offset in enumerate(of_channels):
                        place = builder.add(offset, at)
                        gradient = _vector_at(builder, gradients_of_row, place)
                        for tap in range(taps):
                            total = totals[channel * taps + tap]
                            added.append(_sum_of_products(builder, gradient, read[tap], total))
                    return added

                return _loop(builder, num_vectors, sums_before, vector)

            totals = _loop(builder, num_rows, [zero] * (taps * DOT_CHANNELS), row)
            for index, total in enumerate(totals):
                place = builder.gep(to, [_INT(index * WIDTH)])
                pointer = builder.bitcast(place, ir.PointerType(_VECTOR))
                builder.store(total, pointer, align=_ALIGNMENT)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 9), generate

    dot_rows.__doc__ = f"""Write the dot products of rows of several gradients with {taps} taps.

    Args:
        sums: address of [DOT_CHANNELS, {taps}, WIDTH] float32, overwritten; the last axis is to be
            added up.
        gradients: address of the first channel's first row.
        channel: from a channel of theirs to the next, floats.
        row_of_gradients: from a row of theirs to the next.
        source: address of what the taps read.
        offsets: address of [{taps}] int64.
        row_of_source: from a row of the source to that of the next gradients, floats.
        rows: how many, at least 1.
        vectors: of a row, at least 1; gradients are 0 behind its end.
    """
    return dot_rows


dot_three_taps, dot_two_taps, dot_tap = (_dot_rows_of(taps) for taps in (3, 2, 1))
