"""Losses from what a teacher that is an ONNX file reads: texts, posteriors, places of characters.

None of them needs equal time steps or equal dictionaries.
"""
