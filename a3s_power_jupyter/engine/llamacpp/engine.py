"""Run GGUF models on llama.cpp, with one batch per step for all requests."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import llama_cpp as lc
from msgspec import UNSET

from ...contract.errors import (
    InvalidParameter,
    ModelProducesNaN,
    PowerError,
    UnsupportedRequestFields,
)
from ...contract.types import ChatRequest, CompletionRequest, EmbeddingRequest, Request
from ..base import Engine, ProgressCallback, StepOutput, request_error
from ..checks import check_prompt
from ..generation import Generation
from ..protocol import Load, Loaded, Stats
from ..rendering.renderer import renderer
from ..template import ChatTemplate, as_parts, as_text, require_template
from .backend import free_gpu_bytes, install_log, list_devices
from .decoder import Aborted, Decoder
from .embedder import Embedder, EmbeddingJob
from .model import LlamaModel
from .prompt import Prompt
from .sampler import Sampler
from .slot import Slot, SlotPool

if TYPE_CHECKING:
    from .vision import Projector

#: Tokens per step if `num_batch` is not set. Steps are short on a CPU, because other requests wait
#: for the end of a step. There, 256 was as fast as 512, and 128 about 5 % slower.
CPU_NUM_BATCH = 256
GPU_NUM_BATCH = 512


@dataclass(frozen=True)
class TextJob:
    """A prepared request for text."""

    generation: Generation[Sampler]
    prompt: Prompt


class LlamaCppEngine(Engine[TextJob | EmbeddingJob]):
    """Chat, completions and embeddings of one GGUF model.

    Parameters
    ----------
    slots : SlotPool or None
        None for a model that only embeds.
    projector : Projector or None
        Encodes images, if the model has an mmproj.
    """

    def __init__(
        self,
        model: LlamaModel,
        info: Loaded,
        slots: SlotPool | None,
        projector: Projector | None,
    ) -> None:
        self.info = info
        self.threads = model.threads
        self._model = model
        self._vocab = model.vocab
        self._slots = slots
        self._projector = projector
        self._embedder = Embedder(model)
        self._template = None if slots is None else _load_template(model, info.num_ctx)

    @classmethod
    def load(cls, load: Load, progress: ProgressCallback) -> LlamaCppEngine:
        install_log()
        free_before = free_gpu_bytes(list_devices())
        model = LlamaModel(load, progress)
        if model.generates:
            renderer().start()
        n_slots = 1 if load.parameters.num_parallel is UNSET else load.parameters.num_parallel
        projector = _load_projector(load.mmproj, model)
        slots = _new_slots(model, n_slots, projector) if model.generates else None
        info = Loaded(
            slots=n_slots,
            num_ctx=_num_ctx(model, slots),
            device=model.device,
            device_bytes=max(0, free_before - free_gpu_bytes(list_devices())),
            notes=model.notes,
        )
        return cls(model, info, slots, projector)

    def prepare(self, id_: int, request: Request) -> TextJob | EmbeddingJob:
        if isinstance(request, EmbeddingRequest):
            return self._embedder.prepare(id_, request)
        if self._slots is None:
            raise UnsupportedRequestFields(
                "This model only computes embeddings. Use /v1/embeddings."
            )
        prompt = self._prompt(request, self._slots)
        check_prompt(prompt.tokens, num_ctx=self.info.num_ctx, trained_ctx=self._model.trained_ctx)
        generation = Generation.from_request(
            id_,
            request,
            prompt.tokens,
            Sampler(request.sampling, self._vocab),
            num_ctx=self.info.num_ctx,
            token_to_piece=self._vocab.token_to_piece,
        )
        return TextJob(generation, prompt)

    def submit(self, prepared: TextJob | EmbeddingJob) -> None:
        if isinstance(prepared, EmbeddingJob):
            self._embedder.add(prepared)
        elif self._slots is not None:
            self._slots.assign(prepared.generation, prepared.prompt)

    def cancel(self, id_: int) -> None:
        self._embedder.cancel(id_)
        if self._slots is None:
            return
        for slot, generation in self._slots.active:
            if generation.id == id_:
                self._slots.release(slot)

    def reset(self) -> None:
        self._embedder.reset()
        if self._slots is not None:
            self._slots.reset()

    def stats(self) -> Stats | None:
        return None if self._slots is None else self._slots.stats()

    @property
    def idle(self) -> bool:
        return self._embedder.idle and not (self._slots and self._slots.active)

    def step(self) -> list[StepOutput]:
        outputs: list[StepOutput] = []
        with suppress(Aborted):  # the worker now cancels the requests for which the step was ended
            outputs += self._embedder.step()
            if self._slots is not None:
                outputs += self._encode_image(self._slots)
                outputs += self._decode(self._slots)
        return outputs

    # ------------------------------------------------------------ prompts

    def _prompt(self, request: ChatRequest | CompletionRequest, slots: SlotPool) -> Prompt:
        if isinstance(request, ChatRequest):
            return self._chat_prompt(request, slots)
        if isinstance(request.prompt, str):
            return Prompt(self._tokenize(request.prompt, add_special=True))
        self._vocab.check(request.prompt)
        return Prompt(list(request.prompt))

    def _chat_prompt(self, request: ChatRequest, slots: SlotPool) -> Prompt:
        if not request.images:
            text = self._render(request.messages)
            add_special = not self._vocab.starts_with_bos(text)
            return Prompt(self._tokenize(text, add_special=add_special))
        projector = self._projector
        if projector is None:
            raise InvalidParameter(
                "The model does not support images. Send text only.", param="messages"
            )
        text = self._render(as_text(request.messages, projector.marker))
        self._vocab.check_length(text, self.info.num_ctx)
        add_special = not self._vocab.starts_with_bos(text)
        prompt = projector.tokenize(text, request.images, add_special=add_special)
        projector.check(prompt, slots.context)
        return prompt

    def _tokenize(self, text: str, *, add_special: bool) -> list[int]:
        self._vocab.check_length(text, self.info.num_ctx)
        return self._vocab.tokenize(text, add_special=add_special)

    def _render(self, messages: list[dict[str, Any]]) -> str:
        template = require_template(self._template)
        return template.render(messages if template.supports_text else as_parts(messages))

    # ------------------------------------------------------------ steps

    def _encode_image(self, slots: SlotPool) -> list[StepOutput]:
        """Encode the next image of one prompt. Encoding is slow, so each step encodes only one."""
        pending = slots.next_image()
        if pending is None or self._projector is None:
            return []
        slot, generation, image = pending
        start = generation.num_computed_tokens
        end = start + image.n_tokens
        try:
            n_past = self._projector.encode(
                slots.decoder, generation.id, image, slot.n_past, slot.seq_id
            )
        except Aborted as aborted:
            slots.go_back(slot, aborted)
            raise
        except Exception as error:
            return [_fail(slots, slot, generation, error)]
        slot.append(generation.prompt[start:end], n_past)
        generation.num_computed_tokens = end
        return []

    def _decode(self, slots: SlotPool) -> list[StepOutput]:
        """Compute a batch and sample the next token of each slot that has new logits."""
        try:
            rows = slots.decode(self.threads)
        except PowerError as error:
            return [_fail(slots, slot, generation, error) for slot, generation in slots.active]
        outputs: list[StepOutput] = []
        nan: list[tuple[Slot, Generation[Sampler], PowerError]] = []
        for slot, generation in slots.active:
            if slot.seq_id not in rows:
                outputs += [(generation.id, item) for item in generation.reading()]
                continue
            try:
                outputs += self._sample(slots, slot, generation, rows[slot.seq_id])
            except ModelProducesNaN as error:
                nan.append((slot, generation, request_error(error)))
            except Exception as error:
                outputs.append(_fail(slots, slot, generation, error))
        for slot, generation, failure in nan:
            outputs += _restart_or_fail(slots, slot, generation, failure)
        return outputs

    def _sample(
        self, slots: SlotPool, slot: Slot, generation: Generation[Sampler], row: int
    ) -> list[StepOutput]:
        sampler = generation.sampler
        token = sampler.sample(slots.context, row)
        if self._vocab.is_eog(token):
            items = generation.accept_eos(token)
        else:
            logprob = sampler.logprob(slots.context, row, token)
            items = generation.accept(token, self._vocab.token_to_piece(token), logprob)
        if generation.finished:
            slots.release(slot)
        return [(generation.id, item) for item in items]


def _num_ctx(model: LlamaModel, slots: SlotPool | None) -> int:
    """Return the tokens of a request, which llama.cpp may have rounded up."""
    if slots is None:
        return model.num_ctx
    n_ctx = int(lc.llama_n_ctx_seq(slots.context))
    return n_ctx if model.position_limit is None else min(n_ctx, model.position_limit)


def _fail(
    slots: SlotPool, slot: Slot, generation: Generation[Sampler], error: Exception
) -> StepOutput:
    """End a request after an error that may have left its cache incomplete."""
    slots.release(slot)
    slots.clear(slot)
    return generation.id, request_error(error)


def _restart_or_fail(
    slots: SlotPool, slot: Slot, generation: Generation[Sampler], error: PowerError
) -> list[StepOutput]:
    """End a request whose logits are NaN, unless the NaN may come from an earlier request.

    A request that was cancelled in its prompt can leave NaN in its slot's memory.
    """
    if generation.prefilling and not slot.erased:
        slots.restart(slot, generation)
        return []
    slots.release(slot)
    slots.erase(slot)
    return [(generation.id, error)]


def _load_template(model: LlamaModel, num_ctx: int) -> ChatTemplate | None:
    source = model.chat_template()
    if source is None:
        return None
    vocab = model.vocab
    return ChatTemplate(source, bos_token=vocab.bos_text, eos_token=vocab.eos_text, num_ctx=num_ctx)


def _load_projector(mmproj: str | None, model: LlamaModel) -> Projector | None:
    if mmproj is None:
        return None
    # Imported on first use, because llama-cpp-python can be built without mtmd (LLAVA_BUILD=OFF).
    from .vision import Projector

    n_threads = model.threads.limit  # mtmd cannot change it later
    return Projector(mmproj, model.pointer, n_threads=n_threads, gpu=model.gpu_layers != 0)


def _new_slots(model: LlamaModel, n_slots: int, projector: Projector | None) -> SlotPool:
    default = CPU_NUM_BATCH if model.device == "cpu" else GPU_NUM_BATCH
    num_batch = model.parameters.num_batch
    n_batch = max(default if num_batch is UNSET else num_batch, n_slots)
    sizes = {"n_batch": n_batch}
    if projector is not None and projector.non_causal:
        size = max(n_batch, projector.min_batch)
        sizes = {"n_batch": size, "n_ubatch": size}
    context = model.new_context(
        n_ctx=model.num_ctx * n_slots,
        n_seq_max=n_slots,
        kv_unified=False,  # each slot has its full context, whatever the other slots hold
        **sizes,
    )
    decoder = Decoder(context, gpu=model.gpu_layers != 0)
    return SlotPool(context, decoder, n_slots=n_slots, n_batch=n_batch)
