"""A tokenized prompt, and a request in a slot of the transformers engine."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any

from msgspec import UNSET

from ..capacity import SCORED_TOKENS
from ..chat.prompt_end import PromptEnd
from ..generation import Generation
from ..prompt_cache import token_array
from .sampler import Sampler
from .states import KvState, Prefix, new_cache

#: Inputs of a processor that have a value for each token of the prompt.
_PER_TOKEN = ("token_type_ids", "mm_token_type_ids")


@dataclass(frozen=True)
class Prompt:
    """The input of a request.

    Attributes
    ----------
    inputs : dict
        Model inputs other than tokens, such as pixels.
    key : array of int or None
        The tokens, with a hash of the images in place of their tokens, to compare prompts. None if
        no request may start from the cache of another one.
    base : int
        Number of leading tokens to compute in one step, up to the last image; 0 without images.
    end : PromptEnd or None
        The end of the text of a chat.
    """

    tokens: list[int]
    inputs: dict[str, Any] = field(default_factory=dict)
    key: array[int] | None = None
    base: int = 0
    end: PromptEnd | None = None


@dataclass
class ActiveRequest:
    """A request in a slot.

    Attributes
    ----------
    tokens : list of int
        The prompt and the output so far.
    cache : Cache
        The request's own KV cache during prefill; the batch's afterwards.
    steady : int
        Leading tokens whose cache does not depend on what else the machine computes, bit for bit.
        They were computed in whole chunks from `Prompt.base` on, with the same number of threads.
    failed : bool
        Whether its cache may be incomplete or contain NaN.
    """

    generation: Generation[Sampler]
    prompt: Prompt
    tokens: list[int]
    cache: Any = field(default_factory=new_cache)
    steady: int = 0
    failed: bool = False

    @property
    def id(self) -> int:
        return self.generation.id

    @property
    def seeded(self) -> bool:
        return self.generation.sampling.seed is not UNSET

    def computed(self, count: int, chunk_size: int, *, steady: bool) -> None:
        """Count tokens of the prompt that were just computed.

        Parameters
        ----------
        steady : bool
            Whether the number of threads does not depend on what else the machine does.
        """
        start = self.generation.num_computed_tokens
        whole = count == chunk_size or start + count == self.prompt.base
        if steady and whole and start == self.steady:
            self.steady = start + count
        self.generation.num_computed_tokens = start + count

    def start_from(self, prefix: Prefix) -> None:
        """Go on after tokens that another request has computed."""
        length, generation = len(prefix.tokens), self.generation
        self.cache = prefix.state.to_cache()
        self.steady = prefix.steady
        generation.num_cached_tokens += length - generation.num_computed_tokens
        generation.num_computed_tokens = length

    def prefix(self, state: KvState | None, offset: Any) -> Prefix | None:
        """Return the tokens of a state, which may include output, for other requests.

        It is None if they cannot start from it.
        """
        key = self.prompt.key
        if key is None or state is None or self.failed:
            return None
        tokens = (key + token_array(self.tokens[len(key) : state.length]))[: state.length]
        return Prefix(tokens, self.steady, self.prompt.base, offset, state)

    def next_chunk(self, size: int) -> tuple[list[int], dict[str, Any]]:
        """Return the tokens to compute next and the other inputs that belong to them.

        Parameters
        ----------
        size : int
            Tokens in a chunk of text.
        """
        tokens, start = self.prompt.tokens, self.generation.num_computed_tokens
        if scored := self.generation.needed_logits(start, start + size):
            size = min(size, scored.start + SCORED_TOKENS - start)
        if start >= self.prompt.base and not self._whole:
            return tokens[start : start + size], {}
        end = len(tokens) if self._whole else self.prompt.base
        inputs = {
            name: value[:, :end] if name in _PER_TOKEN else value
            for name, value in self.prompt.inputs.items()
        }
        return tokens[:end], inputs

    @property
    def _whole(self) -> bool:
        """Whether the prompt cannot be split, because it is not known where its images end."""
        return bool(self.prompt.inputs) and not self.prompt.base
