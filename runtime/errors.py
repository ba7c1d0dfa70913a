"""Every error this project raises on purpose.

A message says what happened, what was expected, what was got, and the remedy, in that order.
A command line prints it as one line and exits with status 2; a traceback means a bug of ours.
"""

from __future__ import annotations


class OcrError(Exception):
    """Base of all errors that a user can cause and fix."""


class ConfigError(OcrError):
    """A training or export configuration cannot be used as it stands."""


class CheckpointError(OcrError):
    """A checkpoint is missing, unreadable, unsafe, or does not fit the network."""


class ArtifactError(OcrError):
    """A model file (ONNX, engine, dictionary) is missing, incomplete or contradictory."""


class EngineError(OcrError):
    """An inference engine cannot be built, opened or run."""


class ImageError(OcrError):
    """One image cannot be read; the others are unaffected."""


class ParityError(OcrError):
    """Two forms of the same network disagree beyond the stated tolerance."""


class DatasetError(OcrError):
    """Training data is missing, empty or unreadable."""


class DivergenceError(OcrError):
    """Training has diverged: a loss or weight is infinite or NaN."""
