"""The messages between the server and the process of one pull.

The server sends one `StartPull` and later perhaps one `Pause`. The process sends the `PullStatus`
whenever it changes; in the last one, `status` is ``done``, ``failed`` or ``paused``. A process that
exits without such a status has crashed or was killed.
"""

from __future__ import annotations

import msgspec
from msgspec.msgpack import Decoder

from ..contract.types import PullStatus
from .resolve.reference import Reference


class StartPull(msgspec.Struct, frozen=True, tag="pull", forbid_unknown_fields=True):
    """The first command.

    It is the only place for the token, which must not appear in arguments, environment variables
    or files.

    Attributes
    ----------
    reference : Reference
        What to pull, and the name of the model.
    status : PullStatus
        Status at the start, including the progress of an interrupted pull.
    home : str
        Home of the store.
    token : str or None
        For the hub; default: the token that huggingface_hub finds.
    force : bool
        Hash existing files, and fetch the wrong ones again.
    endpoint : str or None
        URL of the hub; default: ``HF_ENDPOINT``, or huggingface.co.
    memory_bytes : int or None
        Memory available to the model, used to choose a quantization; None if unknown.
    """

    reference: Reference
    status: PullStatus
    home: str
    token: str | None = None
    force: bool = False
    endpoint: str | None = None
    memory_bytes: int | None = None

    def __repr__(self) -> str:
        return f"StartPull({self.reference!r})"  # without the token


class Pause(msgspec.Struct, frozen=True, tag="pause"):
    """Stop and keep the downloaded bytes; the last status is ``paused``, or ``done`` if earlier."""


Command = StartPull | Pause
COMMAND_DECODER: Decoder[Command] = Decoder(Command)
STATUS_DECODER: Decoder[PullStatus] = Decoder(PullStatus)
