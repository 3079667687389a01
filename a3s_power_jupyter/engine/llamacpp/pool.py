"""Decide which requests run, and in which order.

llama.cpp's memory holds `num_ctx` tokens for all requests together. Requests begin in the order of
their arrival, as soon as their prompts fit. If the memory runs full, the newest request is set
aside: its state moves to host memory, and it goes on when there is room again.

A request that ends leaves its state for the next turn of the conversation: where it is if no other
request runs, otherwise in host memory, because cells slow down all requests, used or not.
"""

from __future__ import annotations

from bisect import insort
from itertools import count

from ..generation import Generation
from .memory import Memory
from .prompt import Prompt
from .sampler import Sampler
from .sequence import Sequence

#: How many later requests may begin before one that waits for room.
MAX_PASSED = 8


class SequencePool:
    """The requests of a context.

    Attributes
    ----------
    running : list of Sequence
        Requests in the memory, in the order of arrival.
    waiting : list of Sequence
        Requests that wait for room, in the order of arrival.
    """

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.running: list[Sequence] = []
        self.waiting: list[Sequence] = []
        self._numbers = count()
        self._has_changed = False  # since the last call of `admit`

    @property
    def requests(self) -> list[Sequence]:
        return [*self.running, *self.waiting]

    def add(self, generation: Generation[Sampler], prompt: Prompt) -> None:
        """Add a request, which begins with the next call of `admit`."""
        self._has_changed = True
        self.waiting.append(Sequence.new(next(self._numbers), generation, prompt))

    def admit(self) -> None:
        """Begin the requests that fit.

        A request that does not fit lets up to `MAX_PASSED` later ones pass. One that begins like a
        prompt that is being read waits until it can share those tokens; a slot is kept for it.
        """
        if not self._has_changed:
            return
        self._has_changed = False
        followers = 0
        blocked: Sequence | None = None
        for sequence in list(self.waiting):
            if self.memory.n_free_ids <= followers:
                return
            if self.memory.is_read_by_others(sequence, self.running):
                followers += 1
                self._has_changed = True
            elif not self.memory.fits(sequence, self.running):
                blocked = blocked or sequence
            elif blocked is None or blocked.passed < MAX_PASSED:
                if blocked is not None:
                    blocked.passed += 1
                self._begin(sequence)

    def _begin(self, sequence: Sequence) -> None:
        self.waiting.remove(sequence)
        self.memory.start(sequence, self.running)
        insort(self.running, sequence, key=lambda other: other.number)
        if not sequence.has_begun:
            sequence.has_begun = True
            sequence.generation.begin(sequence.n_computed)

    def make_room(self, n_cells: int) -> bool:
        """Set the newest requests aside until cells are free; return False if that is impossible.

        The oldest request always continues. Whatever it needs is at most the whole memory.
        """
        while self.memory.free_cells < n_cells:
            if not self.set_newest_aside():
                return False
        return True

    def set_newest_aside(self) -> bool:
        """Move the newest request to host memory, unless it is the only one."""
        if len(self.running) <= 1:
            return False
        self._has_changed = True
        newest = self.running[-1]
        if newest.is_suspect:
            self.drop(newest)
        else:
            self.running.pop()
            self.memory.move_to_host(newest)
        insort(self.waiting, newest, key=lambda other: other.number)
        return True

    def end(self, sequence: Sequence) -> None:
        """End a request, and keep its state for the next turn of its conversation."""
        if sequence in self.waiting or sequence.is_suspect:
            self.drop(sequence)
            return
        self._has_changed = True
        self.running.remove(sequence)
        if self.running or self.waiting:
            self.memory.move_to_host(sequence)
        else:
            self.memory.leave_idle(sequence)

    def drop(self, sequence: Sequence) -> None:
        """End a request whose state may be wrong."""
        self._has_changed = True
        if sequence in self.waiting:
            self.waiting.remove(sequence)
            return
        self.running.remove(sequence)
        self.memory.remove(sequence)
        if sequence.is_suspect:  # its cells may contain NaN
            self.recover([], [])

    def reset(self) -> None:
        """Drop all requests and states."""
        self.running.clear()
        self.waiting.clear()
        self.memory.reset()

    def recover(self, failed: list[Sequence], healthy: list[Sequence]) -> None:
        """Continue after logits that were NaN.

        The NaN may have come from another request. Those that had it become suspects, which start
        again and run alone, one after another.

        Parameters
        ----------
        failed, healthy : list of Sequence
            Requests with logits that were NaN, and with finite ones. All others start again, too.
        """
        self._has_changed = True
        others = [sequence for sequence in self.running if sequence not in healthy]
        self.memory.erase(healthy, others)
        for sequence in failed:
            sequence.is_suspect = True

    @property
    def active(self) -> list[Sequence]:
        """The requests that take part in the next step."""
        suspect = next((s for s in self.running if s.is_suspect), None)
        return self.running if suspect is None else [suspect]
