"""Parts of an evaluation's HTML page, which holds everything itself and loads nothing."""

from __future__ import annotations

import base64
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from html import escape

import cv2

from runtime.images.read import read_image
from training.data.sample import OF_ONE_SAMPLE, Image, SampleSource

_QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 80)
"""Half as large as OpenCV's 95; PNG pays no heed."""
_STYLE = """
body{font:15px/1.4 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .7em;text-align:left}
th{border-bottom:1px solid #999}.n{text-align:right}code,.t{font-family:ui-monospace,monospace}
.t{white-space:pre-wrap}mark{background:#ffd0d0}.sample{border-top:1px solid #ddd;padding:.6em 0}
.sample img{display:block;max-width:100%}.dim{color:#777;font-size:85%}
@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}mark{background:#733;color:#fff}}
"""


def document(title: str, parts: Iterable[str]) -> str:
    """Return a whole page: the title, as its heading too, and the parts that are not empty."""
    whole = [
        "<!doctype html><html><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width'>",
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        *parts,
        "</body></html>\n",
    ]
    return "\n".join(part for part in whole if part)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of texts."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(
        "<tr>" + "".join(f"<td class='t'>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def facts_table(facts: Mapping[str, str], folder: str) -> str:
    """Return what was evaluated, and the folder of the samples if there is one, as a table."""
    return table(("", ""), [*facts.items(), *([("folder", folder)] if folder else [])])


def figures_table(figures: Mapping[str, Mapping[str, float]]) -> str:
    """Return the figures of every network as a table."""
    names = list(next(iter(figures.values())))
    rows = [
        (network, *(f"{values[name]:.4f}" for name in names)) for network, values in figures.items()
    ]
    return table(("network", *names), rows)


def sample(url: str | None, told: str, below: str) -> str:
    """Return a sample: its picture, what is told of it, and its name.

    Args:
        url: of the picture; None where there is none.
        told: HTML.
        below: text, in small letters.
    """
    picture = f"<img alt='' src='{url}'>" if url else "<p class='dim'>no picture</p>"
    return f"<div class='sample'>{picture}{told}<div class='dim'>{escape(below)}</div></div>"


def left_out(count: int) -> str:
    """Say how many more there are; nothing where there are none."""
    return f"<p class='dim'>and {count} more</p>" if count > 0 else ""


def without_folder(names: Iterable[str]) -> tuple[str, dict[str, str]]:
    """Return the deepest folder that all names share, and each name as it stands in there."""
    names = list(names)
    try:
        folder = os.path.commonpath([os.path.dirname(name) for name in names])
    except ValueError:  # no names, or not all of them from the root
        folder = ""
    return folder, {name: os.path.relpath(name, folder) if folder else name for name in names}


def images_of(
    names: Collection[str], source: SampleSource, indices: Iterable[int]
) -> Iterator[tuple[str, Image]]:
    """Yield names and images, BGR uint8 [h, w, 3], of samples; none of what cannot be read.

    Args:
        names: of those samples.
        source: of the samples.
        indices: of all samples, among them these.
    """
    left = set(names)
    for index in indices:
        if not left:
            break
        try:
            read = source.read(index, 0)
            if read.name not in left:
                continue
            image = read_image(read.image) if isinstance(read.image, bytes) else read.image
        except OF_ONE_SAMPLE:
            continue
        left.remove(read.name)
        yield read.name, image


def data_url(image: Image, kind: str = "png") -> str:
    """Return a picture that stands in the page itself.

    Args:
        image: BGR uint8 [h, w, 3].
        kind: `png` or `jpeg`.
    """
    encoded = cv2.imencode(f".{kind}", image, _QUALITY)[1].tobytes()
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"


def shrunk_to_fit(image: Image, height_px: int, width_px: int) -> tuple[Image, float]:
    """Return an image of at most this size, and the factor it was shrunk by, at most 1."""
    height, width = image.shape[:2]
    scale = min(1.0, height_px / height, width_px / width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return small.astype(image.dtype, copy=False), scale
