"""Values that a hostile or broken file may hold where something else is expected."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

RELAXED = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
"""For tests that write a file for each example, on machines that are busy."""

EXTREMES = (
    *(None, True, False, 0, -1, 10**9, -(10**9), 10**30, 2**63, 0.0, -0.0, 1e-320, 1e308),
    *(float("nan"), float("inf"), float("-inf"), 48.0, "", " ", "48", "NaN", "\ud800", "a\nb"),
    *("x" * 5000, "0" * 64, "g" * 64, [], {}, [[]], [None], {"a": None}, [1, 2, 3, 4], ["a", 1]),
)
_leaves = st.sampled_from(EXTREMES) | st.integers() | st.floats() | st.text(max_size=20)
ANYTHING = st.recursive(
    _leaves,
    lambda part: (
        st.lists(part, max_size=4) | st.dictionaries(st.text(max_size=8), part, max_size=4)
    ),
    max_leaves=12,
)
"""What JSON and YAML can hold, NaN and half surrogate pairs among it."""
