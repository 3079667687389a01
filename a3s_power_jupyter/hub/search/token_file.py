"""The token of the hub that pulls use. It is stored where huggingface_hub keeps it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.utils import get_stored_tokens
from msgspec import UNSET, UnsetType

from ...contract.errors import HubError, InvalidParameter
from ...contract.redaction import clean_token
from ...contract.regular_file import check_regular
from ...contract.text import printable, shortened
from ...contract.types import TokenSource
from ...store.files import write_atomically
from ...store.os_errors import reading, writing
from ..http.token import MAX_FILE, VARIABLES
from ..resolve.hub_api import HubApi
from .protocol import Token

#: Tokens of organizations begin so; the hub has withdrawn them.
_ORGANIZATION = "api_org"


def find() -> Token:
    """Return where the token comes from."""
    return Token(_source())


def store(token: str, new_hub: Any) -> Token:
    """Check a token with the hub, if the hub can be reached, and store it for all pulls.

    Parameters
    ----------
    new_hub : callable
        Returns the `HubApi` for a token.

    Raises
    ------
    InvalidParameter
        If it is not a token, or if a variable of the environment takes precedence.
    HubUnauthorized
        If the hub rejects it.
    StoreUnavailable
        If it cannot be written.
    """
    cleaned = clean_token(token, "The hub token", param="token")
    if cleaned is None:
        raise InvalidParameter(
            "The token is empty. Create one: https://huggingface.co/settings/tokens", param="token"
        )
    if cleaned.startswith(_ORGANIZATION):
        raise InvalidParameter(
            "This is the token of an organization. Use one of your own account: "
            "https://huggingface.co/settings/tokens",
            param="token",
        )
    _check_environment("the stored token would have no effect")
    user = _user(new_hub(cleaned))
    path = _path()
    with writing(path.parent):
        write_atomically(path, cleaned.encode())
    return Token("file", user)


def remove() -> Token:
    """Remove the stored token, also from the list of tokens that a login keeps.

    Raises
    ------
    InvalidParameter
        If the token comes from the environment.
    StoreUnavailable
        If a file cannot be changed.
    """
    _check_environment("it cannot be removed here")
    token = _from_file()
    path = _path()
    with writing(path.parent):
        for name in [name for name, stored in get_stored_tokens().items() if stored == token]:
            huggingface_hub.logout(name)
        path.unlink(missing_ok=True)
    return find()


def _source() -> TokenSource | None:
    if any(os.environ.get(name, "").strip() for name in VARIABLES):
        return "environment"
    return "file" if _from_file() else None


def _check_environment(why: str) -> None:
    name = next((name for name in VARIABLES if os.environ.get(name, "").strip()), None)
    if name is not None:
        raise InvalidParameter(
            f"The environment variable {name} of the notebook server has a token, so {why}. Change "
            "it there, and restart the server.",
            param="token",
        )


def _path() -> Path:
    return Path(os.path.realpath(constants.HF_TOKEN_PATH))  # noqa: PTH - a link stays a link


def _from_file() -> str | None:
    path = _path()
    if not path.exists():
        return None
    with reading(path):
        check_regular(path, path.stat().st_mode)  # a pipe would block
        with path.open("rb") as file:
            return file.read(MAX_FILE).decode(errors="replace").strip() or None
    return None


def _user(hub: HubApi) -> str | UnsetType:
    """Return the name of a token's user; UNSET if the hub cannot say it."""
    try:
        found, _ = hub.page("/api/whoami-v2", {})
    except HubError:
        return UNSET  # offline, unreachable or overloaded
    name = found.get("name") if isinstance(found, dict) else None
    return shortened(printable(name)) if isinstance(name, str) and name else UNSET
