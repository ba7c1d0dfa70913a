"""Reads line images over HTTP: `python -m runtime.serve --model student.onnx`.

Nothing beyond the runtime's own dependencies is imported here; Ray and FastAPI come with the
extra `serve` and are imported when a service starts.
"""
