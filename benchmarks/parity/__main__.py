"""Holds outputs, losses and gradients against PaddleOCR's own, side by side.

python -m benchmarks.parity --paddleocr PATH_OF_A_CHECKOUT
"""

import sys

from benchmarks.parity.training import main

if __name__ == "__main__":
    sys.exit(main())
