"""Finds every mistake of a config before anything is built.

python -m training.check_config -c configs/….yml [-o Section.key=value …]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from runtime.errors import OcrError
from runtime.program import add_json, program_name, show, tell, told
from runtime.signals import status_of, stopped_by_signals
from runtime.standard_streams import open_standard_streams, say
from training.command import DONE, UNUSABLE, import_paddle
from training.config import add_config_arguments, load_config
from training.registry import Problem


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    open_standard_streams()
    parser = argparse.ArgumentParser(
        prog=program_name("training.check_config"), description=__doc__.splitlines()[0]
    )
    add_config_arguments(parser)
    parser.add_argument(
        "--no-data",
        action="store_true",
        help="look neither into label files nor at images, as training does before it begins",
    )
    add_json(parser)
    options = parser.parse_args(arguments)
    try:
        with stopped_by_signals():
            config = load_config(options.config, options.override)
            import_paddle()
            from training.plan import read_plan

            plan = read_plan(config)
            # What a teacher labels is read by it, which takes as long as labelling does.
            parts = [part for part in (plan.train, plan.evaluation) if part.labelled_by is None]
            parts = [] if options.no_data else parts
            reports = [plan.build_data(part).report for part in parts]
    except OcrError as error:
        say(told(error))
        return UNUSABLE
    except KeyboardInterrupt as stop:
        tell("check_config", "stopped")
        return status_of(stop)
    idle = [str(config.located(Problem(key, "has no effect here"))) for key in plan.without_effect]
    told_of_data = [line for report in reports for line in report.lines()]
    text = [*plan.notes, *told_of_data, *idle, f"{config.path}: nothing wrong found"]
    values = {
        "config": config.path,
        "notes": plan.notes,
        "data": [report.as_json() for report in reports],
        "without_effect": plan.without_effect,
    }
    show(options, "\n".join(text), values)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
