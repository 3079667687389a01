"""Find the token of the hub: of a request, of the environment, or stored by a login."""

from __future__ import annotations

import os
from pathlib import Path

from huggingface_hub import constants, get_token

from ...contract.errors import InvalidParameter
from ...contract.redaction import clean_token
from ...contract.regular_file import read_regular
from ...store.os_errors import reading

#: Variables that huggingface_hub reads, in its order. They take precedence over the file.
VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")

#: Bytes of the largest file with a token; a token has 40.
MAX_FILE = 1 << 16


def hub_token(token: str | None) -> str | None:
    """Return `token`, or ``HF_TOKEN``, or the token that ``hf auth login`` stored.

    Raises
    ------
    InvalidParameter
        If it contains characters that a token cannot have.
    NotAFile, PathUnreadable
        If the file of the login cannot be read.
    """
    given = clean_token(token, "The hub token", param="token")
    return given or clean_token(_found(), "The hub token in HF_TOKEN, or stored by a login,")


def _found() -> str | None:
    if not any(os.environ.get(name, "").strip() for name in VARIABLES):
        _check_file(Path(constants.HF_TOKEN_PATH))
    return get_token()


def _check_file(path: Path) -> None:
    """Check a file that may not exist: get_token() waits for a pipe, and reads any size."""
    with reading(path):
        content = read_regular(path, MAX_FILE) if path.exists() else b""
    try:
        content.decode()
    except UnicodeDecodeError:
        raise InvalidParameter(
            f"{path} does not contain a token of the hub. Log in again with %power login.",
            param="token",
        ) from None
