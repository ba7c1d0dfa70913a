"""Trains text recognition with knowledge distillation; this room imports paddle."""
