"""Refuse requests that would change one replica only."""

from __future__ import annotations

from typing import Any

from jupyter_server.auth import Authorizer

from ..contract.errors import Forbidden
from ..handlers.auth import KERNEL_USER


class ReplicaAuthorizer(Authorizer):
    """Allows clients to read and to use models, and the replica itself to do all.

    A client reaches one of several replicas. What it changes there, the others would not have.
    """

    #: Which token clients send, for the error about a wrong one.
    wanted_credentials = "the JUPYTER_TOKEN of the Ray application"

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        if user.username == KERNEL_USER:
            return True
        if resource != "a3s_power":  # such as to stop the server
            return False
        if action != "write" or handler.template.startswith("/v1/responses"):
            return True
        raise Forbidden(
            "This server is one of several replicas, which clients cannot change. Its models are "
            "those of its shared stores, and those in the argument 'models' of the Ray "
            "application; they are loaded by the first request."
        )
