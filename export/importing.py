"""Imports a module in a process of its own, since an import may crash."""

from __future__ import annotations

import os
import subprocess
import sys

_MARK = "imported:"
_IMPORTING = f"""
import importlib, sys
importlib.import_module(sys.argv[1])
print("{_MARK}", *sys.modules, flush=True)
"""


def imported(module: str) -> tuple[str, set[str]]:
    """Import a module in a process of its own.

    Returns:
        why it cannot be imported, empty if it can; and all modules that this imported.
    """
    child = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", _IMPORTING, module],
        env={**os.environ, "POLYGRAPHY_AUTOINSTALL_DEPS": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if not child.returncode:
        return "", set(child.stdout.rpartition(_MARK)[2].split())
    if child.returncode < 0:
        return f"importing it is ended by signal {-child.returncode}", set()
    said = child.stderr.strip().splitlines()
    return f"importing it fails: {said[-1] if said else f'status {child.returncode}'}", set()
