"""Finds every mistake of a config before anything is built.

python -m training.check_config -c configs/….yml [-o Section.key=value …]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from runtime.errors import OcrError
from runtime.standard_streams import open_standard_streams, say
from training.config import add_config_arguments, load_config
from training.plan import read_plan
from training.registry import Problem


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    open_standard_streams()
    parser = argparse.ArgumentParser(
        prog="python -m training.check_config", description=__doc__.splitlines()[0]
    )
    add_config_arguments(parser)
    options = parser.parse_args(arguments)
    try:
        config = load_config(options.config, options.override)
        plan = read_plan(config)
    except OcrError as error:
        say(str(error))
        return 2
    for note in plan.notes:
        print(note)
    for key in plan.without_effect:
        print(f"{config.located(Problem(key, 'has no effect here'))}")
    print(f"{options.config}: nothing wrong found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
