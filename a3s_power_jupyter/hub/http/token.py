"""Find the token of the hub: of a request, of the environment, or stored by a login."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from huggingface_hub import constants, get_token

from ...contract.redaction import clean_token
from ...contract.regular_file import check_regular


def hub_token(token: str | None) -> str | None:
    """Return `token`, or ``HF_TOKEN``, or the token that ``hf auth login`` stored.

    Raises
    ------
    InvalidParameter
        If it contains characters that a token cannot have.
    """
    given = clean_token(token, "The hub token", param="token")
    with suppress(FileNotFoundError):  # get_token() would wait for a pipe
        check_regular(Path(constants.HF_TOKEN_PATH), Path(constants.HF_TOKEN_PATH).stat().st_mode)
    return given or clean_token(get_token(), "The hub token in HF_TOKEN, or stored by a login,")
