"""Turn the events of a pull into the lines of ``/api/pull``.

Source: https://docs.ollama.com/api/pull, and `PullModel` in ``server/images.go`` of Ollama.
"""

from __future__ import annotations

import hashlib
from typing import Any

from msgspec import UNSET

from ...contract.errors import BadRequest, ServerBusy, from_wire
from ...contract.types import PullStatus

Line = dict[str, Any]

BEGIN: Line = {"status": "pulling manifest"}
SUCCESS: Line = {"status": "success"}


def lines_of(event: dict[str, Any]) -> list[Line]:
    """Return the lines for an event of ``POST /v1/models/pull``, after `BEGIN`.

    Raises
    ------
    PowerError
        The error with which the pull ended, or that it was paused or cancelled.
    """
    match event["status"]:
        case "planned":
            return [{"status": event["note"]}] if "note" in event else []
        case "waiting":
            return [{**_bytes_of(event["pull"]), "status": event["note"]}]
        case "resuming" | "downloading":
            return [_bytes_of(event["pull"])]
        case "verifying":  # all bytes are here; a small model has had no other progress
            return [_bytes_of(event["pull"]), {"status": "verifying sha256 digest"}]
        case "success":
            return [{"status": "writing manifest"}, SUCCESS]
        case "already_exists":
            return [SUCCESS]
        case "error":
            raise from_wire(event["error"])
        case "paused":
            raise ServerBusy(
                f"The pull of {event['name']} was paused. Pull it again to resume; the bytes that "
                "are here are kept."
            )
        case "cancelled":
            raise BadRequest(f"The pull of {event['name']} was cancelled. Pull it again.")
        case _:  # resolving, and already_pulling
            return []


def _bytes_of(pull: PullStatus) -> Line:
    """Return the line with the progress of all files of a model, once their size is known.

    Clients show progress only with the digest of what is downloaded. The digests of some files are
    not known before they are here, so this one stands for the model: it is that of its name.
    """
    if pull.total is UNSET:
        return {}
    found = hashlib.sha256(pull.name.encode()).hexdigest()
    return {
        "status": f"pulling {found[:12]}",
        "digest": f"sha256:{found}",
        "total": pull.total,
        "completed": pull.completed,
    }
