"""Run chat models on transformers.

Each step decodes all requests in one batch and prefills a chunk of one prompt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from msgspec import UNSET

from ...contract.errors import ModelLoadFailed, UnsupportedRequestFields
from ...contract.types import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Item,
    Request,
    Sampling,
)
from ..base import Engine, ProgressCallback, StepOutput, first_line, request_error
from ..checks import check_finite, check_prompt
from ..generation import Generation, token_logprob
from ..protocol import Load, Loaded
from ..rendering.renderer import renderer
from ..template import ChatTemplate, require_template
from .batch import Batch, can_join, has_only_attention_layers, new_cache
from .failures import computation_error
from .model import LoadedModel
from .sampler import Sampler, SchemaCompiler

#: Number of slots if `num_parallel` is not set. Caches grow with their requests, so an unused slot
#: costs nothing.
DEFAULT_SLOTS = 4

#: Prompt tokens per step. A prompt can be cancelled between two steps.
CPU_PREFILL_CHUNK = 128
GPU_PREFILL_CHUNK = 1024


@dataclass
class ActiveRequest:
    """A request in a slot.

    Attributes
    ----------
    cache : Cache
        The request's own KV cache during prefill; the batch's afterwards.
    inputs : dict
        Model inputs other than tokens, such as pixels. A prompt with such inputs is not split.
    tokens : list of int
        The prompt and the output so far.
    """

    generation: Generation[Sampler]
    cache: Any
    inputs: dict[str, Any]
    tokens: list[int]


class TransformersEngine(Engine[ActiveRequest]):
    """Chat and completions of one model."""

    def __init__(self, model: LoadedModel, slots: int) -> None:
        self._model = model
        self._batch = Batch(model.placement.device)
        self._prefilling: list[ActiveRequest] = []
        self._decoding: list[ActiveRequest] = []  # in the order of the batch's rows
        self._eos_token_ids = set(model.eos_token_ids)
        self._schemas = SchemaCompiler(model.tokenizer, model.vocab_size, model.eos_token_ids)
        self._template = _load_template(model)
        model.tokenize("")  # sets the tokenizer's options, which threads must not change
        self._prefill_chunk = GPU_PREFILL_CHUNK if model.placement.gpu else CPU_PREFILL_CHUNK
        self.threads = model.threads
        self.info = Loaded(
            slots=slots,
            num_ctx=model.num_ctx,
            device=model.placement.name,
            device_bytes=model.placement.used_bytes(),
            notes=model.notes,
        )

    @classmethod
    def load(cls, load: Load, progress: ProgressCallback) -> TransformersEngine:
        renderer().start()
        model = LoadedModel(load, progress)
        _require_joinable_cache(model)
        num_parallel = load.parameters.num_parallel
        return cls(model, DEFAULT_SLOTS if num_parallel is UNSET else num_parallel)

    def prepare(self, id_: int, request: Request) -> ActiveRequest:
        if isinstance(request, EmbeddingRequest):
            raise UnsupportedRequestFields(
                "This model does not compute embeddings. Register an embedding model with format "
                '"huggingface".'
            )
        tokens, inputs = self.prompt(request)
        check_prompt(tokens, num_ctx=self.info.num_ctx, trained_ctx=self._model.trained_ctx)
        generation = Generation.from_request(
            id_,
            request,
            tokens,
            self._sampler(request.sampling),
            num_ctx=self.info.num_ctx,
            token_to_piece=self._model.token_to_piece,
        )
        return ActiveRequest(generation, new_cache(), inputs, list(tokens))

    def submit(self, prepared: ActiveRequest) -> None:
        self._prefilling.append(prepared)

    def cancel(self, id_: int) -> None:
        self._prefilling = [a for a in self._prefilling if a.generation.id != id_]
        for row, active in enumerate(self._decoding):
            if active.generation.id == id_:
                self._remove(row)
                break

    def reset(self) -> None:
        self._prefilling, self._decoding = [], []
        self._batch = Batch(self._model.placement.device)
        self._model.placement.synchronize()

    @property
    def idle(self) -> bool:
        return not self._prefilling and not self._decoding

    def step(self) -> list[StepOutput]:
        self._model.set_threads(steady=any(map(_has_seed, self._prefilling + self._decoding)))
        outputs = self._decode() if self._decoding else []
        if self._prefilling:
            outputs += self._prefill(self._prefilling[0])
        return outputs

    # ------------------------------------------------------------ prompts

    def prompt(self, request: ChatRequest | CompletionRequest) -> tuple[list[int], dict[str, Any]]:
        """Return the prompt's tokens, and other model inputs such as pixels."""
        if isinstance(request, ChatRequest):
            text = self.template.render(request.messages)
            return self._model.tokenize(text), {}
        if isinstance(request.prompt, str):
            return self._model.tokenize(request.prompt), {}
        self._model.check(request.prompt)
        return list(request.prompt), {}

    @property
    def template(self) -> ChatTemplate:
        return require_template(self._template)

    def _sampler(self, sampling: Sampling) -> Sampler:
        if sampling.logit_bias is not UNSET:
            self._model.check([*sampling.logit_bias])
        matcher = None
        if sampling.json_schema is not UNSET:
            matcher = self._schemas.compile(sampling.json_schema)
        return Sampler(sampling, matcher)

    # ------------------------------------------------------------ steps

    def _decode(self) -> list[StepOutput]:
        """Compute one more token for every request that has finished its prefill."""
        tokens = [active.tokens[-1] for active in self._decoding]
        try:
            logits = self._model.forward(self.batch_inputs(tokens), self._batch.cache).numpy()
        except Exception as error:
            return self._fail(self._decoding, error)
        outputs: list[StepOutput] = []
        for row in reversed(range(len(self._decoding))):
            active = self._decoding[row]
            outputs += self._sample(active, logits[row])
            if active.generation.finished:
                self._remove(row)
        return outputs

    def batch_inputs(self, tokens: list[int]) -> dict[str, Any]:
        return self._batch.model_inputs(tokens)

    def _prefill(self, active: ActiveRequest) -> list[StepOutput]:
        """Compute a chunk of a prompt, and sample the first token after the last chunk."""
        generation = active.generation
        if generation.num_computed_tokens == 0:
            generation.begin()
        start, prompt = generation.num_computed_tokens, generation.prompt
        end = len(prompt) if active.inputs else start + self._prefill_chunk
        chunk = prompt[start:end]
        inputs = {
            "input_ids": torch.tensor([chunk], device=self._model.placement.device),
            **active.inputs,
        }
        try:
            logits = self._model.forward(inputs, active.cache)
        except Exception as error:
            return self._fail([active], error)
        generation.num_computed_tokens += len(chunk)
        if generation.num_computed_tokens < len(prompt):
            self._prefilling.append(self._prefilling.pop(0))  # prompts take turns
            return [(generation.id, item) for item in generation.reading()]
        self._prefilling.remove(active)
        outputs = self._sample(active, logits[0].numpy())
        if not generation.finished:
            self._batch.add(active.cache, len(prompt))
            self._decoding.append(active)
        return outputs

    def _sample(self, active: ActiveRequest, logits: Any) -> list[StepOutput]:
        """Sample a token and return the outputs; an error ends the request."""
        generation = active.generation
        try:
            return [(generation.id, item) for item in self._next_items(active, logits)]
        except Exception as error:
            generation.finished = True
            return [(generation.id, request_error(error))]

    def _next_items(self, active: ActiveRequest, logits: Any) -> list[Item]:
        check_finite(logits)
        generation = active.generation
        token = generation.sampler.sample(logits, active.tokens)
        active.tokens.append(token)
        if token in self._eos_token_ids:
            return generation.accept_eos(token)
        token_to_piece = self._model.token_to_piece
        top_logprobs = generation.sampling.logprobs
        logprob = None
        if top_logprobs is not UNSET:
            logprob = token_logprob(logits, token, top_logprobs, token_to_piece)
        return generation.accept(token, token_to_piece(token), logprob)

    def _remove(self, row: int) -> None:
        del self._decoding[row]
        self._batch.remove(row)

    def _fail(self, requests: list[ActiveRequest], error: Exception) -> list[StepOutput]:
        """End the requests of a failed computation.

        Raises
        ------
        RuntimeError
            If the GPU no longer responds, so that no other request can be computed either.
        """
        advice = "Load the model with a smaller num_ctx or fewer parallel requests (num_parallel)."
        failure = computation_error(error, self._model.placement, advice=advice)
        ids = [active.generation.id for active in requests]
        for id_ in ids:
            self.cancel(id_)
        return [(id_, failure) for id_ in ids]


def _has_seed(active: ActiveRequest) -> bool:
    return active.generation.sampling.seed is not UNSET


def _load_template(model: LoadedModel) -> ChatTemplate | None:
    source = model.chat_template
    if source is None:
        return None
    tokenizer = model.tokenizer
    return ChatTemplate(
        source,
        bos_token=tokenizer.bos_token or "",
        eos_token=tokenizer.eos_token or "",
        num_ctx=model.num_ctx,
    )


def _require_joinable_cache(model: LoadedModel) -> None:
    """Check a model's cache by computing one token.

    Raises
    ------
    ModelLoadFailed
        If the model is recurrent or hybrid, or the computation fails.
    """
    cache = new_cache()
    joinable = has_only_attention_layers(model.model.config)
    if joinable:
        inputs = {"input_ids": torch.tensor([[0]], device=model.placement.device)}
        try:
            model.forward(inputs, cache)
        except (RuntimeError, TypeError, AttributeError, ValueError, IndexError) as error:
            raise ModelLoadFailed(
                f"The model failed to compute a token: {first_line(error)}."
            ) from error
    if not joinable or not can_join(cache):
        raise ModelLoadFailed(
            "This model does not cache keys and values in every layer. Recurrent and hybrid models "
            "can only run as GGUF: register a GGUF file of the model."
        )
