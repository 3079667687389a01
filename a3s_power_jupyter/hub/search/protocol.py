"""The messages between the server and the process that asks the hub.

The server sends an `Ask` with an id for each question, and perhaps a `Cancel`. The process answers
several questions at once, each with one `Answered` or `Failed`, or not at all if it was cancelled.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.msgpack import Decoder

from ...contract.types import (
    Capability,
    Format,
    Geometry,
    HubFormat,
    HubModel,
    SearchFormat,
    SearchSort,
    TokenSource,
)


class Search(msgspec.Struct, frozen=True, tag="search"):
    """Search for repositories. The answer is `Found`.

    Attributes
    ----------
    words : str
        What their names contain; "" for all.
    cursor : str or None
        `Found.next` of the page before.
    """

    words: str
    format: SearchFormat
    sort: SearchSort
    limit: int
    cursor: str | None = None


class Look(msgspec.Struct, frozen=True, tag="look"):
    """Look into a repository. The answer is `Looked`.

    Attributes
    ----------
    repository : str
        ``owner/name``, perhaps with ``@revision``: the beginning of the references.
    known : str or None
        A commit whose `Contents` the server has.
    """

    repository: str
    repo: str
    revision: str
    known: str | None = None


class FindToken(msgspec.Struct, frozen=True, tag="find_token"):
    """Find the token that pulls use. The answer is `Token`."""


class StoreToken(msgspec.Struct, frozen=True, tag="store_token"):
    """Check a token and store it. The answer is `Token`."""

    token: str

    def __repr__(self) -> str:
        return "StoreToken()"  # without the token


class RemoveToken(msgspec.Struct, frozen=True, tag="remove_token"):
    """Remove the stored token. The answer is `Token`."""


Question = Search | Look | FindToken | StoreToken | RemoveToken


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """A question, with an id that its answer has, too."""

    id: int
    question: Question


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Nobody waits for the answer to this question any more."""

    id: int


class Found(msgspec.Struct, frozen=True, tag="found"):
    """A page of repositories; `next` is the cursor of the next one."""

    models: tuple[HubModel, ...]
    next: str | None = None


class Shape(msgspec.Struct, frozen=True):
    """What the memory of a model depends on, apart from its quantization."""

    format: Format
    geometry: Geometry
    capabilities: tuple[Capability, ...]
    context_length: int | UnsetType = UNSET
    parameter_count: int | UnsetType = UNSET
    quantization: str | UnsetType = UNSET


class Candidate(msgspec.Struct, frozen=True):
    """A model of a repository.

    Attributes
    ----------
    reference, label, format, size_bytes, file_count
        As in `Variant`.
    weights : int
        Bytes of the model's own files: `size_bytes` without the mmproj.
    sha256 : tuple of str
        Of the files with its weights.
    is_choice : bool
        Whether a pull that names no model may choose it.
    shape : Shape or UNSET
        Unset if it is not known.
    """

    reference: str
    label: str
    format: HubFormat
    size_bytes: int
    weights: int
    file_count: int
    sha256: tuple[str, ...] = ()
    is_choice: bool = False
    shape: Shape | UnsetType = UNSET


class Contents(msgspec.Struct, frozen=True):
    """The models of a repository at one commit, the smallest first.

    Attributes
    ----------
    problem : str or None
        Why the memory of some of them is unknown, perhaps only this time.
    """

    candidates: tuple[Candidate, ...]
    problem: str | None = None


class Looked(msgspec.Struct, frozen=True, tag="looked"):
    """A repository; `contents` is None if `commit` is the known one."""

    model: HubModel
    commit: str
    contents: Contents | None


class Token(msgspec.Struct, frozen=True, tag="token", omit_defaults=True):
    """Which token pulls use.

    Attributes
    ----------
    source : str or None
        None if there is no token.
    user : str
        Name of its user, if the hub was asked.
    """

    source: TokenSource | None
    user: str | UnsetType = UNSET


Answer = Found | Looked | Token


class Answered(msgspec.Struct, frozen=True, tag="answered"):
    id: int
    answer: Answer


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """Why there is no answer, as returned by `PowerError.to_wire`."""

    id: int
    error: dict[str, Any]


Command = Ask | Cancel
Reply = Answered | Failed
COMMAND_DECODER: Decoder[Command] = Decoder(Command)
REPLY_DECODER: Decoder[Reply] = Decoder(Reply)
