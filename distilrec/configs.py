"""Lists the configs that come along, or prints one of them to start one's own from."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from runtime.errors import OcrError
from runtime.program import add_json, program_name, show, told
from runtime.standard_streams import open_standard_streams, say

DONE, UNUSABLE = 0, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    from runtime.config_files import configs_along, find_config

    open_standard_streams()
    parser = argparse.ArgumentParser(
        prog=program_name("distilrec.configs"),
        description="List the configs that come along, or print one: "
        "`distilrec configs fine_tune > mine.yml`.",
    )
    parser.add_argument("name", nargs="?", help="of the config that is printed")
    add_json(parser)
    options = parser.parse_args(arguments)
    try:
        if options.name is not None:
            sys.stdout.write(find_config(options.name).read_text(encoding="utf-8"))
        else:
            names = list(configs_along())
            show(options, "\n".join(names), names)
    except OcrError as error:
        say(f"configs: {told(error)}")
        return UNUSABLE
    except OSError as error:
        say(f"configs: cannot read {options.name}: {error.strerror}; name another file")
        return UNUSABLE
    return DONE


if __name__ == "__main__":
    sys.exit(main())
