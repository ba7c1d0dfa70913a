"""`python -m benchmarks`: what can be measured here, and with which command."""

from __future__ import annotations

import sys

COMMANDS = {
    "suite": "everything below that needs no outside data, and the page that shows it",
    "latency": "batch x width, cold and steady, on every engine that is here",
    "detection": "pages to boxes: speed and hmean beside RapidOCR, and tracing by itself",
    "pages": "whole pages to text: words, boxes, order, speed, beside RapidOCR and faster-paddle",
    "pages.changed": "the same pages turned, skewed, two beside each other, enlarged",
    "pages.order": "the order of reading of labelled boxes, however the page lies",
    "pages.spaces": "words before and after lost spaces are put back",
    "throughput": "a folder end to end: stages, threads, and beside RapidOCR or PaddleOCR",
    "accuracy": "exact lines, character errors, calibration, for every form of a network",
    "service": "the service under load: speed, latency, lost answers, memory",
    "service.footprint": "processes and memory of the service, with replicas and in one process",
    "service.hostile": "what honest clients still get while somebody attacks the service",
    "cluster": "folders read by several processes",
    "distillation": "what distillation brings a Student, seed by seed",
    "fine_tuning": "what fine-tuning on few lines of a pack gains on others",
    "training": "a training step beside paddle, PaddleOCR and PyTorch",
    "trt": "a TensorRT engine, in trtexec's words",
    "parity": "outputs, losses and gradients beside PaddleOCR",
    "parity.export": "exported models beside PaddleOCR's own outputs",
    "compare": "two results: what has changed beyond noise",
    "report": "results as one page and a summary for the README",
}


def main() -> int:
    """Print the commands; returns the exit status."""
    width = max(map(len, COMMANDS))
    for name, what in COMMANDS.items():
        print(f"python -m benchmarks.{name.ljust(width)}  {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
