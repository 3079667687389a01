"""Run replicas of the runtime on a Ray cluster: ``serve run a3s_power_jupyter.ray:app``.

The package itself imports without Ray, which ``app`` needs.
"""

from __future__ import annotations

from typing import Any

__all__ = ["app"]


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from .builder import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "ray":
            raise
        raise ModuleNotFoundError(
            "Ray Serve is not installed. Run: pip install 'a3s-power-jupyter[ray]'",
            name=error.name,
        ) from error
    return app
