from pathlib import Path

import pytest

from runtime.cpu_features import sums_8_bit_exactly


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model name\t: A\nflags\t\t: fpu avx2 avx512f avx512_vnni\n", True),
        ("flags\t\t: fpu avx2 avx_vnni\n", True),
        ("flags\t\t: fpu avx2 avx512f\n", False),
        ("Features\t: fp asimd asimddp\n", True),
        ("Features\t: fp asimd\n", False),
        ("processor : 0\n", None),
    ],
)
def test_told_by_the_cpus_flags(tmp_path: Path, text: str, expected: bool | None) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(text)
    assert sums_8_bit_exactly(file) is expected


def test_a_system_that_tells_nothing(tmp_path: Path) -> None:
    assert sums_8_bit_exactly(tmp_path / "none") is None
