"""Runs paddle2onnx in a process of its own, so that its crash is an error message.

    python -P paddle2onnx_process.py MODEL PARAMS TARGET OPSET

Imports nothing of this project: it is started by its path.
"""

from __future__ import annotations

import sys


def main(model: str, params: str, target: str, opset: str) -> None:
    """Convert one inference program.

    Args:
        model: `inference.json` or `.pdmodel`.
        params: `.pdiparams`.
        target: where the ONNX file goes.
        opset: as a number.
    """
    import paddle2onnx

    paddle2onnx.export(
        model,
        params,
        target,
        opset_version=int(opset),
        auto_upgrade_opset=False,
        enable_optimize=False,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
