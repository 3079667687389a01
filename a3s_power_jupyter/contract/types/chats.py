"""Conversations with models, and named parameters for them, as the server keeps them."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from ..parameters import SparseStruct


class Chat(Struct, frozen=True):
    """A conversation.

    Attributes
    ----------
    id : str
        32 hexadecimal digits.
    title : str
        The first question until the chat is renamed; empty without one.
    model : str
        Name of the model; empty until one is chosen.
    parameters : dict
        Parameters of the requests, with the system prompt.
    messages : list of dict
        Messages in the format of OpenAI's API.
    answer : dict or None
        The answer to the last message as far as it has come; None if there is none.
    created_at, updated_at : float
        Unix seconds.
    revision : int
        Number of the change. It grows with each one.
    """

    id: str
    title: str
    model: str
    parameters: dict[str, Any]
    messages: list[dict[str, Any]]
    answer: dict[str, Any] | None
    created_at: float
    updated_at: float
    revision: int


class ChatSummary(SparseStruct, frozen=True):
    """A conversation without its messages.

    Attributes
    ----------
    excerpt : str
        Text around the first word that was searched for, if it is in a message.
    """

    id: str
    title: str
    model: str
    created_at: float
    updated_at: float
    revision: int
    message_count: int
    excerpt: str | UnsetType = UNSET


class ChatProblem(Struct, frozen=True):
    """A file among the chats that cannot be read. It is left as it is."""

    file: str
    message: str


class Preset(Struct, frozen=True):
    """Named parameters of a conversation."""

    name: str
    parameters: dict[str, Any]
