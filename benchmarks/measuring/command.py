"""The parser that every benchmark's command starts from."""

from __future__ import annotations

import argparse
from typing import Any


def command_parser(
    module: str, documentation: str | None, **options: Any
) -> argparse.ArgumentParser:
    """Return a parser of `python -m MODULE`, described by its documentation's first line.

    Args:
        module: as Python finds it.
        documentation: of the module.
        options: more of `argparse.ArgumentParser`.
    """
    return argparse.ArgumentParser(
        prog=f"python -m {module}", description=(documentation or "").splitlines()[0], **options
    )
