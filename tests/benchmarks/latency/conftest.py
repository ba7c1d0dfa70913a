"""The fake machine with a plan of `benchmarks.trt`'s tests."""

from tests.benchmarks.trt.conftest import machine

__all__ = ["machine"]
