"""API keys: where they are read from, and how requests are checked for one."""

from __future__ import annotations

import hmac
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.errors import OcrError
from runtime.serve.bounds.refusal import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request

KEY_VARIABLE = "DISTILREC_API_KEY"
_LEAST_CHARACTERS = 8
_MOST_BYTES = 64 * 2**10


def api_keys(file: str | None) -> tuple[str, ...]:
    """Return the keys of which requests must carry one; empty if they need none.

    The variable is removed from the environment, so that no process started later inherits it.

    Args:
        file: its first line is the key, its second the one that it takes the place of, if any;
            when None, the key is that of the environment variable.

    Raises:
        OcrError: if the file cannot be read or holds none, or a key is too short.
    """
    key = os.environ.pop(KEY_VARIABLE, None)
    keys: tuple[str, ...] = () if key is None else (key,)
    if file is not None:
        try:
            with Path(file).open("rb") as stream:
                lines = stream.read(_MOST_BYTES).decode("utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise OcrError(f"cannot read the API key from {file}: {error}") from error
        old = [line.strip() for line in lines[1:2] if line.strip()]
        keys = (lines[0].strip(), *old)
    for key in keys:
        if len(key) < _LEAST_CHARACTERS:
            raise OcrError(
                f"the API key is too short: expected at least {_LEAST_CHARACTERS} characters, got "
                f"{len(key)}; make one with: "
                "python -c 'import secrets; print(secrets.token_urlsafe())'"
            )
    return keys


def check_key(request: Request, keys: Sequence[str]) -> None:
    """Refuse a request that carries none of the keys; the comparisons take constant time.

    Raises:
        Refusal: 401.
    """
    if not keys:
        return
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        given = request.headers.get("x-api-key", "")
    # Headers come as Latin-1; their bytes are what the client meant.
    shown = given.strip().encode("latin-1")
    if not any([hmac.compare_digest(shown, key.encode()) for key in keys]):
        raise Refusal(401, "expected the API key, as Authorization: Bearer KEY or X-API-Key: KEY")
