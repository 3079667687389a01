"""The transformers engine: one forward a step for all that generate, and a piece of one prompt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
import transformers
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
    Started,
)
from ..base import Engine, Progress, StepOutput
from ..generation import Generation
from ..protocol import Load, Loaded
from ..sampling import token_logprob
from ..template import ChatTemplate
from ..text import TextStream
from .batch import Batch, fits, is_plain, new_cache
from .model import LoadedModel
from .sampler import Sampler
from .schema import SchemaCompiler

#: Requests that are generated at once, unless `num_parallel` says otherwise. Their caches grow
#: as they are needed, so that a slot that nobody uses costs nothing.
DEFAULT_SLOTS = 4

#: Tokens of a prompt that are read in one step: a cancelled prompt ends with its step.
CPU_CHUNK = 128
GPU_CHUNK = 1024


@dataclass
class Active:
    """A request in a slot.

    `cache` is its own until its prompt is read, and the batch's from then on. `inputs` are what
    the model gets beside the tokens of the prompt, images above all: such a prompt is read whole.
    """

    generation: Generation[Sampler]
    cache: Any
    inputs: dict[str, Any] = field(default_factory=dict)
    past: list[int] = field(default_factory=list)


class TransformersEngine(Engine):
    """Chat and completions of one model."""

    def __init__(self, model: LoadedModel, slots: int) -> None:
        self._model = model
        self._batch = Batch(model.placement.device)
        self._reading: list[Active] = []
        self._writing: list[Active] = []  # in the order of the batch's rows
        self._ends = set(model.ends())
        self._schemas = SchemaCompiler(model.tokenizer, model.vocabulary, model.ends())
        self._template = self._make_template()
        self._chunk = GPU_CHUNK if model.placement.gpu else CPU_CHUNK
        self.info = Loaded(
            slots=slots,
            num_ctx=model.num_ctx,
            device=model.placement.name,
            device_bytes=model.placement.used_bytes(),
            notes=model.notes,
        )

    @classmethod
    def load(cls, load: Load, progress: Progress) -> TransformersEngine:
        model = LoadedModel(load, progress, transformers.AutoModelForCausalLM)
        _require_plain_cache(model)
        asked = load.parameters.num_parallel
        return cls(model, DEFAULT_SLOTS if asked is UNSET else asked)

    # ------------------------------------------------------------ requests

    def submit(self, id_: int, request: Request) -> None:
        if isinstance(request, EmbeddingRequest):
            raise UnsupportedRequestFields(
                "This model writes text and gives no embeddings; register one that does, with "
                'format "huggingface".'
            )
        tokens, inputs = self.prompt(request)
        self._check_length(tokens)
        sampling = request.sampling
        if sampling.logit_bias is not UNSET:
            self._model.check([*sampling.logit_bias])
        matcher = None
        if sampling.json_schema is not UNSET:
            matcher = self._schemas.matcher(sampling.json_schema)
        room = self.info.num_ctx - len(tokens)
        generation = Generation(
            id=id_,
            prompt=tokens,
            sampling=sampling,
            sampler=Sampler(sampling, matcher),
            text=TextStream(() if sampling.stop is UNSET else sampling.stop),
            max_tokens=room if sampling.max_tokens is UNSET else min(sampling.max_tokens, room),
            echo=self._echo(request),
        )
        self._reading.append(Active(generation, new_cache(), inputs, list(tokens)))

    def cancel(self, id_: int) -> None:
        self._reading = [a for a in self._reading if a.generation.id != id_]
        for row, active in enumerate(self._writing):
            if active.generation.id == id_:
                self._leave(row)
                break

    @property
    def idle(self) -> bool:
        return not self._reading and not self._writing

    def prompt(self, request: ChatRequest | CompletionRequest) -> tuple[list[int], dict[str, Any]]:
        """The tokens of a request, and what else the model is given with them."""
        if isinstance(request, ChatRequest):
            text = self.template.render(request.messages)
            return self._model.tokenize(text), {}
        if isinstance(request.prompt, str):
            return self._model.tokenize(request.prompt), {}
        self._model.check(request.prompt)
        return list(request.prompt), {}

    @property
    def template(self) -> ChatTemplate:
        """Raises `UnsupportedRequestFields` where the model has none."""
        if self._template is None:
            raise UnsupportedRequestFields(
                "This model has no chat template: ask it at /v1/completions, or register it "
                "with default_parameters.chat_template.",
                param="messages",
            )
        return self._template

    def _make_template(self) -> ChatTemplate | None:
        source = self._model.chat_template
        if source is None:
            return None
        tokenizer = self._model.tokenizer
        return ChatTemplate(
            source, bos_token=tokenizer.bos_token or "", eos_token=tokenizer.eos_token or ""
        )

    def _check_length(self, tokens: list[int]) -> None:
        if not tokens:
            raise InvalidParameter("The prompt is empty; give at least one token.", param="prompt")
        if len(tokens) >= self.info.num_ctx:
            raise ContextLengthExceeded(
                f"The prompt has {len(tokens)} tokens and the model's context holds "
                f"{self.info.num_ctx}, the answer included. Shorten it, or load the model with "
                f"a larger num_ctx (it was trained for {self._model.trained_ctx})."
            )

    def _echo(self, request: ChatRequest | CompletionRequest) -> str:
        if isinstance(request, ChatRequest) or not request.echo:
            return ""
        if isinstance(request.prompt, str):
            return request.prompt
        return b"".join(map(self._model.pieces, request.prompt)).decode("utf-8", "replace")

    # ------------------------------------------------------------ a step

    def step(self) -> list[StepOutput]:
        outputs = self._write() if self._writing else []
        if self._reading:
            outputs += self._read(self._reading[0])
        return outputs

    def _write(self) -> list[StepOutput]:
        """One more token for every request whose prompt is read."""
        tokens = [a.past[-1] for a in self._writing]
        try:
            logits = self._model.forward(self.batch_inputs(tokens), self._batch.cache).numpy()
        except (RuntimeError, MemoryError) as error:
            return self._fail(self._writing, error)
        outputs: list[StepOutput] = []
        for row in reversed(range(len(self._writing))):
            active = self._writing[row]
            items = self._advance(active, logits[row])
            outputs += [(active.generation.id, item) for item in items]
            if items and isinstance(items[-1], Finished):
                self._leave(row)
        return outputs

    def batch_inputs(self, tokens: list[int]) -> dict[str, Any]:
        return self._batch.inputs(tokens)

    def _read(self, active: Active) -> list[StepOutput]:
        """A piece of a prompt; when it is read, the first token of the answer."""
        generation = active.generation
        end = len(generation.prompt) if active.inputs else generation.done + self._chunk
        chunk = generation.prompt[generation.done : end]
        try:
            logits = self._model.forward(self._prompt_inputs(active, chunk), active.cache)
        except (RuntimeError, MemoryError) as error:
            return self._fail([active], error)
        generation.done += len(chunk)
        if generation.done < len(generation.prompt):
            self._reading.append(self._reading.pop(0))  # the next step is another one's
            return []
        self._reading.remove(active)
        items = self._advance(active, logits[0].numpy())
        if not (items and isinstance(items[-1], Finished)):
            self._batch.join(active.cache, len(generation.prompt))
            self._writing.append(active)
        return [(generation.id, item) for item in items]

    def _prompt_inputs(self, active: Active, chunk: list[int]) -> dict[str, Any]:
        device = self._model.placement.device
        return {"input_ids": torch.tensor([chunk], device=device), **active.inputs}

    def _leave(self, row: int) -> None:
        del self._writing[row]
        self._batch.leave(row)

    def _fail(self, actives: list[Active], error: Exception) -> list[StepOutput]:
        """End requests that the model could not go on with; the others lose nothing."""
        failed: PowerError = ModelLoadFailed(
            f"The model could not compute: {str(error).splitlines()[0][:300]}. Load it with a "
            "smaller num_ctx or fewer requests at once (num_parallel)."
        )
        ids = [active.generation.id for active in actives]
        for id_ in ids:
            self.cancel(id_)
        return [(id_, failed) for id_ in ids]

    def _advance(self, active: Active, logits: Any) -> list[Item]:
        """Draw a request's next token and say what it brought."""
        generation = active.generation
        items: list[Item] = []
        if not generation.started:
            generation.started = True
            items.append(Started(len(generation.prompt), 0))
            if generation.echo:
                items.append(Delta(generation.echo))
        token = generation.sampler.sample(logits, active.past)
        active.past.append(token)
        generation.next_token = token
        if token in self._ends:
            return items + generation.finished("stop")
        return items + self._extend(generation, token, logits)

    def _extend(
        self, generation: Generation[Sampler], token: int, logits: Any
    ) -> list[Delta | Finished]:
        generation.generated += 1
        pieces = self._model.pieces
        asked = generation.sampling.logprobs
        if asked is not UNSET:
            generation.logprobs.append(token_logprob(logits, token, asked, pieces))
        text = generation.text.push(pieces(token))
        if generation.text.stopped:
            return [*generation.delta(text), *generation.finished("stop")]
        if generation.generated >= generation.max_tokens:
            return [*generation.delta(text), *generation.finished("length")]
        return generation.delta(text)


def _require_plain_cache(model: LoadedModel) -> None:
    """Refuse what the batch cannot join, and try the rest by letting it read one token.

    Raises
    ------
    ModelLoadFailed
        A recurrent or hybrid model, or one that cannot compute here at all.
    """
    cache = new_cache()
    joins = fits(model.model.config)
    if joins:
        inputs = {"input_ids": torch.tensor([[0]], device=model.placement.device)}
        try:
            model.forward(inputs, cache)
        except (RuntimeError, TypeError, AttributeError, ValueError, IndexError) as error:
            raise ModelLoadFailed(
                f"The model cannot compute: {str(error).splitlines()[0][:300]}."
            ) from error
    if not joins or not is_plain(cache):
        raise ModelLoadFailed(
            "This model does not remember what it read as keys and values; recurrent and hybrid "
            "models run as GGUF only."
        )
