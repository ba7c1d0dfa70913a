"""Assigns the characters listed in a model or dictionary to the classes of a network.

A list may name the blank, lack the space, or hold an entry for the blank under another name, and
no model states it. The number of classes decides; where it does not, there is a warning or an
error.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache

from runtime.errors import ArtifactError
from runtime.recognition.charset import SPACE, Charset
from runtime.recognition.model.told import Told

logger = logging.getLogger(__name__)

_BLANK_NAMES = ("blank", "blk", "ctcblank", "ctc_blank", "ctc-blank")
_BRACKETS = "<>[]{}()|"


def charset_for_head(
    listed: Sequence[str],
    num_classes: int,
    where: str,
    has_space: bool | None = None,
    is_space_expected: bool = False,
) -> Charset:
    """Build a charset of listed characters, with the space appended if the head has a class for it.

    Args:
        listed: the characters without the blank.
        num_classes: K of the network's last layer.
        where: the model, for messages.
        has_space: whether the user states that the last class is the space, or that no space is
            appended; None without a statement, and appending a space then gives a warning.
        is_space_expected: suppress that warning, because another list of the same model ends in
            a space.

    Raises:
        ArtifactError: if neither the list nor the list and a space fits the head.
    """
    with_space = (*listed, SPACE)
    is_appended = has_space is not False and num_classes == len(with_space) + 1
    charset = Charset(with_space if is_appended else tuple(listed))
    try:
        charset.check_head(num_classes, where)
    except ArtifactError as error:
        if num_classes != len(listed):
            raise
        raise ArtifactError(
            f"{error}, or if one entry of the list stands for the blank, say which: python -m "
            f"export adopt {where} --output NEW.onnx --blank first (or --blank last)"
        ) from error
    if has_space and charset.characters[-1] != SPACE:
        raise ArtifactError(
            f"{where}: its last class is no space: expected a list of {num_classes - 2} characters "
            f"or one that ends in a space, got {len(listed)} that end in {listed[-1]!r}; leave "
            "--space out or give the right dictionary"
        )
    if is_appended and has_space is None and not is_space_expected:
        _tell_of_space(where, len(listed), num_classes)
    return charset


@cache
def _tell_of_space(where: str, num_listed: int, num_classes: int) -> None:
    """Log once what is taken for the last class: labelling and training open a model repeatedly."""
    logger.warning(
        "%s: a space is taken for the last class, since %d characters are listed for %d "
        "classes and a blank; if the text is shifted, give the right list: --dictionary FILE",
        where,
        num_listed,
        num_classes - 1,
    )


def without_blank(
    listed: Sequence[str], num_classes: int, where: str, told: Told
) -> tuple[list[str], str | None]:
    """Remove the entry of the blank from a list of characters.

    Args:
        listed: as the model or a dictionary lists them.
        num_classes: K of the network's last layer.
        where: the model, for messages.
        told: settings that the user states.

    Returns:
        the list without an entry for the blank, and the class of the blank, `first` or `last`,
        None if neither the list nor the user states it.

    Raises:
        ArtifactError: if the list names the blank at an impossible position, or at another than
            the user states.
    """
    named = [place for place, entry in enumerate(listed) if is_blank_name(entry)]
    if not named:
        if told.blank is not None and len(listed) == num_classes:
            place = 0 if told.blank == "first" else len(listed) - 1
            return _without(listed, place, told.blank, where), told.blank
        return list(listed), told.blank
    ends = {0: "first", len(listed) - 1: "last"}
    if len(named) > 1 or named[0] not in ends:
        raise ArtifactError(
            f"{where}: its list names the blank {listed[named[0]]!r} as entry "
            f"{', '.join(str(place + 1) for place in named[:3])}: expected it once, first or last "
            f"of {len(listed)}; give a list of the characters alone: --dictionary FILE"
        )
    blank = ends[named[0]]
    if told.blank not in (None, blank):
        raise ArtifactError(
            f"{where}: its list names the blank {listed[named[0]]!r} {blank}: expected it "
            f"{told.blank}, as --blank says; give a list of the characters alone: --dictionary FILE"
        )
    return _without(listed, named[0], blank, where), blank


def is_blank_name(entry: str) -> bool:
    """Tell whether an entry of a list is a name of the CTC blank, such as `blank` or `<blk>`."""
    return entry.strip(_BRACKETS).casefold() in _BLANK_NAMES


def _without(listed: Sequence[str], place: int, blank: str, where: str) -> list[str]:
    """Remove the entry at a position, with a warning."""
    logger.warning(
        "%s: the %s of the %d listed entries, %r, is taken for the blank, not for a character",
        where,
        blank,
        len(listed),
        listed[place],
    )
    return [*listed[:place], *listed[place + 1 :]]
