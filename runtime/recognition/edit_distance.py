"""How many characters must be inserted, left out or replaced to turn one text into another.

Source: Hyyro 2003, "A bit-vector algorithm for computing Levenshtein and Damerau edit distances":
a whole column of the table is one integer, each of its bits a difference to the row above.
"""

from __future__ import annotations


def edit_distance(one: str, other: str) -> int:
    """Levenshtein distance of two texts."""
    if not one:
        return len(other)
    places: dict[str, int] = {}
    for index, character in enumerate(one):
        places[character] = places.get(character, 0) | 1 << index
    every_row, last_row = (1 << len(one)) - 1, 1 << (len(one) - 1)
    rises, falls = every_row, 0  # rows at which the column rises, or falls, by one
    distance = len(one)
    for character in other:
        equal = places.get(character, 0)
        diagonal = (((equal & rises) + rises) ^ rises) | equal | falls
        row_rises = falls | ~(diagonal | rises)
        row_falls = rises & diagonal
        distance += bool(row_rises & last_row) - bool(row_falls & last_row)
        row_rises = row_rises << 1 | 1
        rises = (row_falls << 1 | ~(diagonal | row_rises)) & every_row
        falls = row_rises & diagonal & every_row
    return distance
