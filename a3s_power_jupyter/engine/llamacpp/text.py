"""Generate the text of all requests of a model, one token of each per step."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ...contract.errors import ModelProducesNaN, PowerError
from ...contract.types import Item
from ..base import StepOutput, request_error
from ..generation import Generation
from ..protocol import Stats
from ..threads import CpuThreads
from .batch import Batch, Part, Rows
from .context import Context
from .decoder import Aborted, Decoder
from .memory import Memory
from .pool import SequencePool
from .prompt import Prompt
from .sampler import Sampler, logits_at
from .sequence import Sequence
from .vocabulary import Vocabulary

if TYPE_CHECKING:
    from .vision import Projector


class TextGenerator:
    """The requests for text of one context.

    Parameters
    ----------
    decoder : Decoder
        Computes with the context.
    n_batch : int
        Maximum number of tokens per step.
    on_cpu : bool
        Whether no layer is on a GPU.
    projector : Projector or None
        Encodes images, if the model has an mmproj.
    """

    def __init__(
        self,
        memory: Memory,
        decoder: Decoder,
        vocab: Vocabulary,
        projector: Projector | None,
        *,
        n_batch: int,
        on_cpu: bool,
    ) -> None:
        self.memory = memory
        self._decoder = decoder
        self._vocab = vocab
        self._projector = projector
        self._pool = SequencePool(memory)
        self._batch = Batch(self._pool, decoder, n_batch, separate=on_cpu)

    @property
    def context(self) -> Context:
        return self.memory.context

    @property
    def n_slots(self) -> int:
        """Number of requests that run at the same time."""
        return self.memory.n_slots

    @property
    def idle(self) -> bool:
        return not self._pool.requests

    @property
    def generates(self) -> bool:
        """Whether a request waits for its next token, not for its prompt to be read."""
        return any(sequence.pending == 1 for sequence in self._pool.active)

    def add(self, generation: Generation[Sampler], prompt: Prompt) -> None:
        """Add a request, which begins with the next step if there is room."""
        self._pool.add(generation, prompt)

    def cancel(self, id_: int) -> None:
        for sequence in self._pool.requests:
            if sequence.generation.id == id_:
                self._pool.end(sequence)

    def reset(self) -> None:
        self._pool.reset()

    def save(self, deadline: float) -> None:
        """Drop all requests, and write their states and those of earlier ones to disk."""
        for sequence in self._pool.requests:
            self._pool.end(sequence)
        self.memory.save_files(deadline)

    def stats(self) -> Stats:
        return self.memory.stats(len(self._pool.waiting))

    def step(self, threads: CpuThreads) -> list[StepOutput]:
        """Advance every request by one step and return the new outputs.

        The step ends early if requests of it are cancelled.
        """
        self._pool.admit()
        outputs: list[StepOutput] = []
        with suppress(Aborted):
            self._encode_image(outputs)
            for group in self._plan(outputs):
                self._decode(group, threads, outputs)
        return outputs

    def _encode_image(self, outputs: list[StepOutput]) -> None:
        """Encode the next image of one prompt. Encoding is slow, so each step encodes only one."""
        sequence = self._batch.next_image()
        if sequence is None or self._projector is None:
            return
        image = sequence.prompt.images[sequence.n_computed]
        if not self._pool.make_room(image.n_tokens) or sequence not in self._pool.running:
            return
        try:
            n_past = self._projector.encode(
                self._decoder, sequence.generation.id, image, sequence.n_past, sequence.seq_id
            )
        except Aborted as aborted:
            self.memory.undo([sequence], aborted)
            raise
        except Exception as error:
            outputs.append(self._fail(sequence, error))
            return
        self._batch.record_image(sequence, n_past)
        outputs += self._reading(sequence)

    def _plan(self, outputs: list[StepOutput]) -> list[list[Part]]:
        try:
            return self._batch.plan()
        except PowerError as error:
            outputs += [self._fail(sequence, error) for sequence in self._pool.requests]
            return []

    def _decode(self, group: list[Part], threads: CpuThreads, outputs: list[StepOutput]) -> None:
        """Compute tokens, and sample the next one of each request that has new logits."""
        sequences = [part.sequence for part in group if part.sequence in self._pool.running]
        try:
            rows = self._batch.compute(group, threads)
        except PowerError as error:
            outputs += [self._fail(sequence, error) for sequence in sequences]
            return
        nan: dict[Sequence, PowerError] = {}
        for sequence in sequences:
            try:
                outputs += self._next_outputs(sequence, rows.get(sequence, {}))
            except ModelProducesNaN as error:
                nan[sequence] = request_error(error)
            except Exception as error:
                outputs.append(self._fail(sequence, error))
        if nan:
            outputs += self._recover(nan, [s for s in rows if rows[s] and s not in nan])

    def _reading(self, sequence: Sequence) -> list[StepOutput]:
        generation = sequence.generation
        return [(generation.id, item) for item in generation.reading()]

    def _next_outputs(self, sequence: Sequence, rows: Rows) -> list[StepOutput]:
        """Return the outputs of a request for which a part was computed."""
        generation, last = sequence.generation, len(sequence.known) - 1
        items = self._score(generation, {i: row for i, row in rows.items() if i != last})
        if last not in rows:
            items += generation.reading()
        elif generation.max_tokens == 0:
            items += generation.end_unsampled()
        else:
            items += self._sample(sequence, rows[last])
        if generation.finished:
            self._pool.end(sequence)
        return [(generation.id, item) for item in items]

    def _score(self, generation: Generation[Sampler], rows: Rows) -> list[Item]:
        pointer, size = self.context.pointer, self._vocab.size
        logits = ((i, logits_at(pointer, row, size)) for i, row in sorted(rows.items()))
        return generation.score(logits)

    def _sample(self, sequence: Sequence, row: int) -> list[Item]:
        generation, pointer = sequence.generation, self.context.pointer
        token = generation.sampler.sample(pointer, row)
        sequence.is_suspect = False
        sequence.known.append(token)
        logprob = generation.sampler.logprob(pointer, row, token)
        if token in generation.end_tokens:
            return generation.accept_eos(token, logprob)
        return generation.accept(token, self._vocab.token_to_piece(token), logprob)

    def _fail(self, sequence: Sequence, error: Exception) -> StepOutput:
        """End a request after an error that may have left its state incomplete."""
        self._pool.drop(sequence)
        return sequence.generation.id, request_error(error)

    def _recover(
        self, nan: dict[Sequence, PowerError], healthy: list[Sequence]
    ) -> list[StepOutput]:
        """End the requests that had NaN when they ran alone; let the others start again."""
        outputs: list[StepOutput] = []
        for sequence in [s for s in nan if s.is_suspect]:
            outputs.append((sequence.generation.id, nan.pop(sequence)))
            self._pool.drop(sequence)
        self._pool.recover([*nan], [s for s in healthy if s in self._pool.running])
        return outputs
