"""Where the time of a line goes, one line after another on one thread."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring.network_clock import NetworkClock
from runtime.engines.onnxruntime import OnnxRuntimeEngine
from runtime.errors import OcrError
from runtime.images.read import read_image
from runtime.infer.recognition.task import Reading
from runtime.infer.records import open_writer
from runtime.recognition.ctc import decode_best_path
from runtime.recognition.preprocess import batch_from_lines, prepare_line
from runtime.recognition.result import Recognition
from runtime.recognition.score_session import ScoreSession

STAGES = ("decode", "resize", "normalise", "network", "ctc", "output")


def stage_seconds(model: Path, paths: Sequence[str], output: Path) -> dict[str, float]:
    """Read all lines one by one and add up the seconds of each stage.

    Args:
        model: an ONNX file.
        paths: images; those that cannot be read are left out.
        output: JSON lines, as the command line writes them.

    Returns:
        stage -> seconds: the file to pixels, to the network's height, to float32 [1, C, H, W],
        the network itself, its output to text, and the record on the disk.
    """
    session = ScoreSession(OnnxRuntimeEngine(model, "cpu", threads=1))
    spec = session.spec
    spent = dict.fromkeys(STAGES, 0.0)
    with NetworkClock() as clock, output.open("w", encoding="utf-8") as stream:
        writer = open_writer(Reading(), "jsonl", stream)
        for path in paths:
            marks = [time.perf_counter()]
            try:
                image = read_image(path)
            except OcrError:
                continue
            marks.append(time.perf_counter())
            line = prepare_line(image, spec)
            marks.append(time.perf_counter())
            width = spec.width.input_width(line.shape[1])
            batch = batch_from_lines([line], width, spec.mean, spec.std)
            marks.append(time.perf_counter())
            # The network is timed inside the session; what the session does around it, choosing
            # the best class of each time step, counts as CTC.
            before_s = clock.busy_s
            indices, values = session.run(batch)
            network_s = clock.busy_s - before_s
            marks.append(marks[-1] + network_s)
            (decoded,) = decode_best_path(indices, values, spec.charset)
            marks.append(time.perf_counter())
            writer.write(
                Recognition(
                    text=decoded.text,
                    confidence=decoded.confidence,
                    characters=tuple(decoded.text),
                    character_confidences=decoded.character_confidences,
                    time_steps=decoded.time_steps,
                    source=path,
                    width_px=image.shape[1],
                    height_px=image.shape[0],
                    input_width_px=width,
                    content_width_px=line.shape[1],
                    num_time_steps=indices.shape[1],
                )
            )
            marks.append(time.perf_counter())
            for stage, start, end in zip(STAGES, marks, marks[1:], strict=False):
                spent[stage] += end - start
        writer.close()
    session.close()
    return spent
