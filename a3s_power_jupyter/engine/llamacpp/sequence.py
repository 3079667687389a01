"""A request, and what llama.cpp's memory holds of it."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from msgspec import UNSET

from ..generation import Generation
from ..prompt_cache import Checkpoint, Entry, token_array
from .context import State
from .prompt import Prompt
from .sampler import Sampler


@dataclass(eq=False)
class Held:
    """Tokens in the memory.

    Attributes
    ----------
    known : array of int
        The tokens of a prompt, and those that were sampled.
    seq_id : int
        llama.cpp's id of the sequence; -1 for none.
    n_computed : int
        Number of leading tokens of `known` that are in the memory.
    positions : array of int
        Position of each of these tokens. All tokens of an image have the same one.
    n_past : int
        The next position. An image may take fewer positions than tokens.
    cells : array of int
        The cells of these tokens, as `Cells` numbers them.
    steady : int
        As in `Entry`.
    in_order : bool
        Whether the tokens are in the first cells of the memory, one after another, so that
        attention adds them up in the same order as for any other request.
    checkpoints : list of Checkpoint
        States after fewer tokens, if the state cannot be cut.
    """

    known: array[int]
    seq_id: int = -1
    n_computed: int = 0
    positions: array[int] = field(default_factory=lambda: array("i"))
    n_past: int = 0
    cells: array[int] = field(default_factory=lambda: array("q"))
    steady: int = 0
    in_order: bool = False
    checkpoints: list[Checkpoint[State]] = field(default_factory=list)

    @property
    def computed(self) -> array[int]:
        """The tokens that are in the memory."""
        return self.known[: self.n_computed]

    def adopt(self, other: Held | Entry[State], n_tokens: int) -> None:
        """Take over the first tokens of another sequence or of a saved one."""
        whole = n_tokens == len(other.positions)
        self.n_past = other.n_past if whole else other.positions[n_tokens]
        self.positions = other.positions[:n_tokens]
        self.n_computed = n_tokens
        self.steady = min(other.steady, n_tokens)
        self.checkpoints = [c for c in other.checkpoints if c.n_tokens <= n_tokens]

    def forget(self) -> None:
        """Record that none of the tokens are in the memory any more."""
        self.n_computed = self.n_past = self.steady = 0
        self.positions = array("i")
        self.in_order = False
        self.checkpoints = []


@dataclass(eq=False, kw_only=True)
class Sequence(Held):
    """A request that waits or runs.

    Attributes
    ----------
    number : int
        Number of the request in the order of arrival.
    is_suspect : bool
        Whether the logits were NaN, which may have come from another request of the same batch.
    has_begun : bool
        Whether the request has been in the memory, even if it waits now.
    passed : int
        How many later requests have begun while this one waited for room.
    """

    number: int
    generation: Generation[Sampler]
    prompt: Prompt
    is_suspect: bool = False
    has_begun: bool = False
    passed: int = 0

    @classmethod
    def new(cls, number: int, generation: Generation[Sampler], prompt: Prompt) -> Sequence:
        known = token_array(prompt.tokens)
        return cls(known=known, number=number, generation=generation, prompt=prompt)

    @property
    def pending(self) -> int:
        """Number of tokens to compute before the next one can be sampled."""
        return len(self.known) - self.n_computed

    @property
    def reusable(self) -> int:
        """Number of leading tokens that need not be computed if they are in a memory."""
        generation = self.generation
        last = len(self.known) - 1
        in_prompt = generation.reusable < len(generation.prompt)
        return min(last, generation.reusable) if in_prompt else last

    @property
    def is_seeded(self) -> bool:
        return self.generation.sampling.seed is not UNSET

    @property
    def starts_at_boundary(self) -> bool:
        """Whether only tokens may be reused that any other request would compute equally."""
        return self.is_seeded and not self.has_begun

    def advance(self, count: int, n_past: int) -> None:
        """Record that the next tokens are in the memory; `n_past` is the next position."""
        step = 1 if n_past - self.n_past == count else 0  # all tokens of an image have the first
        self.positions.extend(self.n_past + step * i for i in range(count))
        self.n_past = n_past
        self.n_computed += count
        generation = self.generation
        generation.num_computed_tokens = min(self.n_computed, len(generation.prompt))

    def detach(self) -> Held:
        """Return what the memory holds, without the request and its native memory."""
        return Held(
            known=self.computed,
            seq_id=self.seq_id,
            n_computed=self.n_computed,
            positions=self.positions,
            n_past=self.n_past,
            cells=self.cells,
            steady=self.steady,
            in_order=self.in_order,
            checkpoints=self.checkpoints,
        )
