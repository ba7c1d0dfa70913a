"""The API key: where it is read from, and how requests are checked for it."""

from __future__ import annotations

import hmac
import os
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.errors import OcrError
from runtime.serve.bounds.refusal import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request

KEY_VARIABLE = "DISTILREC_API_KEY"
_LEAST_CHARACTERS = 8


def api_key(file: str | None) -> str | None:
    """Return the key that requests must carry, None if they need none.

    It is removed from the environment, so that no process started later inherits it.

    Args:
        file: its first line is the key; when None, the key is that of the environment variable.

    Raises:
        OcrError: if the file cannot be read, or the key is too short.
    """
    key = os.environ.pop(KEY_VARIABLE, None)
    if file is not None:
        try:
            key = Path(file).read_text(encoding="utf-8").partition("\n")[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            raise OcrError(f"cannot read the API key from {file}: {error}") from error
    if key is not None and len(key) < _LEAST_CHARACTERS:
        raise OcrError(
            f"the API key is too short: expected at least {_LEAST_CHARACTERS} characters, got "
            f"{len(key)}; make one with: python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    return key


def check_key(request: Request, key: str | None) -> None:
    """Refuse a request that does not carry the key; the comparison takes constant time.

    Raises:
        Refusal: 401.
    """
    if key is None:
        return
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        given = request.headers.get("x-api-key", "")
    # Headers come as Latin-1; their bytes are what the client meant.
    if not hmac.compare_digest(given.strip().encode("latin-1"), key.encode()):
        raise Refusal(401, "expected the API key, as Authorization: Bearer KEY or X-API-Key: KEY")
