"""Results of earlier shapes brought up to the present one, so that old figures stay readable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.measuring.machine import fingerprint_of
from benchmarks.measuring.result_schema import FORMAT

_EMPTY: dict[str, Any] = {"revision": {"commit": None, "is_modified": None}, "versions": {}}


def upgraded(entries: dict[str, Any], name: str) -> dict[str, Any]:
    """Entries of format 2; what is of no known shape comes back as it is.

    Args:
        entries: the JSON object of a file.
        name: of the file; the oldest throughput results tell no command.
    """
    if entries.get("schema") == 1 and entries.get("benchmark") == "training":
        return _training(entries)
    if entries.get("schema") == 1 and entries.get("benchmark") == "distillation":
        return _distillation(entries)
    if "schema" not in entries and "contenders" in entries and "lines" in entries:
        return _throughput(entries, name)
    return entries


def _common(entries: Mapping[str, Any]) -> dict[str, Any]:
    machine = entries.get("machine", {})
    return {
        "schema": FORMAT,
        "fingerprint": fingerprint_of(machine),
        "machine": machine,
        **{key: entries.get(key, _EMPTY[key]) for key in ("revision", "versions")},
        "time": entries.get("time", ""),
        "command": entries.get("command", []),
        "remarks": list(entries.get("remarks", [])),
        "settings": {},
        "inputs": {},
        "details": {},
    }


def _measure(name: str, unit: str, better: str, *samples: float) -> dict[str, Any]:
    ascending = sorted(samples)
    middle = len(ascending) // 2
    odd = len(ascending) % 2
    value = ascending[middle] if odd else (ascending[middle - 1] + ascending[middle]) / 2
    return {
        **{"name": name, "unit": unit, "better": better, "value": value},
        **{"least": ascending[0], "most": ascending[-1], "samples": list(samples)},
        "is_exact": False,
    }


def _failure(what: str, reason: str, is_absent: bool = False) -> dict[str, Any]:
    return {"what": what, "reason": reason, "is_absent": is_absent, "tail": []}


def _training(entries: Mapping[str, Any]) -> dict[str, Any]:
    measures, failures, references = [], [], {}
    for part, heading in (("steps", "training step"), ("real", "real lines")):
        found = entries.get(part)
        if not found:
            continue
        references[heading] = found["reference"]
        for row in found["summary"]:
            what = f"{heading} / {row['contender']}"
            if row["reason"] is not None:
                failures.append(_failure(what, row["reason"], not row["is_tried"]))
            rates = [
                rate
                for run in found["runs"]
                if run["contender"] == row["contender"] and run["figures"] is not None
                for rate in run["figures"]["images_per_s_each"]
            ]
            if rates:
                measures.append(_measure(f"{what} / speed", "images/s", "higher", *rates))
    steps = entries.get("steps") or {}
    return {
        **_common(entries),
        "benchmark": "training",
        "title": "Training speed",
        "inputs": {"sha256": steps.get("inputs_sha256", "")},
        "settings": steps.get("settings", {}),
        "measures": measures,
        "failures": failures,
        "details": {"references": references, "contenders": steps.get("contenders", {})},
    }


def _distillation(entries: Mapping[str, Any]) -> dict[str, Any]:
    measures = []
    for row in entries["summary"]:
        what = f"distillation / {row['arm']}"
        exact = _measure(f"{what} / exact", "share", "higher", row["accuracy"])
        measures.append({**exact, "least": row["least"], "most": row["most"]})
        errors = row["character_error_rate"]
        measures.append(_measure(f"{what} / character errors", "share", "lower", errors))
        if row["gain"] is not None:
            gain = _measure(f"{what} / gain", "share", "higher", row["gain"])
            measures.append({**gain, "least": row["least_gain"], "most": row["most_gain"]})
        if row["cost"] is not None:
            measures.append(_measure(f"{what} / cost", "x", "lower", row["cost"]))
    settings = ("packs", "training_lines", "steps", "epochs", "batch_size", "max_width_px")
    return {
        **_common(entries),
        "benchmark": "distillation",
        "title": "What distillation brings",
        "settings": {name: entries[name] for name in settings if name in entries},
        "measures": measures,
        "failures": [],
        "details": {"references": {"distillation": "alone"}, "arms": entries.get("arms", {})},
    }


def _throughput(entries: Mapping[str, Any], name: str) -> dict[str, Any]:
    contenders = entries["contenders"]
    measures = [
        measure
        for contender, row in contenders.items()
        for measure in _throughput_measures(contender, row)
    ]
    cold = entries.get("cold_start") or {}
    for contender, seconds in cold.get("seconds_each", {}).items():
        measures.append(_measure(f"cold start / {contender} / one image", "s", "lower", *seconds))
    reference = next((one for one in contenders if contenders[one]["ratio"] == 1), "")
    last = next(iter(contenders.values()))["last_round"]
    options = ["--images", entries["images"], "--count", str(entries["lines"]), "--output", name]
    return {
        **_common(entries),
        "benchmark": "throughput",
        "title": "A folder of lines, end to end",
        "command": ["python", "-m", "benchmarks.throughput", *options],
        "inputs": {
            "model": entries["model"],
            "lines": {
                "name": entries["images"],
                "number": entries["lines"],
                "sha256": last.get("inputs_sha256", ""),
            },
        },
        "measures": measures,
        "failures": [
            _failure(f"reading / {contender}", row["reason"])
            for contender, row in contenders.items()
            if row["reason"] is not None
        ],
        "details": {"references": {"reading": reference}},
    }


def _throughput_measures(contender: str, row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    what = f"reading / {contender}"
    if row["median_lines_per_s"] is not None:
        speed = _measure(f"{what} / speed", "lines/s", "higher", row["median_lines_per_s"])
        yield {**speed, "least": row["least"], "most": row["most"]}
    last = row["last_round"]
    if last.get("right") is not None:
        yield {**_measure(f"{what} / right", "lines", "higher", last["right"]), "is_exact": True}
    if last.get("network_share") is not None:
        yield _measure(f"{what} / in the network", "share", "higher", last["network_share"])
    if last.get("peak_mib") is not None:
        yield _measure(f"{what} / peak memory", "MiB", "lower", last["peak_mib"])
