"""Recipes: whole trainings of several stages, from nothing to a model worth shipping."""
