"""Compute the session of a request, which decides to which replica it goes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..contract.conversation import conversation_key

#: Identifiers of responses that replicas create: ``resp_``, the replica's id, and a random number.
_RESPONSE = re.compile(r"resp_([a-z0-9]{1,32})_[0-9a-f]{32}")

_REPLICA = "replica:"

#: Characters of a client's own session that count.
_MAX_SESSION = 256


def session_of(path: str, own: str, body: Mapping[str, Any]) -> str:
    """Return the session of a request, or ``""`` if any replica will do.

    Parameters
    ----------
    path : str
        The decoded path.
    own : str
        The header ``X-Session-Id``, by which clients choose.
    body : Mapping
        The decoded body.
    """
    if path.startswith(("/v1/responses", "/responses")):
        for id_ in (body.get("previous_response_id"), *path.split("/")):
            found = _RESPONSE.fullmatch(id_) if isinstance(id_, str) else None
            if found:
                return _REPLICA + found[1]
    if own:
        return f"client:{own[:_MAX_SESSION]}"
    return conversation_key(body)


def replica_of(session: str) -> str | None:
    """Return the id of the replica that a session names, if it does."""
    return session.removeprefix(_REPLICA) if session.startswith(_REPLICA) else None
