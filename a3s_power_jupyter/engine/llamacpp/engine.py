"""Run GGUF models on llama.cpp, with one batch per step for all requests."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import llama_cpp as lc
from msgspec.structs import replace

from ...contract.errors import InvalidParameter
from ...contract.types import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Request,
    RerankRequest,
)
from ...contract.types.tokens import IMAGE_TOKEN
from ..base import Engine, ProgressCallback, StepOutput
from ..capacity import EMBEDDING_REQUESTS
from ..chat.answers import Answers
from ..chat.prompt_end import PromptEnd
from ..checks import check_prompt
from ..constraints.compiler import ConstraintCompiler
from ..embedding_texts import only_embeds
from ..generation import Generation
from ..pairs import only_ranks
from ..prompt_cache import PromptCache
from ..protocol import Load, Loaded, Stats
from ..rendering.renderer import renderer
from ..template import ChatTemplate, as_text, options_of, require_template
from ..tokens import check_messages
from .backend import gpus, install_log, list_devices
from .constraint_tokenizer import new_tokenizer
from .context import Context, State
from .decoder import Aborted, Decoder
from .embedder import Embedder
from .memory import Memory
from .model import LlamaModel
from .prompt import Prompt
from .reranker import RankingJob, Reranker
from .sampler import Sampler
from .saved import prompt_files
from .text import TextGenerator
from .text_reader import EmbeddingJob
from .tokenizer import LlamaTokenizer
from .usage import memory_of, sizes

if TYPE_CHECKING:
    from .vision import Projector

#: Tokens between the boundaries from which a request with a seed may start, on a CPU. Such requests
#: read their prompts in chunks of this size; on a GPU, a chunk is a batch.
CPU_CHUNK = 128

#: Stands for an image in a prompt that is shown, as in llama.cpp's server.
IMAGE_MARKER = "<__media__>"


@dataclass(frozen=True)
class TextJob:
    """A prepared request for text."""

    generation: Generation[Sampler]
    prompt: Prompt


#: A prepared request.
Job = TextJob | EmbeddingJob | RankingJob


class LlamaCppEngine(Engine[Job]):
    """Chat, completions, embeddings and reranking of one GGUF model.

    Parameters
    ----------
    text : TextGenerator or None
        None for a model that only embeds or ranks documents.
    projector : Projector or None
        Encodes images, if the model has an mmproj.
    """

    def __init__(
        self,
        model: LlamaModel,
        info: Loaded,
        text: TextGenerator | None,
        projector: Projector | None,
    ) -> None:
        self.info = info
        self.threads = model.threads
        self._model = model
        self._vocab = model.vocab
        self._text = text
        self._projector = projector
        self._embedder = Embedder(model)
        self._reranker = Reranker(model)
        self.tokenizer = LlamaTokenizer(model.vocab, only_embeds=text is None)
        self.constraints = ConstraintCompiler(lambda: new_tokenizer(model.vocab))
        self._template = None if text is None else _load_template(model, info.num_ctx)
        if self._template is not None:
            self.info = replace(
                info,
                notes=info.notes + self._template.notes,
                template_capabilities=self._template.format.capabilities,
            )
        self._answers = Answers(self._template, model.vocab.special_texts, self.constraints)

    @classmethod
    def load(cls, load: Load, progress: ProgressCallback) -> LlamaCppEngine:
        install_log()
        with sizes() as found:
            model = LlamaModel(load, progress)
            if model.generates:
                renderer().start()
            projector = _load_projector(load.mmproj, model)
            text = _new_generator(load, model, projector) if model.generates else None
        image_bytes = 0 if load.mmproj is None else Path(load.mmproj).stat().st_size
        taken = {gpu.name: found.devices.get(gpu.name, 0) for gpu in gpus(list_devices())}
        if taken and model.gpu_layers:  # the projector is on the first one
            taken[next(iter(taken))] += image_bytes
        info = Loaded(
            slots=EMBEDDING_REQUESTS if text is None else text.n_slots,
            num_ctx=_num_ctx(model, text),
            device=model.device,
            memory=memory_of(model, found, image_bytes),
            gpus={name: size for name, size in taken.items() if size},
            notes=model.notes,
        )
        return cls(model, info, text, projector)

    def prepare(self, id_: int, request: Request) -> Job:
        if isinstance(request, RerankRequest):
            return self._reranker.prepare(id_, request)
        if self._model.ranks:
            raise only_ranks()
        if isinstance(request, EmbeddingRequest):
            return self._embedder.prepare(id_, request)
        if self._text is None:
            raise only_embeds()
        prompt = self._prompt(request, self._text.context)
        check_prompt(
            prompt.tokens,
            num_ctx=self.info.num_ctx,
            trained_ctx=self._model.trained_ctx,
            max_tokens=request.sampling.max_tokens,
        )
        num_ctx, end_tokens = self.info.num_ctx, self._vocab.end_tokens(request.sampling)
        matcher = self._answers.matcher(request, prompt.end)
        sampler = Sampler(
            request.sampling,
            self._vocab,
            matcher,
            prompt.tokens,
            num_ctx=num_ctx,
            end_tokens=end_tokens,
        )
        generation = Generation.from_request(
            id_,
            request,
            prompt.tokens,
            sampler,
            num_ctx=num_ctx,
            end_tokens=end_tokens,
            token_to_text=self._vocab.token_to_text,
            answer=self._answers.new(request, prompt.end, sampler.constrain),
        )
        return TextJob(generation, prompt)

    def render(self, chat: ChatRequest) -> tuple[str, list[int]]:
        if self._text is None:
            raise only_ranks() if self._model.ranks else only_embeds()
        text, prompt = self._rendered(chat, lambda text: check_messages(text, self.info.num_ctx))
        if self._projector is not None:
            text = text.replace(self._projector.marker, IMAGE_MARKER)
        return text, [token if token >= 0 else IMAGE_TOKEN for token in prompt.tokens]

    def submit(self, prepared: Job) -> None:
        if isinstance(prepared, EmbeddingJob):
            self._embedder.add(prepared)
        elif isinstance(prepared, RankingJob):
            self._reranker.add(prepared)
        elif self._text is not None:
            self._text.add(prepared.generation, prepared.prompt)

    def cancel(self, id_: int) -> None:
        self._embedder.cancel(id_)
        self._reranker.cancel(id_)
        if self._text is not None:
            self._text.cancel(id_)

    def reset(self) -> None:
        self._embedder.reset()
        self._reranker.reset()
        if self._text is not None:
            self._text.reset()

    def save(self, deadline: float) -> None:
        if self._text is not None:
            self._text.save(deadline)

    def stats(self) -> Stats | None:
        return None if self._text is None else self._text.stats()

    @property
    def idle(self) -> bool:
        encodes = not (self._embedder.idle and self._reranker.idle)
        return not encodes and (self._text is None or self._text.idle)

    def step(self) -> list[StepOutput]:
        outputs: list[StepOutput] = []
        with suppress(Aborted):  # the worker now cancels the requests for which the step was ended
            if self._text is not None:
                outputs += self._text.step(self.threads)
            generates = self._text is not None and self._text.generates
            outputs += self._embedder.step(others_generate=generates)
            outputs += self._reranker.step()
        return outputs

    # ------------------------------------------------------------ prompts

    def _prompt(self, request: ChatRequest | CompletionRequest, context: Context) -> Prompt:
        if isinstance(request, ChatRequest):
            return self._chat_prompt(request, context)
        if isinstance(request.prompt, list):
            self._vocab.check(request.prompt, "prompt")
        if request.suffix:
            return Prompt(self._fill_in(request))
        if isinstance(request.prompt, str):
            return Prompt(self._tokenize(request.prompt))
        return Prompt(list(request.prompt))

    def _fill_in(self, request: CompletionRequest) -> list[int]:
        for text in (request.prompt, request.suffix):
            if isinstance(text, str):
                self._vocab.check_length(text, self.info.num_ctx)
        return self._vocab.fill_in(request.prompt, request.suffix)

    def _chat_prompt(self, request: ChatRequest, context: Context) -> Prompt:
        text, prompt = self._rendered(request, self._check_length)
        if prompt.images and self._projector is not None:
            self._projector.check(prompt, context.pointer)
        prompt.end = PromptEnd.of(text, request, require_template(self._template).format)
        return prompt

    def _rendered(self, request: ChatRequest, check: Callable[[str], None]) -> tuple[str, Prompt]:
        """Return the text of a prompt and its tokens. `check` raises if the text is too long."""
        template = require_template(self._template)
        if not request.images:
            text = template.render(request.messages, options_of(request))
            check(text)
            return text, Prompt(self._vocab.tokenize_prompt(text))
        projector = self._projector
        if projector is None:
            raise InvalidParameter(
                "The model does not support images. Send text only.", param="messages"
            )
        messages = as_text(request.messages, projector.marker)
        text = template.render(messages, options_of(request))
        check(text)
        add_special = not self._vocab.starts_with_bos(text)
        return text, projector.tokenize(text, request.images, add_special=add_special)

    def _tokenize(self, text: str) -> list[int]:
        self._check_length(text)
        return self._vocab.tokenize_prompt(text)

    def _check_length(self, text: str) -> None:
        self._vocab.check_length(text, self.info.num_ctx)


def _num_ctx(model: LlamaModel, text: TextGenerator | None) -> int:
    """Return the tokens of a request, which llama.cpp may have rounded up."""
    if text is None:
        return model.num_ctx
    n_ctx = int(lc.llama_n_ctx_seq(text.context.pointer))
    return n_ctx if model.position_limit is None else min(n_ctx, model.position_limit)


def _load_template(model: LlamaModel, num_ctx: int) -> ChatTemplate | None:
    sources = model.chat_templates()
    if sources is None:
        return None
    vocab = model.vocab
    return ChatTemplate(
        sources, bos_token=vocab.bos_text, eos_token=vocab.eos_text, num_ctx=num_ctx
    )


def _load_projector(mmproj: str | None, model: LlamaModel) -> Projector | None:
    if mmproj is None:
        return None
    # Imported on first use, because llama-cpp-python can be built without mtmd (LLAVA_BUILD=OFF).
    from .vision import Projector

    n_threads = model.threads.limit  # mtmd cannot change it later
    return Projector(mmproj, model.pointer, n_threads=n_threads, gpu=model.gpu_layers != 0)


def _new_generator(load: Load, model: LlamaModel, projector: Projector | None) -> TextGenerator:
    image_batch = projector.min_batch if projector is not None and projector.non_causal else 0
    fields = model.text_context(image_batch=image_batch)
    pointer = model.new_context(**fields)
    is_recurrent = bool(lc.llama_model_is_recurrent(model.pointer))
    context = Context(pointer, is_recurrent=is_recurrent, can_cut=model.can_share_memory)
    n_batch = fields["n_batch"]
    on_cpu = model.device == "cpu"
    chunk = min(n_batch, CPU_CHUNK) if on_cpu else n_batch
    limit = 0 if load.prompt_cache is None else load.prompt_cache.memory_bytes
    files = prompt_files(load, model, {**fields, "chunk": chunk})
    cache = PromptCache[State](limit, () if files is None else files.load())
    memory = Memory(context, n_slots=fields["n_seq_max"], chunk=chunk, cache=cache, files=files)
    decoder = Decoder(pointer, gpu=model.gpu_layers != 0)
    return TextGenerator(memory, decoder, model.vocab, projector, n_batch=n_batch, on_cpu=on_cpu)
