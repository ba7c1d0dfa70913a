"""What a run counts of the lines that it reads."""

from __future__ import annotations

from benchmarks.distillation.one_run import _Counter, _figures


def test_lines_and_edits_of_the_network_that_counts() -> None:
    counter = _Counter("Student")
    for texts, labels in ((["abc", "abd"], ["abc", "abc"]), (["", "Ab"], ["ab", "ab"])):
        read = ([(text, 0.5) for text in texts], [(label, 1.0) for label in labels])
        counter({"Student": read, "Teacher": ([("x", 1.0)] * 2, [("x", 1.0)] * 2)})
    assert _figures(counter.scores) == {
        **{"lines": 4, "exact": 1, "edits": 4, "characters": 10},
        **{"accuracy": 0.25, "character_error_rate": 0.4},
    }
    counter.reset()
    assert counter.scores.num_read == 0
