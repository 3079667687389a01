"""A tokenized prompt and its images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..chat.prompt_end import PromptEnd


@dataclass
class ImageChunk:
    """An image in a prompt.

    Attributes
    ----------
    pointer : ctypes pointer
        mtmd's ``mtmd_input_chunk``.
    n_tokens : int
        Tokens of the prompt that the image takes.
    """

    pointer: Any
    n_tokens: int


@dataclass
class Prompt:
    """The tokens of a request.

    Attributes
    ----------
    images : dict
        Index of an image's first token -> the image, in the order of the prompt.
    owner : object
        Owns the native memory of the images.
    end : PromptEnd or None
        The end of the text of a chat.
    """

    tokens: list[int]
    images: dict[int, ImageChunk] = field(default_factory=dict)
    owner: Any = None
    end: PromptEnd | None = None

    def outside_image(self, index: int) -> int:
        """Return `index`, or the start of the image that it would split."""
        for start, image in self.images.items():
            if start < index < start + image.n_tokens:
                return start
        return index

    def next_image(self, index: int) -> int | None:
        """Return the index of the first image that begins at `index` or later."""
        return next((start for start in self.images if start >= index), None)

    def boundary(self, index: int, chunk: int) -> int:
        """Return the last boundary between chunks that is not after `index`.

        Chunks of `chunk` tokens begin at the start of the prompt, and again after each image.
        """
        begin = 0
        for start, image in self.images.items():
            end = start + image.n_tokens
            if index < end:
                index = min(index, start)
                break
            begin = end
        return begin + (index - begin) // chunk * chunk
