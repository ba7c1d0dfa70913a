"""The fake GPU's host, for sessions of plans."""

from tests.runtime.engines.conftest import host, lines_of, make_host

__all__ = ["host", "lines_of", "make_host"]
