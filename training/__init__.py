"""Trains text recognition with knowledge distillation; the one room besides export that imports paddle."""
