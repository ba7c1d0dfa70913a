"""What this CPU computes exactly, as far as it tells."""

from __future__ import annotations

from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")
_EXACT = {"avx512_vnni", "avx_vnni", "avx_vnni_int8", "asimddp"}
"""8-bit products summed in 32 bits, on x86 and on ARM."""


def sums_8_bit_exactly(cpu_info: Path = _CPU_INFO) -> bool | None:
    """Whether 8-bit products are summed without saturating; None where the CPU does not tell.

    x86 CPUs without VNNI add pairs of products in 16 bits, which saturate, so that an 8-bit
    network reads worse on them than where it was judged. Source: onnxruntime's "Quantize ONNX
    models".

    Args:
        cpu_info: Linux's description of the CPU.
    """
    try:
        text = cpu_info.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() in ("flags", "features"):
            return bool(_EXACT.intersection(value.split()))
    return None
