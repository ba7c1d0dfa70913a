"""Every command, link and extra that README and docs name exists; the cheap commands are run."""

from __future__ import annotations

import configparser
import contextlib
import io
import re
import runpy
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from distilrec.commands import COMMANDS
from distilrec.parsers import parser_of

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "containers/README.md"]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CALLED = r"(\w+=\S+ )*(python -m|distilrec) "
CELL = re.compile(r"`((?:distilrec|python -m) [^`]*)`")
"""A command in a table."""
CHEAP = (
    "python -m training.check_config -c configs/small.yml",
    "python -m runtime.infer images/line_01.jpg images/line_03.jpg",
    "python -m benchmarks",
)


def commands(page: Path) -> list[str]:
    """The command lines of a page, continued ones in one piece, comments cut off."""
    found = []
    for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language:
            continue
        for line in block.replace("\\\n", " ").splitlines():
            line = re.sub(r"\s+#\s.*$|\s\s+#.*$", "", line)
            pieces = map(str.strip, line.split("|"))
            found += [piece for piece in pieces if re.match(CALLED, piece)]
    return found


ALL = [(page, command) for page in PAGES for command in commands(page)]


@cache
def help_of(module: str, subcommand: str) -> str:
    """What `python -m module [subcommand] --help` prints."""
    told = io.StringIO()
    before = sys.argv
    sys.argv = [module, *([subcommand] if subcommand else []), "--help"]
    try:
        with contextlib.redirect_stdout(told), contextlib.suppress(SystemExit):
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        sys.argv = before
    return told.getvalue()


def parsed(words: list[str]) -> None:
    """Let the command parse what it is given; its parser ends this process where it cannot."""
    name, *arguments = [word for word in words if word != "--debug"]
    command = COMMANDS[name]
    if any(">" in word for word in arguments):
        arguments = arguments[: [">" in word for word in arguments].index(True)]
    if name == "export" and arguments[0].startswith("-"):
        arguments.insert(0, "all")
    if {"COMMAND", "…"} & {*words} or name == "doctor":
        return
    parser_of(name).parse_args([*command.first, *arguments])


MIGRATION = [
    command
    for line in (ROOT / "docs" / "migrate.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ")
    for command in CELL.findall(line.rpartition(" | ")[2])
]


@pytest.mark.parametrize("command", MIGRATION)
def test_what_takes_the_place_of_another_command_is_parsed(command: str) -> None:
    words = shlex.split(command)
    if words[0] == "python":
        assert words[1:3] == ["-m", "paddle.distributed.launch"] and "training.train" in words
        return
    parsed(words[1:])


def test_every_table_of_migration_has_commands() -> None:
    assert len(MIGRATION) > 30


def test_there_are_commands() -> None:
    assert len(ALL) > 40
    assert {page.name for page in PAGES} >= {"README.md", "reading.md", "export.md"}


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize(("page", "command"), ALL, ids=[f"{p.name}-{c[:60]}" for p, c in ALL])
def test_every_command_is_there_with_its_options(page: Path, command: str) -> None:
    words = shlex.split(re.sub(r"\$\(.*\)", "IMAGES", command))
    if "distilrec" in words:
        parsed(words[words.index("distilrec") + 1 :])
        return
    module, *arguments = words[words.index("-m") + 1 :]
    if module == "paddle.distributed.launch":
        assert (ROOT / "training" / "train.py").is_file()
        return
    subcommand = ""
    if module == "export":
        subcommand = "all" if arguments[0].startswith("-") else arguments[0]
    told = help_of(module, subcommand)
    if module == "benchmarks":
        return
    assert told, f"{command}: no help"
    for argument in arguments:
        option = argument.partition("=")[0]
        if re.fullmatch(r"--[a-zA-Z][\w-]*", option):
            assert re.search(rf"{re.escape(option)}\b", told), f"{command}: no option {option}"
        elif argument.endswith(".yml"):
            assert (ROOT / argument).is_file(), argument


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(slug, headings), link


def test_every_extra_exists() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = set(setup["options.extras_require"])
    for page in PAGES:
        for named in re.findall(r"(?:distilrec|\.)\[([\w,-]+)\]", page.read_text(encoding="utf-8")):
            assert set(named.split(",")) <= extras, named


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("command", CHEAP)
def test_cheap_commands_print_what_the_readme_says(command: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    words = [sys.executable, *shlex.split(command)[1:]]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    assert lines
    if command in readme:
        assert lines[-1] in readme
