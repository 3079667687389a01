"""The messages between the server and the process of one pull.

The server writes one `PullRequest` to the child's stdin and then perhaps `Pause`; closing stdin
ends the child at once. The child writes events to its stdout: `Resolving`, `Planned`, at most one
`Resuming`, then any number of `Waiting`, `Downloading` and `Verifying`, and as the last one of
`Done`, `Paused` and `Failed`. A child whose output ends without one of these was killed.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.msgpack import Decoder

from .resolve.plan import Plan

# ---------------------------------------------------------------- server to child


class PullRequest(msgspec.Struct, frozen=True, tag="pull", forbid_unknown_fields=True):
    """The first command. It alone carries the token, which must be in no argument, environment
    or file.

    Attributes
    ----------
    name : what the model will be called.
    reference : what to pull, in any form of `reference.parse`.
    home : of the store.
    revision : branch, tag or commit; overrides one in the reference.
    token : for the hub; None is what huggingface_hub finds.
    force : hash what is in the store, and fetch it again where it is wrong.
    endpoint : URL of the hub; None is ``HF_ENDPOINT`` or the default.
    memory_bytes : what a model may take here, to choose a quantization; None if unknown.
    """

    name: str
    reference: str
    home: str
    revision: str | None = None
    token: str | None = None
    force: bool = False
    endpoint: str | None = None
    memory_bytes: int | None = None

    def __repr__(self) -> str:
        return f"PullRequest(name={self.name!r}, reference={self.reference!r})"  # no token


class Pause(msgspec.Struct, frozen=True, tag="pause"):
    """Stop, keeping what is there; answered by `Paused`, or by `Done` if that comes first."""


Command = PullRequest | Pause
COMMAND_DECODER: Decoder[Command] = Decoder(Command)


# ---------------------------------------------------------------- child to server


class Resolving(msgspec.Struct, frozen=True, tag="resolving"):
    """The hub is being asked what the reference means."""


class Planned(msgspec.Struct, frozen=True, tag="planned"):
    """What will be fetched. Comes again if the hub changed the files meanwhile."""

    plan: Plan


class Resuming(msgspec.Struct, frozen=True, tag="resuming"):
    """`offset` of `total` bytes are here already; `files` as in `Downloading`."""

    offset: int
    total: int
    files: tuple[int, ...]


class Waiting(msgspec.Struct, frozen=True, tag="waiting"):
    """Another process fetches the same file; `completed` of `total` bytes are here."""

    completed: int
    total: int


class Downloading(msgspec.Struct, frozen=True, tag="downloading"):
    """Sent ten times a second at most, and once a second when nothing arrives.

    `completed` never falls. `eta_seconds` is None while nothing arrives. `files` are the bytes
    that are here of each file of the plan.
    """

    completed: int
    total: int
    bytes_per_second: float
    eta_seconds: float | None
    files: tuple[int, ...]


class Verifying(msgspec.Struct, frozen=True, tag="verifying"):
    """All bytes are here; the rest of them is hashed."""


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The model is registered; `created` is its manifest's time in unix seconds."""

    name: str
    created: int


class Paused(msgspec.Struct, frozen=True, tag="paused"):
    """As asked: the same request goes on from here."""

    completed: int
    total: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """`error` is `PowerError.to_wire`; what was downloaded is kept where it can be used."""

    error: dict[str, Any]


Event = Resolving | Planned | Resuming | Waiting | Downloading | Verifying | Done | Paused | Failed
EVENT_DECODER: Decoder[Event] = Decoder(Event)
