"""Lets a strong recogniser label lines that nobody labelled, to look at and to train on.

    python -m training.recognition.unlabelled IMAGES --teacher BIG.onnx -c CONFIG --output FILE

Each line is read in several views; it is kept where they agree and the teacher is sure. The label
file trains with `SimpleDataSet`, `data_dir` being its folder. Killed, the same command goes on
where it was. Exit status: 0 done, 2 not, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from runtime.errors import ConfigError, OcrError
from runtime.program import add_json, program_name, show, tell, told
from runtime.recognition.charset import Charset, build_charset
from runtime.standard_streams import log_to_stderr, open_standard_streams, say
from training.config import Config, GlobalConfig, add_config_arguments, load_config, read_global
from training.distillation.teacher.section import ONNX, TeacherPlan, is_teacher, read_teacher
from training.output_folder import translate_disk_errors
from training.recognition.teacher.line_teacher import DICTIONARY, KEYS, LineTeacher
from training.recognition.unlabelled.judging import Demands, Spaces
from training.recognition.unlabelled.labelling import Labelling, crops_beside, label
from training.registry import Problems

NAME = "training.recognition.unlabelled"
_SECTION = "Architecture.Models"


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(
        prog=program_name(NAME),
        description=(__doc__ or "").split("\n")[0],
    )
    add_json(parser)
    add = parser.add_argument
    add("images", nargs="+", help="files, folders, patterns, and @FILE for a list of them")
    add("--teacher", metavar="FILE", help="ONNX file; that of the config without it")
    add("--dictionary", metavar="FILE", help="of a teacher whose file carries none")
    add("--output", type=Path, required=True, metavar="FILE", help="the label file")
    add("--crops", type=Path, metavar="DIR", help="of cut lines; beside the label file without it")
    add("--pages", action="store_true", help="find the lines in images and PDF files first")
    add("--detector", metavar="FILE", help="that finds them; one comes along")
    known = Demands()
    add("--views", type=int, default=known.views, help="of each line; default: %(default)s")
    add("--least-confidence", type=float, default=known.least_confidence, metavar="P")
    add("--spaces", choices=get_args(Spaces), default=known.spaces, help="default: %(default)s")
    add("--seed", type=int, default=known.seed, help="of the views; default: %(default)s")
    add_config_arguments(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    open_standard_streams()
    options = options_parser().parse_args(arguments)
    log_to_stderr(logging.WARNING)
    try:
        with translate_disk_errors():
            config = load_config(options.config, options.override)
            order, teacher = order_of(config, options)
            teacher.check()
            notes = list(teacher.notes())
            if notes and not options.json:  # before hours of reading
                print("\n".join(notes), flush=True)
            report = label(order, teacher)
            text = [*report.lines(), f"{order.output}: {report.num_kept} labels"]
            values = {"labels": order.output, "notes": notes, **report.as_json()}
            show(options, "\n".join(text), values)
    except OcrError as error:
        tell(NAME, told(error))
        return 2
    except KeyboardInterrupt:
        say("stopped; the same command goes on")
        return 130
    return 0


def order_of(config: Config, options: argparse.Namespace) -> tuple[Labelling, LineTeacher]:
    """Return what to read, and the teacher that reads it, which is not opened yet.

    Raises:
        ConfigError: if the config or an option cannot be used.
    """
    problems = Problems()
    settings = read_global(config.sections.get("Global"), problems)
    plan = _teacher_plan(config, options, problems)
    demands = Demands(options.views, options.least_confidence, options.spaces, options.seed)
    for key, message in Demands.problems_of(vars(demands)):
        problems.add(f"--{key.replace('_', '-')}", message)
    config.raise_problems(problems)
    assert settings is not None and plan is not None
    output: Path = options.output
    order = Labelling(
        images=tuple(options.images),
        are_pages=options.pages,
        demands=demands,
        detector=options.detector,
        max_text_length=settings.max_text_length,
        output=output,
        crops=options.crops or crops_beside(output),
    )
    return order, LineTeacher(plan, _charset(settings))


def _charset(settings: GlobalConfig) -> Charset:
    return build_charset(settings.character_dict_path, settings.use_space_char)


def _teacher_plan(
    config: Config, options: argparse.Namespace, problems: Problems
) -> TeacherPlan | None:
    """Return the teacher that an option or the config names."""
    architecture = config.sections.get("Architecture")
    models = architecture.get("Models") if isinstance(architecture, dict) else None
    named = {name: section for name, section in (models or {}).items() if is_teacher(section)}
    if options.teacher is not None:
        name, section = "Teacher", {ONNX: options.teacher}
        # What the config says of this very file counts for it too.
        for known, other in named.items():
            if other[ONNX] == options.teacher:
                name, section = known, dict(other)
    elif len(named) == 1:
        name, section = next((name, dict(section)) for name, section in named.items())
    else:
        raise ConfigError(
            f"{config.path or 'the config'} names {len(named)} teachers that are ONNX files: "
            "expected one, or an ONNX file as --teacher"
        )
    if options.dictionary is not None:
        section[DICTIONARY] = options.dictionary
    return read_teacher(section, name, f"{_SECTION}.{name}", KEYS, problems)


if __name__ == "__main__":
    sys.exit(main())
