"""Texts of rendered sets."""

import pytest

from runtime.errors import DatasetError
from training.recipes.wording import texts
from training.recipes.words import read_words

LISTS = {"fr": ["été", "noël", "ça"], "pl": ["żółw", "łódź"]}


def test_texts_are_repeatable_and_keep_accents() -> None:
    entries = texts("lines", 300, LISTS, ["Label"])
    assert entries == texts("lines", 300, LISTS, ["Label"])
    assert len(entries) == 300 and "Label" in entries
    assert any("é" in entry for entry in entries) and any("ż" in entry for entry in entries)
    assert all(entry == entry.strip() and "  " not in entry for entry in entries)


def test_phrases_keep_to_one_language() -> None:
    for entry in texts("lines", 300, LISTS, []):
        is_sentence = all(part.isalpha() for part in entry.split()) and " " in entry
        if is_sentence:
            folded = entry.lower()
            assert not (set("éëç") & set(folded) and set("żółź") & set(folded)), entry


def test_scene_words_are_in_capitals_most_of_the_time() -> None:
    entries = [entry for entry in texts("scene", 500, LISTS, []) if any(map(str.isalpha, entry))]
    assert sum(entry == entry.upper() for entry in entries) > 0.55 * len(entries)


def test_unknown_wording_and_absent_lists_are_errors(tmp_path) -> None:
    with pytest.raises(DatasetError, match="expected one of scene, words, lines, got verse"):
        texts("verse", 1, LISTS, [])
    with pytest.raises(DatasetError, match="no word lists in"):
        read_words(tmp_path)
