"""Why a model is not converted."""

from __future__ import annotations


class CannotConvert(Exception):
    """The model cannot be had as GGUF; it can still run otherwise.

    `reason` is for the user and goes on after "It is not converted to GGUF: ".
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
