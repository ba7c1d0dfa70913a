"""The command line `python -m runtime.infer`: names in, results out."""
