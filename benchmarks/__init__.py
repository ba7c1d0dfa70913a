"""How fast, how accurate, compared with what, on which machine."""

import runtime  # noqa: F401 - before onnxruntime, whose telemetry it switches off
