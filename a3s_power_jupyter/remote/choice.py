"""Choose the upstream for a request."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping

from .health import ServerHealth, State

#: In this order. A server that failed is better than none: it may be back.
_ORDER: dict[State, int] = {"unknown": 0, "available": 0, "busy": 1, "failed": 2}


def best(
    servers: Iterable[ServerHealth], load: Mapping[str, int], key: str, now: float
) -> ServerHealth | None:
    """Return the server with the fewest requests in progress among those that answer.

    Among equals, requests of one conversation go to the same server, which has read the beginning
    of the prompt before. If a server is added or removed, only its own conversations move
    (rendezvous hashing).

    Parameters
    ----------
    servers : iterable of ServerHealth
        Those that may be chosen.
    load : mapping of str to int
        Requests in progress by base URL.
    key : str
        Key of the conversation; empty to choose among equals by chance.
    now : float
        Time on the clock of the servers' health.

    Returns
    -------
    ServerHealth or None
        None if there are no servers.
    """
    return min(
        servers,
        key=lambda server: (
            _ORDER[server.state(now)],
            load.get(server.base_url, 0),
            _rank(key, server.base_url),
        ),
        default=None,
    )


def _rank(key: str, base_url: str) -> int:
    if not key:
        return secrets.randbelow(2**48)
    digest = hashlib.blake2b(f"{key} {base_url}".encode("utf-8", "surrogatepass"), digest_size=6)
    return int.from_bytes(digest.digest(), "big")
