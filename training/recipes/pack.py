"""Packs the weights of checkpoints for keeping: one `.pdparams` file of 16-bit floats.

    python -m export strip -c configs/latin/pair.yml --checkpoint out/9_pair/latest --output-dir out
    python -m training.recipes.pack models/latin/student.pdparams out/student.pdparams
    python -m training.recipes.pack weights/latin.pdparams Student=out/a/latest Teacher=out/b/latest

Loading widens the floats again. Networks named before `=` are joined in one file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from runtime.errors import CheckpointError
from runtime.signals import exit_status
from runtime.standard_streams import open_standard_streams
from training.checkpoint.parameters import (
    Parameters,
    network_parameters,
    parameters_path,
    read_parameters,
    write_parameters,
)


def packed(parameters: Parameters, where: str) -> Parameters:
    """Convert every array of floats to 16 bits.

    Raises:
        CheckpointError: if a value is too large for 16 bits.
    """
    halves: Parameters = {}
    for name, array in parameters.items():
        if array.dtype.kind != "f":
            halves[name] = array
            continue
        with np.errstate(over="ignore"):
            halves[name] = array.astype(np.float16)
        if not np.isfinite(halves[name]).all():
            raise CheckpointError(
                f"{where}: {name} does not fit 16-bit floats: expected at most "
                f"{np.finfo(np.float16).max:.0f}, got {np.abs(array).max():g}; train on, or keep "
                "the checkpoint as it is"
            )
    return halves


def join(sources: Sequence[str]) -> Parameters:
    """Read the networks of `CHECKPOINT`, or of `NETWORK=CHECKPOINT` once for each network.

    Raises:
        CheckpointError: if a checkpoint cannot be read, or only some are named.
    """
    named = [source for source in sources if "=" in source]
    if len(sources) > 1 and len(named) < len(sources):
        raise CheckpointError(
            "cannot join checkpoints without names: expected one checkpoint, or NETWORK=CHECKPOINT "
            f"for each, got {' '.join(sources)}"
        )
    if not named:
        return read_parameters(sources[0])
    joint: Parameters = {}
    for source in named:
        network, _, checkpoint = source.partition("=")
        own = network_parameters(read_parameters(checkpoint), network, checkpoint)
        joint |= {f"{network}.{name}": array for name, array in own.items()}
    return joint


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    open_standard_streams()
    parser = argparse.ArgumentParser(
        prog="python -m training.recipes.pack", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("output", type=Path, help="the .pdparams file to write")
    parser.add_argument("sources", nargs="+", metavar="[NETWORK=]CHECKPOINT")
    options = parser.parse_args(arguments)
    return exit_status("pack", lambda: _write(options))


def _write(options: argparse.Namespace) -> int:
    parameters = packed(join(options.sources), " ".join(options.sources))
    write_parameters(options.output, parameters)
    parameters_path(options.output)
    num_values = sum(array.size for array in parameters.values())
    print(f"{options.output}: {num_values:,} values, {options.output.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
