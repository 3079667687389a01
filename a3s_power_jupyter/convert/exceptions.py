"""The exception for models that cannot be converted."""

from __future__ import annotations


class CannotConvert(Exception):
    """The model cannot be converted to GGUF. It may still run on transformers.

    Parameters
    ----------
    reason : str
        Shown to the user after "Not converted to GGUF: ", so it starts in lower case.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
