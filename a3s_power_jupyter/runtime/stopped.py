"""Errors of requests whose model is unloaded before they end."""

from __future__ import annotations

from ..contract.errors import ModelLoadFailed, PowerError, WorkerDied, shutting_down


def load_stopped(name: str, reason: str) -> PowerError:
    """Return the error of a request that waits for a load; `reason` is that of the unload."""
    if reason == "shutdown":
        return shutting_down()
    return ModelLoadFailed(_message(name, reason, "while it was being loaded"))


def use_stopped(name: str, reason: str) -> PowerError:
    """Return the error of a request in progress; `reason` is that of the unload."""
    if reason == "shutdown":
        return shutting_down()
    return WorkerDied(_message(name, reason, "while it was in use"))


def _message(name: str, reason: str, when: str) -> str:
    if reason == "deleted":
        return (
            f"The model {name!r} was deleted by another client {when}. Register or pull it again, "
            "or use another model."
        )
    return (
        f"The model {name!r} was unloaded by another client {when}. Send the request again to load "
        "it again."
    )
