"""Run chat models on transformers.

Each step decodes all requests in one batch and prefills a chunk of one prompt. A prompt starts from
the longest prefix that another request has computed (`prefixes.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any

import torch
from msgspec import UNSET

from ...contract.errors import UnsupportedRequestFields, cannot_rerank
from ...contract.types import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Item,
    Request,
    RerankRequest,
    Sampling,
)
from ..base import Engine, ProgressCallback, StepOutput, first_line, request_error
from ..chat.answers import Answers
from ..chat.prompt_end import PromptEnd
from ..checks import check_finite, check_prompt
from ..constraints.compiler import ConstraintCompiler
from ..constraints.matcher import Matcher
from ..generation import Generation
from ..logprobs import token_logprob
from ..prompt_cache import token_array
from ..protocol import Load, Loaded, Stats
from ..rendering.renderer import renderer
from ..sampling import SamplerSettings
from ..template import ChatTemplate, options_of, require_template
from ..tokens import check_messages
from .batch import Batch
from .constraint_tokenizer import new_tokenizer
from .dry import BreakerCache
from .failures import computation_error
from .joining import require_joinable_cache
from .model import LoadedModel
from .prefixes import Prefixes
from .request import ActiveRequest, Prompt
from .rotary import fix_frequencies
from .sampler import Sampler
from .saved import prompt_files
from .states import Prefix, state_of
from .text_tokens import ModelTokenizer
from .tokenizer import load_template

log = logging.getLogger("a3s_power_jupyter.worker")

#: Number of slots if `num_parallel` is not set. Caches grow with their requests, so an unused slot
#: costs nothing.
DEFAULT_SLOTS = 4

#: Prompt tokens per step. A prompt can be cancelled between two steps.
CPU_PREFILL_CHUNK = 128
GPU_PREFILL_CHUNK = 1024


class TransformersEngine(Engine[ActiveRequest]):
    """Chat and completions of one model."""

    def __init__(self, model: LoadedModel, slots: int, load: Load) -> None:
        self._model = model
        self._batch = Batch(model.placement.device)
        self._prefilling: list[ActiveRequest] = []
        self._decoding: list[ActiveRequest] = []  # in the order of the batch's rows
        self._breakers = BreakerCache(
            model.vocab_size, model.token_to_piece, lambda text: model.plain_tokens(text)
        )
        self.constraints = ConstraintCompiler(lambda: new_tokenizer(model))
        self._template = load_template(model.tokenizer, model.chat_templates, model.num_ctx)
        self._answers = Answers(self._template, model.special_texts, self.constraints)
        model.tokenize("")  # sets the tokenizer's options, which threads must not change
        self.tokenizer = ModelTokenizer(model)
        self._prefill_chunk = GPU_PREFILL_CHUNK if model.placement.gpu else CPU_PREFILL_CHUNK
        files = prompt_files(load, model, self._prefill_chunk)
        self._prefixes = Prefixes(load.prompt_cache, self._prefill_chunk, files)
        self.threads = model.threads
        self.info = Loaded(
            slots=slots,
            num_ctx=model.num_ctx,
            device=model.placement.name,
            gpus=model.placement.used_bytes(),
            notes=model.notes + (() if self._template is None else self._template.notes),
            template_capabilities=(
                None if self._template is None else self._template.format.capabilities
            ),
        )

    @classmethod
    def load(cls, load: Load, progress: ProgressCallback) -> TransformersEngine:
        renderer().start()
        model = LoadedModel(load, progress)
        require_joinable_cache(model)
        fix_frequencies(model.model, model.num_ctx)
        num_parallel = load.parameters.num_parallel
        slots = DEFAULT_SLOTS if num_parallel is UNSET else num_parallel
        return cls(model, slots, load)

    def prepare(self, id_: int, request: Request) -> ActiveRequest:
        if isinstance(request, EmbeddingRequest):
            raise UnsupportedRequestFields(
                "This model does not compute embeddings. Register an embedding model with format "
                '"huggingface".'
            )
        if isinstance(request, RerankRequest):
            raise cannot_rerank("This model generates text")
        prompt = self.prompt(request)
        tokens = prompt.tokens
        check_prompt(
            tokens,
            num_ctx=self.info.num_ctx,
            trained_ctx=self._model.trained_ctx,
            max_tokens=request.sampling.max_tokens,
        )
        end_tokens = self._model.end_tokens(request.sampling)
        matcher = self._answers.matcher(request, prompt.end)
        sampler = self._sampler(request.sampling, end_tokens, matcher)
        generation = Generation.from_request(
            id_,
            request,
            tokens,
            sampler,
            num_ctx=self.info.num_ctx,
            end_tokens=end_tokens,
            token_to_text=self._model.token_to_piece.text,
            answer=self._answers.new(request, prompt.end, sampler.constrain),
        )
        return ActiveRequest(generation, prompt, list(tokens))

    def render(self, chat: ChatRequest) -> tuple[str, list[int]]:
        text, prompt = self.rendered(chat, lambda text: check_messages(text, self.info.num_ctx))
        return text, prompt.tokens

    def submit(self, prepared: ActiveRequest) -> None:
        self._prefilling.append(prepared)

    def cancel(self, id_: int) -> None:
        for active in self._prefilling:
            if active.id == id_:
                self._prefilling.remove(active)
                self._keep(self._prompt_prefix(active))
                return
        for row, active in enumerate(self._decoding):
            if active.id == id_:
                self._keep(self._row_prefix(row))
                self._remove(row)
                return

    def reset(self) -> None:
        self._prefilling, self._decoding = [], []
        self._batch = Batch(self._model.placement.device)
        self._prefixes.clear()
        self._model.placement.synchronize()

    def save(self, deadline: float) -> None:
        for active in [*self._prefilling, *self._decoding]:
            self.cancel(active.id)
        self._prefixes.save(deadline)

    def stats(self) -> Stats:
        computed = (active.generation.num_computed_tokens for active in self._prefilling)
        return Stats(
            cache_tokens=sum(self._batch.lengths) + sum(computed),
            prompt_cache_bytes=self._prefixes.size,
        )

    @property
    def idle(self) -> bool:
        return not self._prefilling and not self._decoding

    def step(self) -> list[StepOutput]:
        requests = [*self._prefilling, *self._decoding]
        self._model.set_threads(steady=any(active.seeded for active in requests))
        outputs = self._decode() if self._decoding else []
        if self._prefilling:
            outputs += self._prefill(self._prefilling[0])
        return outputs

    # ------------------------------------------------------------ prompts

    def prompt(self, request: ChatRequest | CompletionRequest) -> Prompt:
        """Return the prompt's tokens, and other model inputs such as pixels."""
        if isinstance(request, ChatRequest):
            text, prompt = self.rendered(request, self._model.check_length)
            return replace(prompt, end=PromptEnd.of(text, request, self.template.format))
        if isinstance(request.prompt, list):
            self._model.check(request.prompt, "prompt")
        if request.suffix:
            return self.text_prompt(self._model.fill_in(request.prompt, request.suffix))
        if isinstance(request.prompt, str):
            return self.text_prompt(self._model.tokenize(request.prompt))
        return self.text_prompt(list(request.prompt))

    def rendered(self, request: ChatRequest, check: Callable[[str], None]) -> tuple[str, Prompt]:
        """Return the text of a prompt and its tokens. `check` raises if the text is too long."""
        text = self.template.render(request.messages, options_of(request))
        check(text)
        return text, self.text_prompt(self._model.prompt_tokens(text))

    def text_prompt(self, tokens: list[int]) -> Prompt:
        return Prompt(tokens, key=token_array(tokens))

    @property
    def template(self) -> ChatTemplate:
        return require_template(self._template)

    def _sampler(
        self, sampling: Sampling, end_tokens: Collection[int], matcher: Matcher | None
    ) -> Sampler:
        settings = SamplerSettings.of(sampling, self.info.num_ctx)
        if sampling.logit_bias is not UNSET:
            self._model.check([*sampling.logit_bias], "logit_bias")
        breakers = self._breakers.find(settings.dry_sequence_breakers) if settings.dry else {}
        never = self._model.end_tokens(Sampling()) if sampling.ignore_eos else ()
        return Sampler(
            sampling, settings, matcher, breakers=breakers, end_tokens=end_tokens, never=never
        )

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
                self._keep(self._row_prefix(row))
                self._remove(row)
        return outputs

    def batch_inputs(self, tokens: list[int]) -> dict[str, Any]:
        return self._batch.model_inputs(tokens)

    def _prefill(self, active: ActiveRequest) -> list[StepOutput]:
        """Compute a chunk of a prompt, and sample the first token after the last chunk."""
        generation = active.generation
        try:
            self._reuse(active)
            chunk, inputs = active.next_chunk(self._prefill_chunk)
            start, end = generation.num_computed_tokens, generation.num_computed_tokens + len(chunk)
            scored = generation.needed_logits(start, end)
            tokens = torch.tensor([chunk], device=self._model.placement.device)
            inputs = {"input_ids": tokens, **inputs}
            if scored:
                logits = self._model.logits(inputs, active.cache, len(chunk))[0].numpy()
            else:
                logits = self._model.forward(inputs, active.cache).numpy()
        except Exception as error:
            return self._fail([active], error)
        active.computed(len(chunk), self._prefill_chunk, steady=self._model.steady)
        outputs = self._score(active, {index: logits[index - start] for index in scored})
        if generation.finished:
            self._prefilling.remove(active)
            return outputs
        if generation.num_computed_tokens < len(generation.prompt):
            self._prefilling.append(self._prefilling.pop(0))  # prompts take turns
            return outputs + [(generation.id, item) for item in generation.reading()]
        self._prefilling.remove(active)
        outputs += self._sample(active, logits[-1])
        if generation.finished:
            self._keep(self._prompt_prefix(active))
        else:
            self._batch.add(active.cache, len(generation.prompt))
            self._decoding.append(active)
        return outputs

    def _reuse(self, active: ActiveRequest) -> None:
        """Start from the longest prefix, or go on from a longer one that was computed meanwhile."""
        generation = active.generation
        if generation.num_computed_tokens == 0:
            generation.begin()
            self._model.offset = None
        if generation.scores is not None:
            return  # the logits after each token are needed
        prefix = self._prefixes.find(active, self._held_by_others(active))
        if prefix is not None:
            active.start_from(prefix)
            self._model.offset = prefix.offset

    def _held_by_others(self, active: ActiveRequest) -> Iterator[Prefix | None]:
        yield from (self._prompt_prefix(other) for other in self._prefilling if other is not active)
        yield from map(self._row_prefix, range(len(self._decoding)))

    def _prompt_prefix(self, active: ActiveRequest) -> Prefix | None:
        """Return what a request has in its own cache."""
        state = state_of(active.cache, active.generation.num_computed_tokens)
        return active.prefix(state, self._model.offset)

    def _row_prefix(self, row: int) -> Prefix | None:
        """Return what a request has in the joint cache."""
        return self._decoding[row].prefix(self._batch.state(row), self._model.offset)

    def _keep(self, prefix: Prefix | None) -> None:
        """Keep the cache of a request that has ended, if there is memory."""
        if prefix is None:
            return
        try:
            self._prefixes.add(prefix)
        except (MemoryError, RuntimeError) as error:  # torch raises either
            log.warning("the cache of a request was not kept: %s", first_line(error))
            self._prefixes.clear()

    def _score(self, active: ActiveRequest, logits: dict[int, Any]) -> list[StepOutput]:
        """Return the outputs for tokens of the prompt; an error ends the request."""
        return self._outputs(active, lambda: active.generation.score(logits.items()))

    def _sample(self, active: ActiveRequest, logits: Any) -> list[StepOutput]:
        """Sample a token and return the outputs; an error ends the request."""
        return self._outputs(active, lambda: self._next_items(active, logits))

    def _outputs(self, active: ActiveRequest, items: Callable[[], list[Item]]) -> list[StepOutput]:
        try:
            return [(active.id, item) for item in items()]
        except Exception as error:
            active.generation.finished = True
            active.failed = True
            return [(active.id, request_error(error))]

    def _next_items(self, active: ActiveRequest, logits: Any) -> list[Item]:
        check_finite(logits)
        generation = active.generation
        if generation.max_tokens == 0:
            return generation.end_unsampled()
        token = generation.sampler.sample(logits, active.tokens)
        active.tokens.append(token)
        piece = self._model.token_to_piece(token)
        logprob = None
        if (top := generation.sampling.logprobs) is not UNSET:
            logprob = token_logprob(logits, token, top, self._model.token_to_piece.text, piece)
        if token in generation.end_tokens:
            return generation.accept_eos(token, logprob)
        return generation.accept(token, piece, logprob)

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
        ids = [active.id for active in requests]
        for active in [*requests]:
            active.failed = True  # some layers may have more tokens than others
            self.cancel(active.id)
        self._prefixes.clear()  # the reason may be a lack of memory
        return [(id_, failure) for id_ in ids]
