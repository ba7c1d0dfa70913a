"""The wording: alphabet, lengths, coverage."""

import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import DatasetError
from training.data.synthetic.alphabet import is_combining, is_visible, tidy
from training.data.synthetic.dataset import DEFAULT_ALPHABET
from training.data.synthetic.text import TextSampler

CYRILLIC = "".join(map(chr, range(0x0410, 0x0450))) + "0123456789.,- "
CHINESE = "".join(map(chr, range(0x4E00, 0x5200))) + "0123456789"
THAI = "".join(map(chr, range(0x0E01, 0x0E3B))) + " "


def sample_many(sampler: TextSampler, count: int = 400) -> list[str]:
    return [sampler.sample(np.random.default_rng([7, i])) for i in range(count)]


@pytest.mark.parametrize(
    "alphabet",
    [
        "".join(DEFAULT_ALPHABET) + " ",
        string.digits + string.ascii_lowercase,
        string.digits,
        "x",
        CYRILLIC,
        CHINESE,
        THAI,
    ],
    ids=["default", "lower", "digits", "single", "cyrillic", "chinese", "thai"],
)
def test_texts_keep_to_alphabet_and_lengths(alphabet: str) -> None:
    sampler = TextSampler(list(alphabet), 2, 12)
    for text in sample_many(sampler):
        assert set(text) <= set(alphabet)
        assert 2 <= len(text) <= 12
        assert text == tidy(text)


@settings(max_examples=60, deadline=None)
@given(
    st.text(
        st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=30
    ).filter(lambda text: any(is_visible(c) and not is_combining(c) for c in text)),
    st.integers(1, 6),
    st.integers(0, 6),
    st.integers(0, 2**32),
)
def test_any_alphabet_gives_well_formed_texts(
    alphabet: str, shortest: int, more: int, seed: int
) -> None:
    sampler = TextSampler(list(alphabet), shortest, shortest + more)
    rng = np.random.default_rng(seed)
    must_have = sampler.visible[seed % len(sampler.visible)]
    text = sampler.sample(rng, must_have)
    assert set(text) <= set(alphabet)
    assert shortest <= len(text) <= shortest + more
    assert text == text.strip(" ")
    if not is_combining(must_have):
        assert must_have in text


def test_must_have_is_in_the_text_at_every_length() -> None:
    rng = np.random.default_rng(0)
    for longest in (1, 2, 5, 25):
        sampler = TextSampler(DEFAULT_ALPHABET, 1, longest)
        for character in DEFAULT_ALPHABET:
            assert character in sampler.sample(rng, character)


def test_default_alphabet_gives_words_numbers_and_case_variants() -> None:
    texts = sample_many(TextSampler((*DEFAULT_ALPHABET, " "), 1, 25), 1500)
    words = [word for text in texts for word in text.split(" ")]
    assert any(word.islower() for word in words)
    assert any(word.isupper() and len(word) > 3 for word in words)
    assert any(word.istitle() and len(word) > 3 for word in words)
    assert any("@" in word and "." in word for word in words)
    assert any(word.count(".") == 2 and word.replace(".", "").isdigit() for word in words)
    assert len(set(texts)) > 1000
    assert {len(text) for text in texts} >= set(range(2, 26))


def test_foreign_alphabet_uses_every_letter_about_evenly() -> None:
    texts = sample_many(TextSampler(list(CHINESE), 4, 12), 2000)
    counts = {character: 0 for character in CHINESE[:-10]}
    for text in texts:
        for character in text:
            if character in counts:
                counts[character] += 1
    assert min(counts.values()) > 0
    assert max(counts.values()) < 12 * np.mean(list(counts.values()))


def test_lower_case_alphabet_folds_instead_of_dropping() -> None:
    sampler = TextSampler(list("abcdefghijklmnopqrstuvwxyz"), 1, 25)
    assert sampler.fold("Größe 12") == "groe"
    assert sampler.fold("ÄRGER") == "arger"


def test_own_words_are_written_as_they_stand() -> None:
    sampler = TextSampler(list("ABCab-12 "), 1, 9, ["AB-12", "ba", "zebra", "ABABABABAB"])
    texts = sample_many(sampler, 100)
    assert set(texts) == {"AB-12", "ba"} | {t for t in texts if " " in t}
    # A line may end within a word only where it is full.
    pieces = [piece for text in texts if len(text) < 9 for piece in text.split(" ")]
    assert {"AB-12", "ba"} <= set(pieces)


@pytest.mark.parametrize(
    ("alphabet", "limits", "words", "message"),
    [
        (["ab"], (1, 5), None, "not one character"),
        ([""], (1, 5), None, "not one character"),
        ([" ", "\t"], (1, 5), None, "no line can be written"),
        (["\u0301"], (1, 5), None, "no line can be written"),
        (["a"], (0, 5), None, "1 <= minimum"),
        (["a"], (6, 5), None, "1 <= minimum"),
        (["a"], (1, 5), ["b", "aaaaaa"], "none of the 2 words"),
    ],
)
def test_bad_input_is_named(
    alphabet: list[str], limits: tuple[int, int], words: list[str] | None, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        TextSampler(alphabet, *limits, words)
