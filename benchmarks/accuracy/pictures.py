"""Confidence against exactness as a plot, and the worst lines as a contact sheet."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2

from benchmarks.accuracy.scores import Calibration, Reading
from runtime import read_image
from runtime.errors import OcrError
from runtime.files import write_atomically

_CELL_WIDTH_PX = 560
_CROP_HEIGHT_PX, _CROP_WIDTH_PX = 72, 900


def draw_calibration(calibrations: Mapping[str, Calibration], path: Path) -> None:
    """Write a reliability diagram as PNG, a line for each form.

    Args:
        calibrations: by the form's name.
        path: of the picture.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5.6, 5), layout="constrained")
    axes.plot([0, 1], [0, 1], "--", color="gray", linewidth=1, label="what confidence promises")
    for name, calibration in calibrations.items():
        filled = [group for group in calibration.bins if group.lines]
        axes.plot(
            [group.confidence for group in filled],
            [group.exact for group in filled],
            marker="o",
            label=f"{name}: ECE {calibration.expected_error:.3f}",
        )
    axes.set(xlabel="confidence", ylabel="lines read exactly", xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    picture = io.BytesIO()
    figure.savefig(picture, dpi=110, format="png")
    pyplot.close(figure)
    write_atomically(path, picture.getvalue())


def draw_worst(readings: Sequence[Reading], path: Path, reader: str) -> None:
    """Write a contact sheet: each line above its label and what was read.

    Args:
        readings: the lines.
        path: of the picture.
        reader: who read them.
    """
    from training.data.synthetic.fonts import build_font_book
    from training.data.synthetic.preview import contact_sheet

    drawn = []
    for reading in readings:
        try:
            image = read_image(reading.path)
        except OcrError:
            continue  # it has no picture
        label = f"is: {reading.label}\n{reader} read: {reading.text}   ({reading.confidence:.2f})"
        drawn.append((image, label))
    if not drawn:
        return
    characters = {character for _, label in drawn for character in label if character != "\n"}
    try:
        fonts = build_font_book(characters)
    except OcrError:  # no font here has some character: leave it out
        fonts = build_font_book({character for character in characters if character.isascii()})
    sheet = contact_sheet(drawn, fonts, columns=2, cell_width_px=_CELL_WIDTH_PX)
    write_atomically(path, cv2.imencode(".png", sheet)[1].tobytes())


def write_crops(readings: Sequence[Reading], folder: Path) -> list[str | None]:
    """Write each line's picture, small enough for a page, and tell the file's name.

    Returns:
        a name in `folder` for each line, None where there is no picture.
    """
    names: list[str | None] = []
    for number, reading in enumerate(readings, start=1):
        try:
            image = read_image(reading.path)
        except OcrError:
            names.append(None)
            continue
        height, width = image.shape[:2]
        scale = min(1.0, _CROP_HEIGHT_PX / height, _CROP_WIDTH_PX / width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        name = f"{number:02}.png"
        write_atomically(folder / name, cv2.imencode(".png", small)[1].tobytes())
        names.append(name)
    return names
