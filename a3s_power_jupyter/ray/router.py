"""Choose the replica of a request: by its conversation, or the one that has a response."""

from __future__ import annotations

from typing import Any

from ray.serve.experimental.consistent_hash_router import ConsistentHashRouter

from .sessions import replica_of


class AffinityRouter(ConsistentHashRouter):  # type: ignore[misc]
    """Ray's consistent hashing of sessions, which may also name a replica (`sessions`)."""

    async def choose_replicas(
        self, candidate_replicas: list[Any], pending_request: Any = None
    ) -> list[list[Any]]:
        ranks: list[list[Any]] = await super().choose_replicas(candidate_replicas, pending_request)
        wanted = replica_of(pending_request.metadata.session_id) if pending_request else None
        named = [r for r in candidate_replicas if r.replica_id.unique_id == wanted]
        return [named] if named else ranks
