"""Register models in a store without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from a3s_power_jupyter.contract.parameters import check_default_parameters
from a3s_power_jupyter.contract.types import Manifest, RegisterRequest
from a3s_power_jupyter.store import ModelStore


def register(
    store: ModelStore, name: str, path: Path | str | None, **more: Any
) -> tuple[Manifest, bool]:
    """Register as ``POST /v1/models`` does; `more` are other fields of the request."""
    parameters = check_default_parameters(more.get("default_parameters"))
    text = None if path is None else str(path)
    return store.register(RegisterRequest(name=name, path=text, **more), parameters)
