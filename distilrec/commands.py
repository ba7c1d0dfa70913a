"""The table of sub-commands: which module runs each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A sub-command.

    Args:
        module: has `main(arguments) -> status`.
        what: it does, in a line of `distilrec --help`.
        first: arguments that stand before the user's own.
    """

    module: str
    what: str
    first: tuple[str, ...] = ()


COMMANDS = {
    "read": Command("runtime.infer.__main__", "read lines; pages and PDF files with --pages"),
    "serve": Command("runtime.serve.__main__", "read lines and pages over HTTP"),
    "train": Command("training.train", "train what a PaddleOCR-format config describes"),
    "check-config": Command("training.check_config", "every mistake of a config, with its line"),
    "evaluate": Command("training.evaluate", "a checkpoint on the Eval section of its config"),
    "predict": Command("training.predict", "read images with every network of a checkpoint"),
    "blend": Command("training.blend", "trained weights mixed with those they began from"),
    "label": Command("training.recognition.unlabelled.__main__", "let a strong model label lines"),
    "render": Command("training.data.synthetic.__main__", "draw lines or pages to train on"),
    "import-labels": Command("training.data.importing.__main__", "labels of other programs"),
    "from-pages": Command("training.data.from_pages", "cut lines out of labelled pages"),
    "check-labels": Command("training.data.check", "what of labelled lines cannot be used"),
    "split": Command("training.data.split", "labels to train on, and to validate on"),
    "dictionary": Command("training.data.dictionary", "the characters of labels, as a file"),
    "to-lmdb": Command("training.data.to_lmdb", "labelled lines packed into one file"),
    "export": Command("export.__main__", "checkpoint to ONNX and engine; adopt, build, verify …"),
    "doctor": Command("export.__main__", "what is installed, what is missing", ("doctor",)),
    "configs": Command("distilrec.configs", "the configs that come along; print one of them"),
    "completion": Command("distilrec.completion", "completion for bash, zsh or fish"),
}
