"""The llama.cpp engine: one batch a step, in which every slot takes part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import llama_cpp as lc
from msgspec import UNSET

from ...contract.errors import (
    ContextLengthExceeded,
    InvalidParameter,
    ModelLoadFailed,
    PowerError,
    UnsupportedRequestFields,
)
from ...contract.types import (
    ChatRequest,
    CompletionRequest,
    Delta,
    EmbeddingRequest,
    Finished,
    Item,
    Request,
    Sampling,
    Started,
)
from ..base import Engine, Progress, StepOutput
from ..generation import Generation
from ..protocol import Load, Loaded
from ..template import ChatTemplate, as_parts, as_text
from ..text import TextStream
from . import logs
from .devices import gpus, list_devices
from .embedder import Embedder
from .model import LlamaModel
from .sampler import Sampler
from .slot import Prompt, Slot

if TYPE_CHECKING:
    from .vision import Projector

#: Tokens of one step, unless `num_batch` says otherwise. A cancelled prompt ends with its step, so
#: on a CPU steps are short; 256 was as fast as 512 there, 128 about 5 % slower.
CPU_NUM_BATCH = 256
GPU_NUM_BATCH = 512


class LlamaCppEngine(Engine):
    """Chat, completions and embeddings of one GGUF model."""

    def __init__(
        self,
        model: LlamaModel,
        info: Loaded,
        context: Any,
        batch_size: int,
        projector: Projector | None,
    ) -> None:
        self.info = info
        self._projector = projector
        self._model = model
        self._vocab = model.vocab
        self._context = context
        self._embedder = Embedder(model)
        self._template = self._make_template()
        self._slots = [Slot(seq) for seq in range(info.slots)]
        self._clock = 0
        self._batch_size = batch_size
        self._batch = lc.llama_batch_init(batch_size, 0, 1)

    @classmethod
    def load(cls, load: Load, progress: Progress) -> LlamaCppEngine:
        logs.install()
        free_before = _free_gpu_bytes()
        model = LlamaModel(load, progress)
        slots = 1 if load.parameters.num_parallel is UNSET else load.parameters.num_parallel
        batch_size = _batch_size(model, slots)
        projector = model.load_projector(load.mmproj) if load.mmproj else None
        context = None
        if model.generates:
            context = model.new_context(
                n_ctx=model.num_ctx * slots,
                **_context_batch(batch_size, projector),
                n_seq_max=slots,
                kv_unified=False,  # a slot's context is its own, whatever the others hold
            )
        info = Loaded(
            slots=slots,
            num_ctx=int(lc.llama_n_ctx_seq(context)) if context else model.num_ctx,
            device=model.device,
            device_bytes=max(0, free_before - _free_gpu_bytes()),
        )
        return cls(model, info, context, batch_size, projector)

    # ------------------------------------------------------------ requests

    def submit(self, id_: int, request: Request) -> None:
        if isinstance(request, EmbeddingRequest):
            self._embedder.submit(id_, request)
            return
        if self._context is None:
            raise UnsupportedRequestFields("This model only embeds text: ask it at /v1/embeddings.")
        prompt = self._prompt(request)
        sampling = request.sampling
        generation = Generation(
            id=id_,
            prompt=prompt.tokens,
            sampling=sampling,
            sampler=Sampler(sampling, self._vocab),
            text=TextStream(() if sampling.stop is UNSET else sampling.stop),
            max_tokens=self._max_tokens(sampling, len(prompt.tokens)),
            echo=self._echo(request),
        )
        self._place(generation, prompt)

    def cancel(self, id_: int) -> None:
        self._embedder.cancel(id_)
        for slot in self._slots:
            if slot.generation is not None and slot.generation.id == id_:
                self._free(slot)

    @property
    def idle(self) -> bool:
        return self._embedder.idle and all(slot.generation is None for slot in self._slots)

    def _prompt(self, request: ChatRequest | CompletionRequest) -> Prompt:
        if isinstance(request, ChatRequest):
            prompt = self._chat_prompt(request)
        elif isinstance(request.prompt, str):
            prompt = Prompt(self._vocab.tokenize(request.prompt, add_special=True))
        else:
            prompt = Prompt(list(request.prompt))
            self._vocab.check(prompt.tokens)
        self._check_length(prompt.tokens)
        return prompt

    def _chat_prompt(self, request: ChatRequest) -> Prompt:
        if not request.images:
            text, framed = self._render(request.messages)
            return Prompt(self._vocab.tokenize(text, add_special=not framed))
        projector = self._require_projector()
        text, framed = self._render(as_text(request.messages, projector.marker))
        prompt = projector.tokenize(text, request.images, add_special=not framed)
        projector.check(prompt, self._context)
        return prompt

    def _render(self, messages: list[dict[str, Any]]) -> tuple[str, bool]:
        """The text of a prompt, and whether the template began it with the token that does."""
        template = self._require_template()
        text = template.render(messages if template.takes_text else as_parts(messages))
        return text, bool(self._vocab.bos_text) and text.startswith(self._vocab.bos_text)

    def _require_projector(self) -> Projector:
        if self._projector is None:
            raise InvalidParameter("The model has no vision; send text only.", param="messages")
        return self._projector

    def _check_length(self, tokens: list[int]) -> None:
        if not tokens:
            raise InvalidParameter("The prompt is empty; give at least one token.", param="prompt")
        if len(tokens) >= self.info.num_ctx:
            raise ContextLengthExceeded(
                f"The prompt has {len(tokens)} tokens and the model's context holds "
                f"{self.info.num_ctx}, the answer included. Shorten it, or load the model with "
                f"a larger num_ctx (it was trained for {self._model.trained_ctx})."
            )

    def _max_tokens(self, sampling: Sampling, prompt_tokens: int) -> int:
        room = self.info.num_ctx - prompt_tokens
        return room if sampling.max_tokens is UNSET else min(sampling.max_tokens, room)

    def _echo(self, request: ChatRequest | CompletionRequest) -> str:
        if isinstance(request, ChatRequest) or not request.echo:
            return ""
        if isinstance(request.prompt, str):
            return request.prompt
        return b"".join(self._vocab.piece(t) for t in request.prompt).decode("utf-8", "replace")

    def _make_template(self) -> ChatTemplate | None:
        source = self._model.chat_template()
        if source is None:
            return None
        vocab = self._vocab
        return ChatTemplate(source, bos_token=vocab.bos_text, eos_token=vocab.eos_text)

    def _require_template(self) -> ChatTemplate:
        if self._template is None:
            raise UnsupportedRequestFields(
                "This model has no chat template: ask it at /v1/completions, or register it "
                "with default_parameters.chat_template.",
                param="messages",
            )
        return self._template

    # ------------------------------------------------------------ slots

    def _place(self, generation: Generation[Sampler], prompt: Prompt) -> None:
        """Take the free slot whose cache helps most, else the one unused for longest."""
        free = [slot for slot in self._slots if slot.generation is None]
        slot = max(free, key=lambda s: (s.common_prefix(generation.prompt), -s.used))
        generation.cached = generation.done = self._reuse(slot, generation, prompt)
        self._clock += 1
        slot.used = self._clock
        slot.prompt = prompt
        slot.generation = generation

    def _reuse(self, slot: Slot, generation: Generation[Sampler], prompt: Prompt) -> int:
        """Cut the slot's cache back to what the prompt shares with it; how many tokens that is.

        The last token of the prompt is always decoded, since its logits are needed. A request
        with a seed starts from nothing: cached tokens were computed in other batches, which
        rounds differently, and the same seed is to give the same answer.
        """
        seeded = generation.sampling.seed is not UNSET
        keep = 0 if seeded else prompt.before_image(slot.common_prefix(prompt.tokens[:-1]))
        slot.cut(keep)
        memory = lc.llama_get_memory(self._context)
        if not lc.llama_memory_seq_rm(memory, slot.seq, slot.past, -1):
            # Recurrent models cannot go back to a position in the middle.
            self._clear(slot)
            keep = 0
        return keep

    def _clear(self, slot: Slot) -> None:
        slot.cut(0)
        lc.llama_memory_seq_rm(lc.llama_get_memory(self._context), slot.seq, -1, -1)

    def _free(self, slot: Slot) -> None:
        if slot.generation is not None:
            slot.generation.sampler.close()
            slot.generation = None
            slot.prompt = Prompt([])

    # ------------------------------------------------------------ a step

    def step(self) -> list[StepOutput]:
        outputs = [*self._embedder.step(), *self._see()]
        rows = self._fill_batch()
        if self._batch.n_tokens == 0:
            return outputs
        error = self._decode()
        for slot in [s for s in self._slots if s.generation is not None]:
            if error is not None:
                outputs += self._fail(slot, error)
            elif slot.seq in rows:
                outputs += self._advance(slot, rows[slot.seq])
        return outputs

    def _see(self) -> list[StepOutput]:
        """Compute the next image of one prompt. That takes long, so it is one in a step."""
        for slot in self._slots:
            if slot.generation is not None and slot.generation.done in slot.prompt.images:
                return self._see_next(slot, slot.generation)
        return []

    def _see_next(self, slot: Slot, generation: Generation[Sampler]) -> list[StepOutput]:
        image = slot.prompt.images[generation.done]
        end = generation.done + image.tokens
        after = self._require_projector().decode(self._context, image.chunk, slot.past, slot.seq)
        if after is None:
            return self._fail(slot, _no_decode("could not read an image"))
        slot.append(generation.prompt[generation.done : end], after)
        generation.done = end
        return []

    def _fail(self, slot: Slot, error: PowerError) -> list[StepOutput]:
        """End a request whose part of the cache is in doubt."""
        id_ = _generation(slot).id
        self._free(slot)
        self._clear(slot)
        return [(id_, error)]

    def _fill_batch(self) -> dict[int, int]:
        """Put the next token of every generating slot into the batch, then as much of the waiting
        prompts as fits.

        Returns
        -------
        dict
            Sequence -> position in the batch, for the slots whose logits come out of this step.
        """
        self._batch.n_tokens = 0
        rows: dict[int, int] = {}
        active = [slot for slot in self._slots if slot.generation is not None]
        for slot in active:
            token = _generation(slot).next_token
            if token is not None:
                rows[slot.seq] = self._add(slot, token, logits=True)
        for slot in active:
            generation = _generation(slot)
            if not generation.prefilling:
                continue
            room = max(0, self._batch_size - self._batch.n_tokens)
            end = min(
                generation.done + room,
                *(start for start in slot.prompt.images if start >= generation.done),
                len(generation.prompt),
            )
            chunk = generation.prompt[generation.done : end]
            generation.done += len(chunk)
            complete = generation.done == len(generation.prompt)
            for at, token in enumerate(chunk, start=1):
                last = complete and at == len(chunk)
                row = self._add(slot, token, logits=last)
                if last:
                    rows[slot.seq] = row
        return rows

    def _add(self, slot: Slot, token: int, *, logits: bool) -> int:
        batch, row = self._batch, self._batch.n_tokens
        batch.token[row] = token
        batch.pos[row] = slot.past
        batch.n_seq_id[row] = 1
        batch.seq_id[row][0] = slot.seq
        batch.logits[row] = logits
        batch.n_tokens = row + 1
        slot.append([token], slot.past + 1)
        return int(row)

    def _decode(self) -> PowerError | None:
        status = lc.llama_decode(self._context, self._batch)
        if status == 0:
            return None
        return _no_decode(f"could not decode (status {status})")

    def _advance(self, slot: Slot, row: int) -> list[StepOutput]:
        """Sample the slot's next token and say what it brought."""
        generation = _generation(slot)
        items: list[Item] = []
        if not generation.started:
            generation.started = True
            items.append(Started(len(generation.prompt), generation.cached))
            if generation.echo:
                items.append(Delta(generation.echo))
        token = generation.sampler.sample(self._context, row)
        generation.next_token = token
        if self._vocab.is_end(token):
            items += generation.finished("stop")
        else:
            items += self._extend(generation, token, row)
        if items and isinstance(items[-1], Finished):
            self._free(slot)
        return [(generation.id, item) for item in items]

    def _extend(
        self, generation: Generation[Sampler], token: int, row: int
    ) -> list[Delta | Finished]:
        generation.generated += 1
        logprob = generation.sampler.logprob(self._context, row, token)
        if logprob is not None:
            generation.logprobs.append(logprob)
        text = generation.text.push(self._vocab.piece(token))
        if generation.text.stopped:
            return [*generation.delta(text), *generation.finished("stop")]
        if generation.generated >= generation.max_tokens:
            return [*generation.delta(text), *generation.finished("length")]
        return generation.delta(text)


def _generation(slot: Slot) -> Generation[Sampler]:
    assert slot.generation is not None  # noqa: S101 - only active slots are asked
    return slot.generation


def _no_decode(what: str) -> ModelLoadFailed:
    return ModelLoadFailed(
        f"llama.cpp {what}{logs.last_errors()}. Load the model again with a smaller num_ctx or "
        "num_batch."
    )


def _context_batch(batch_size: int, projector: Projector | None) -> dict[str, int]:
    if projector is None or not projector.whole:
        return {"n_batch": batch_size}
    size = max(batch_size, projector.batch)
    return {"n_batch": size, "n_ubatch": size}


def _batch_size(model: LlamaModel, slots: int) -> int:
    """Tokens of one step; every slot has room for one."""
    asked = model.parameters.num_batch
    default = CPU_NUM_BATCH if model.device == "cpu" else GPU_NUM_BATCH
    return max(default if asked is UNSET else asked, slots)


def _free_gpu_bytes() -> int:
    return sum(d.memory_free for d in gpus(list_devices()) if d.memory_free is not UNSET)
