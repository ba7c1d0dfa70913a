import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.batching import InputOrder, WidthBatcher, batches_by_width

widths_strategy = st.lists(st.integers(1, 6), max_size=80)


@given(widths_strategy, st.integers(1, 7), st.integers(1, 30))
def test_batches_hold_every_line_once_and_one_width_each(
    widths: list[int], batch_size: int, look_ahead: int
) -> None:
    lines = [(width * 32, f"line {position}") for position, width in enumerate(widths)]
    batches = list(batches_by_width(lines, batch_size, look_ahead))
    for batch in batches:
        assert 1 <= len(batch.lines) <= batch_size
        assert list(batch.positions) == sorted(batch.positions)
        for position, line in zip(batch.positions, batch.lines, strict=True):
            assert lines[position] == (batch.width, line)
    taken = sorted(position for batch in batches for position in batch.positions)
    assert taken == list(range(len(lines)))
    assert batches == list(batches_by_width(iter(lines), batch_size, look_ahead))


@given(
    st.lists(st.one_of(st.none(), st.integers(1, 6)), max_size=120),
    st.integers(1, 7),
    st.integers(1, 30),
)
def test_neither_lines_nor_results_pile_up(
    widths: list[int | None], batch_size: int, look_ahead: int
) -> None:
    """None stands for an image that could not be read."""
    batcher: WidthBatcher[int] = WidthBatcher(batch_size, look_ahead)
    order: InputOrder[int] = InputOrder()
    given_out = []
    for position, width in enumerate(widths):
        if width is None:
            order.put(position, position)
            due = batcher.skip(position)
        else:
            due = batcher.add(position, width, position)
        for batch in due:
            for one in batch.positions:
                order.put(one, one)
        given_out += order.ready()
        assert position + 1 - len(given_out) <= look_ahead
        assert len(order) <= look_ahead
    for batch in batcher.flush():
        for index in batch.positions:
            order.put(index, index)
        given_out += order.ready()
    assert given_out == list(range(len(widths)))


def test_equal_widths_fill_whole_batches() -> None:
    lines = [(64 if position % 2 else 32, position) for position in range(20)]
    batches = list(batches_by_width(lines, 5))
    assert [len(batch.lines) for batch in batches] == [5, 5, 5, 5]


def test_a_rare_width_does_not_hold_back_the_others() -> None:
    lines = [(999, 0), *((32, position) for position in range(1, 100))]
    stream = batches_by_width(iter(lines), batch_size=4, look_ahead=10)
    widths = [next(stream).width for _ in range(4)]
    assert widths.count(999) == 1


def test_an_impossible_batch_size_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        WidthBatcher(0)
