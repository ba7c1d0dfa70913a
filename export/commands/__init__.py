"""One module for each command of `python -m export`.

A command module has `HELP` (one line), `add_arguments(parser)` and `run(options)`, which returns
a mapping, printed as one JSON line, or text, printed as it stands. What is heavy is imported
inside `run`, so that a wrong argument is reported at once.
"""
