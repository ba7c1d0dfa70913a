"""The command line `python -m runtime.infer`: reads the images that it is given names of."""
