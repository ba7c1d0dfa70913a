"""What the commands that need paddle share: arguments, process settings, log and exit status."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import logging
import warnings
from collections.abc import Callable, Sequence

from runtime.errors import OcrError
from runtime.program import program_name, tell, told
from runtime.signals import handlers_kept, status_of, stopped_by_signals
from runtime.standard_streams import lasting_streams, log_to_stderr, open_standard_streams, say
from training.config import Config, add_config_arguments, load_config
from training.output_folder import translate_disk_errors
from training.process_settings import apply_process_settings

DONE, SOME_FAILED, UNUSABLE = 0, 1, 2
LOGGERS = ("training", "runtime")
"""Our own loggers; of the libraries only warnings are shown."""
log = logging.getLogger(__name__)

Work = Callable[[Config, argparse.Namespace], int]


def run_command(
    name: str,
    description: str | None,
    work: Work,
    arguments: Sequence[str] | None,
    add_arguments: Callable[[argparse.ArgumentParser], object] | None = None,
    interrupted: Callable[[Config], str] = lambda config: "stopped",
    lasting: Sequence[str] = ("stderr",),
) -> int:
    """Run a command of `training`.

    Args:
        name: its module.
        description: the module's docstring; `--help` shows its first line.
        work: takes the config and the options, returns the exit status; imports paddle only
            when it is called.
        arguments: those of the process when None.
        add_arguments: adds options besides `-c` and `-o`.
        interrupted: makes the message after Ctrl-C or SIGTERM.
        lasting: the standard streams whose failure does not end the command.

    Returns:
        The exit status: that of `work`, 2 for an error that the user can mend, 130 after Ctrl-C,
        143 after SIGTERM.
    """
    open_standard_streams()
    parser = argparse.ArgumentParser(
        prog=program_name(f"training.{name}"), description=(description or "").split("\n")[0]
    )
    add_config_arguments(parser)
    if add_arguments is not None:
        add_arguments(parser)
    with lasting_streams(*lasting):
        return _run(name, work, parser.parse_args(arguments), interrupted)


def _run(
    name: str,
    work: Work,
    options: argparse.Namespace,
    interrupted: Callable[[Config], str],
) -> int:
    if "images" in options:
        # After `-o A.b=1 images/` argparse takes the folder for another override.
        options.images += [text for text in options.override if "=" not in text]
        options.override = [text for text in options.override if "=" in text]
    log_to_stderr(logging.WARNING)
    for logger in LOGGERS:
        logging.getLogger(logger).setLevel(logging.INFO)
    config = Config(None, {})
    try:
        with stopped_by_signals(), translate_disk_errors():
            config = load_config(options.config, options.override)
            prepare_process(config)
            return work(config, options)
    except OcrError as error:
        tell(name, told(error))
        return UNUSABLE
    except KeyboardInterrupt as stop:
        say(interrupted(config))
        return status_of(stop)


def prepare_process(config: Config) -> None:
    """Apply the process settings, then import paddle; nothing may have imported it before."""
    section = config.sections.get("Global")
    is_wanted = not isinstance(section, dict) or section.get("fast_cpu", True) is not False
    log.info("%s", apply_process_settings(enabled=is_wanted).summary())
    import_paddle()


def import_paddle() -> None:
    """Import paddle quietly, and keep its handler of SIGTERM from printing a traceback."""
    # On import paddle looks for a compiler cache that nothing here uses, and warns of the very
    # threads that it needs.
    warnings.filterwarnings("ignore", message="No ccache found")
    with handlers_kept(), contextlib.redirect_stderr(io.StringIO()):
        importlib.import_module("paddle")
