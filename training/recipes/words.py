"""Writes word lists of several languages, the most frequent word first.

    pip install 'distilrec[recipes]'
    python -m training.recipes.words words

wordfreq's lists (R. Speer, CC BY-SA 4.0) come from encyclopedias, subtitles, books and the web.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from runtime.errors import DatasetError
from runtime.files import write_atomically
from runtime.signals import exit_status
from runtime.standard_streams import open_standard_streams

LANGUAGES = ("fr", "it", "es", "pt", "de", "pl", "cs", "en")
COUNT = 40_000


def frequent_words(language: str, count: int) -> list[str]:
    """List the most frequent words of a language, in lower case.

    Raises:
        DatasetError: if wordfreq is not installed or does not know the language.
    """
    try:
        from wordfreq import top_n_list
    except ImportError as error:
        raise DatasetError(
            f"cannot import wordfreq: {error}; install it: pip install 'distilrec[recipes]'"
        ) from error
    try:
        return [word for word in top_n_list(language, count) if any(map(str.isalpha, word))]
    except LookupError as error:
        raise DatasetError(f"wordfreq has no words of {language!r}: {error}") from error


def read_words(folder: Path) -> dict[str, list[str]]:
    """Read the lists that `python -m training.recipes.words` wrote: words by language.

    Raises:
        DatasetError: if there is none.
    """
    lists = {
        file.stem: file.read_text(encoding="utf-8").split()
        for file in sorted(folder.glob("??.txt"))
    }
    if not any(lists.values()):
        raise DatasetError(
            f"no word lists in {folder}: expected fr.txt, de.txt and so on, got none; write them: "
            f"python -m training.recipes.words {folder}"
        )
    return lists


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    open_standard_streams()
    parser = argparse.ArgumentParser(
        prog="python -m training.recipes.words", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("output", type=Path, help="folder for fr.txt, de.txt and so on")
    parser.add_argument("--languages", nargs="+", default=list(LANGUAGES), metavar="CODE")
    parser.add_argument("--count", type=int, default=COUNT, help="words each (default %(default)s)")
    options = parser.parse_args(arguments)
    return exit_status("words", lambda: _write(options))


def _write(options: argparse.Namespace) -> int:
    for language in options.languages:
        words = frequent_words(language, options.count)
        options.output.mkdir(parents=True, exist_ok=True)
        content = "".join(f"{word}\n" for word in words)
        write_atomically(options.output / f"{language}.txt", content.encode())
        print(f"{options.output / language}.txt: {len(words)} words")
    return 0


if __name__ == "__main__":
    sys.exit(main())
