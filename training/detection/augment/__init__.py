"""Crops, turns, colours and pasted texts: what makes new pages of those that there are."""
