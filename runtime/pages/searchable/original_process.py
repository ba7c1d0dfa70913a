"""The process that adds unseen text to PDF files, which may be anybody's, and joins such files."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

from runtime.processes.child import READY, SOCKET, limit_memory, received, set_alarms

REQUEST = struct.Struct(">QddQ")
"""Bytes of the job in JSON, seconds of CPU time and of the clock, additional address space."""

REPLY = struct.Struct(">?Q")
"""Whether it was done, bytes of the reason if it was not."""

ADD_TEXT, JOIN = "add text", "join"


def main() -> None:
    """Do jobs until the socket closes."""
    connection = socket.socket(fileno=SOCKET)
    import pikepdf  # noqa: F401  now, not within the time of the first file

    connection.sendall(READY)
    while request := received(connection, REQUEST.size):
        num_bytes, cpu_seconds, seconds, memory = REQUEST.unpack(request)
        set_alarms(cpu_seconds, seconds)
        job = received(connection, num_bytes)
        if len(job) < num_bytes:
            return
        limit_memory(memory)
        reason = _reason_against(json.loads(job))
        set_alarms(0, 0)
        told = (reason or "").encode("utf-8", "backslashreplace")
        connection.sendall(REPLY.pack(reason is None, len(told)) + told)


def _reason_against(job: dict[str, Any]) -> str | None:
    """Do a job; return why it could not be done."""
    import pikepdf

    try:
        if job["kind"] == JOIN:
            _join(job["parts"], job["output"])
        else:
            _add_text(job["source"], job["text"], job["output"])
        return None
    except pikepdf.PasswordError:
        return "the PDF is encrypted; save a copy without a password"
    except MemoryError:
        return "no memory is left for it"
    except OSError as error:
        return f"cannot be written: {error.strerror or error}"
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _add_text(source: str, text: str, output: str) -> None:
    """Write a copy of a PDF file with text on its pages.

    Args:
        source: of the file.
        text: file of JSON lines: `page`, from 0, `operators` and the `name` of their font; the
            last one holds the `font`.
        output: of the copy.
    """
    import pikepdf

    with pikepdf.open(source) as pdf, open(text, encoding="ascii") as lines:
        if pdf.is_encrypted:
            raise ValueError("its owner allows no changes; save a copy without encryption")
        font = pdf.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.Font))
        for line in lines:
            found = json.loads(line)
            if "font" in found:
                _fill(pdf, font, found["font"])
                continue
            page = pdf.pages[found["page"]]
            page.add_resource(font, pikepdf.Name.Font, pikepdf.Name(f"/{found['name']}"))
            # In front of what the page draws, which may leave the state in disorder.
            page.contents_add(found["operators"].encode("ascii"), prepend=True)
        pdf.save(output)


def _fill(pdf: Any, font: Any, parts: dict[str, str]) -> None:
    """Make the font of what knows its characters.

    Args:
        pdf: the file.
        font: the object that pages refer to.
        parts: `characters`, the map from codes to characters; `glyphs`, that to glyphs, in hex.
    """
    import pikepdf

    from runtime.pages.searchable.font import (
        descendant_font,
        font_descriptor,
        font_file,
    )
    from runtime.pages.searchable.font import font as whole_font

    def parsed(text: str, **references: Any) -> Any:
        """Return an object of its text, in which names stand for other objects."""
        made = pikepdf.Object.parse(text.encode("ascii"))
        for key, value in references.items():
            made[f"/{key}"] = value
        return pdf.make_indirect(made)

    data = font_file()
    file = pikepdf.Stream(pdf, data, Length1=len(data))
    glyphs = pikepdf.Stream(pdf, bytes.fromhex(parts["glyphs"]))
    characters = pikepdf.Stream(pdf, parts["characters"].encode("ascii"))
    descriptor = parsed(font_descriptor("null"), FontFile2=pdf.make_indirect(file))
    descendant = parsed(
        descendant_font("null", "null"),
        FontDescriptor=descriptor,
        CIDToGIDMap=pdf.make_indirect(glyphs),
    )
    made = parsed(
        whole_font("null", "null"),
        DescendantFonts=pikepdf.Array([descendant]),
        ToUnicode=pdf.make_indirect(characters),
    )
    for key, value in made.items():
        font[key] = value


def _join(parts: list[str], output: str) -> None:
    """Write the pages of several PDF files into one."""
    import pikepdf

    opened = []
    try:
        with pikepdf.new() as pdf:
            for part in parts:
                opened.append(pikepdf.open(part))
                pdf.pages.extend(opened[-1].pages)
            pdf.save(output)
    finally:
        for file in opened:
            file.close()


if __name__ == "__main__":
    main()
