"""Requests about tokens, which an engine answers beside its generations.

Lists of tokens are packed, so that a long one crosses the pipe in no time: little-endian 32-bit
integers, as `pack_tokens` makes them.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence

import msgspec

from .requests import ChatRequest

#: Stands for a token of an image, which has no id in the vocabulary.
IMAGE_TOKEN = -1


class TokenizeRequest(msgspec.Struct, frozen=True, tag="tokenize"):
    """A text to tokenize.

    Attributes
    ----------
    add_special : bool
        Whether to add the special tokens that a prompt or a text to embed gets.
    parse_special : bool
        Whether special tokens in the text are recognized, or read as plain text.
    with_pieces : bool
        Whether to return the text of each token.
    param : str
        Name of the text in errors.
    """

    text: str
    add_special: bool = True
    parse_special: bool = True
    with_pieces: bool = False
    param: str = "prompt"

    def __repr__(self) -> str:
        return f"TokenizeRequest({len(self.text)} characters)"


class DetokenizeRequest(msgspec.Struct, frozen=True, tag="detokenize"):
    """Packed tokens to turn into text."""

    tokens: bytes

    def __repr__(self) -> str:
        return f"DetokenizeRequest({len(self.tokens) // 4} tokens)"


class RenderRequest(msgspec.Struct, frozen=True, tag="render"):
    """A conversation to render as the prompt that a chat request would have.

    Attributes
    ----------
    with_pieces : bool
        As in `TokenizeRequest`.
    """

    chat: ChatRequest
    with_pieces: bool = False


class Tokenized(msgspec.Struct, frozen=True, tag="tokenized"):
    """The tokens of a text.

    Attributes
    ----------
    tokens : bytes
        Packed.
    num_ctx : int
        Context length of the model; 0 if that of a remote one is not known.
    pieces : list of bytes
        Bytes of each token in the text, which may be part of a character; if they were requested.
    """

    tokens: bytes
    num_ctx: int
    pieces: list[bytes] = []

    @property
    def count(self) -> int:
        """Number of tokens."""
        return len(self.tokens) // 4


class Detokenized(msgspec.Struct, frozen=True, tag="detokenized"):
    """The text of tokens. Bytes that are no character are replaced by U+FFFD."""

    text: str


class Rendered(msgspec.Struct, frozen=True, tag="rendered"):
    """The prompt of a conversation.

    Attributes
    ----------
    prompt : str
        Its text, with a placeholder for each image.
    tokenized : Tokenized
        Its tokens. Those of images may be `IMAGE_TOKEN`.
    """

    prompt: str
    tokenized: Tokenized

    @property
    def prompt_tokens(self) -> int:
        """Number of tokens, including those of images."""
        return self.tokenized.count


TokenRequest = TokenizeRequest | DetokenizeRequest | RenderRequest
TokenItem = Tokenized | Detokenized | Rendered


def pack_tokens(tokens: Sequence[int]) -> bytes:
    """Return the tokens as little-endian 32-bit integers."""
    return _little_endian(array("i", tokens)).tobytes()


def unpack_tokens(packed: bytes) -> array[int]:
    """Return the tokens that `pack_tokens` has packed."""
    return _little_endian(array("i", packed))


def _little_endian(numbers: array[int]) -> array[int]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
