"""Load a model and its tokenizer with transformers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import transformers
from msgspec import UNSET

from ...contract.errors import (
    InvalidModelDirectory,
    InvalidParameter,
    ModelLoadFailed,
    PowerError,
)
from ...contract.parameters import LoadParameters
from ...contract.text import quoted
from ...contract.types import Sampling
from ...store.formats.positions import position_count
from ...store.staging import linked_directory
from ..base import ProgressCallback, first_line
from ..checks import TextLimit, check_pieces, check_token_ids
from ..effects import Runner, notes_on_effects
from ..fill_in import FillInTokens, find_fill_in, require_fill_in, without_space
from ..heartbeat import HEARTBEAT
from ..protocol import Load
from ..template import TemplateSources
from ..threads import CpuThreads
from . import hqq
from .devices import Placement, choose_placement, gpu_count
from .template_files import drop_unreadable_templates
from .tokenizer import TokenBytes, read_tokenizer, text_limit
from .weights import load_weights

#: Tables of positions of a language model: beyond their end there is no position.
_POSITION_TABLE = re.compile(
    r"^(?!.*(vision|visual|image)).*(position_embeddings?|embed_positions|wpe)(\.weight)?$"
)

#: Progress at which the weights are read and their quantization begins.
_READ = 0.3


class LoadedModel:
    """A model in safetensors with its tokenizer.

    The model's own code is never run, and nothing is fetched from the network.

    Attributes
    ----------
    unneeded : tuple of str
        Prefixes of tensors that have no influence on the results and may be missing.
    token_to_piece : TokenBytes
        Returns a token's contribution to the text.
    notes : tuple of str
        Messages for the user about how the model was loaded.

    Raises
    ------
    ModelLoadFailed
        If transformers cannot load the model, or there is not enough memory.
    """

    unneeded: tuple[str, ...] = ()
    runner: Runner = "transformers"

    #: What the model remembers of a request's positions, in families that do.
    offset: Any = None

    def __init__(self, load: Load, progress: ProgressCallback) -> None:
        transformers.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        self.parameters: LoadParameters = load.parameters
        self.threads = CpuThreads.from_parameters(load.parameters)
        torch.set_num_threads(self.threads.limit)
        self.placement: Placement = choose_placement(load)
        self.notes = notes_on_effects(load.parameters, self.runner, gpus=gpu_count())
        with linked_directory(load.files) as directory, _load_errors(directory):
            self._template_problem = drop_unreadable_templates(directory)
            self.tokenizer = read_tokenizer(directory)
            self.model = self._read(directory)
            self.load_more(directory)
        self._quantize(progress)
        self.model.eval()
        _send_heartbeats(self.model)
        self.token_to_piece = TokenBytes(self.tokenizer)
        self.config = self.model.config.get_text_config()
        self._note_limit()

    @property
    def steady(self) -> bool:
        """Whether the current number of threads does not depend on what else the machine does."""
        return self.placement.gpu or torch.get_num_threads() == self.threads.steady

    def set_threads(self, *, steady: bool = False) -> None:
        """Set torch's number of CPU threads for the next computation.

        Parameters
        ----------
        steady : bool
            Use a number that does not depend on what else the machine does. torch's sums depend on
            the number of threads.
        """
        torch.set_num_threads(self.threads.steady if steady else self.threads.next_count())

    def load_more(self, directory: Path) -> None:
        """Load other files of the directory. Overridden by subclasses."""

    @property
    def dtype(self) -> Any:
        """The dtype to load the weights in; "auto" keeps the dtype of the files."""
        return "auto"

    def auto_class(self, directory: Path) -> Any:
        """Return the transformers class to load the model with. Overridden by subclasses."""
        return transformers.AutoModelForCausalLM

    def _read(self, directory: Path) -> Any:
        model, unused = load_weights(
            directory,
            self.auto_class(directory),
            self.unneeded,
            dtype=self.dtype,
            device_map=self.placement.device_map,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
        )
        self.note_unused(unused)
        return model

    def note_unused(self, names: list[str]) -> None:
        """Add a note about tensors of other parts than those that were loaded."""
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            self.notes += (f"Not used: the tensors {names[0]}{more} of the model's files.",)

    def _quantize(self, progress: ProgressCallback) -> None:
        kind = self.parameters.isq
        if kind is UNSET or kind == "none":
            progress(1.0)
            return
        progress(_READ)
        bits = hqq.BITS[kind]
        if not kind.startswith("HQQ"):
            self.notes += (f"Quantized by HQQ with {bits} bits instead of {kind}.",)
        hqq.quantize(
            self.quantizable,
            bits,
            self.model.dtype,
            lambda value: progress(_READ + value * (1 - _READ)),
        )

    @property
    def quantizable(self) -> Any:
        """The part of the model that `isq` quantizes."""
        return self.model

    @cached_property
    def trained_ctx(self) -> int:
        """Context length that the model was trained for; 0 if unknown."""
        settings = {**self.config.to_dict(), "model_type": self.config.model_type}
        if "max_position_embeddings" in self.config.attribute_map:
            settings["max_position_embeddings"] = self.config.max_position_embeddings
        count = position_count(settings)
        return 0 if count is UNSET else count

    @cached_property
    def position_limit(self) -> int | None:
        """Number of positions in the model's table; None if it computes its positions."""
        tensors = (*self.model.named_parameters(), *self.model.named_buffers())
        has_table = any(_POSITION_TABLE.search(name) for name, _ in tensors)
        return self.trained_ctx if has_table and self.trained_ctx else None

    def _note_limit(self) -> None:
        num_ctx = self.parameters.num_ctx
        if num_ctx is not UNSET and num_ctx > self.num_ctx:
            self.notes += (f"num_ctx is {self.num_ctx}, the most that this model can process.",)

    @property
    def num_ctx(self) -> int:
        """Tokens of context for each request."""
        length = self.parameters.context_length(self.trained_ctx)
        return length if self.position_limit is None else min(length, self.position_limit)

    @property
    def vocab_size(self) -> int:
        """Rows of the embedding matrix. The tokenizer may have fewer tokens."""
        return len(self.model.get_input_embeddings().weight)

    @property
    def chat_templates(self) -> TemplateSources | None:
        """The template in the load parameters, else the model's own."""
        if self.parameters.chat_template is not UNSET:
            return TemplateSources(self.parameters.chat_template)
        found = named_templates(self.tokenizer.chat_template)
        if found is None and self._template_problem:
            return TemplateSources("", problem=self._template_problem)
        return found

    @property
    def eos_token_ids(self) -> list[int]:
        """The tokens that end an answer."""
        token_ids = {self.tokenizer.eos_token_id}
        for config in (self.model.generation_config, self.config):
            ids = getattr(config, "eos_token_id", None)
            token_ids |= set(ids) if isinstance(ids, list) else {ids}
        return sorted(token for token in token_ids if isinstance(token, int))

    def end_tokens(self, sampling: Sampling) -> frozenset[int]:
        """Return the tokens that end the answer to a request.

        Raises
        ------
        InvalidParameter
            If `stop_token_ids` has an unknown token.
        """
        self.check(list(sampling.stop_token_ids), "stop_token_ids")
        stop = () if sampling.stop is UNSET else sampling.stop
        special = {token for text in stop for token in self.token_to_piece.special(text)}
        found = {*self.eos_token_ids, *special, *sampling.stop_token_ids}
        return frozenset(token for token in found if token < self.vocab_size)

    def special_texts(self) -> dict[int, str]:
        """Return the texts of the special tokens that do not end an answer."""
        texts = self.token_to_piece.special_texts()
        return {token: text for token, text in texts.items() if token not in self.eos_token_ids}

    def plain_tokens(self, text: str) -> list[int]:
        """Return the token ids of a text, without the special tokens around it."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    @cached_property
    def longest_text(self) -> TextLimit:
        """The longest text that tokens can hold."""
        return text_limit(self.tokenizer)

    def tokenize(self, text: str) -> list[int]:
        """Return the token ids of a text to continue, which has to fit into the context.

        Raises
        ------
        ContextLengthExceeded
            If it does not fit.
        """
        self.check_length(text)
        return self.prompt_tokens(text)

    def prompt_tokens(self, text: str) -> list[int]:
        """Return the token ids of a text to continue.

        It begins with the special tokens that the tokenizer adds before a text, unless the text has
        them itself. Those after a text are left out.
        """
        tokens = self._checked_tokens(text)
        first = self.first_tokens
        return tokens if tokens[: len(first)] == first else [*first, *tokens]

    def fill_in(self, before: str | list[int], after: str) -> list[int]:
        """Return a prompt for the text between two texts.

        Raises
        ------
        UnsupportedRequestFields
            If the model has no tokens for fill-in-the-middle.
        """
        tokens = require_fill_in(self._fill_in_tokens)
        for text in (before, after):
            if isinstance(text, str):
                self.check_length(text)
        before = self._checked_tokens(before) if isinstance(before, str) else before
        first = self.tokenizer.convert_ids_to_tokens(self.plain_tokens("a")[:1])
        adds_space = bool(first) and first[0].startswith("\u2581")
        last = without_space(self.plain_tokens, after) if adds_space else self.plain_tokens(after)
        self.check_text(last)
        return tokens.prompt(self.first_tokens, before, last)

    def check_length(self, text: str) -> None:
        """Raise `ContextLengthExceeded` if the context cannot hold a text."""
        if len(text) * 4 > self.num_ctx:  # each token covers at least one of at most 4 bytes
            self.longest_text.check(text, self.num_ctx)
            check_pieces(text, self.num_ctx, lambda part: len(self.plain_tokens(part)))

    def _checked_tokens(self, text: str) -> list[int]:
        tokens = self.plain_tokens(text)
        self.check_text(tokens)
        return tokens

    @cached_property
    def _fill_in_tokens(self) -> FillInTokens | None:
        vocabulary = self.tokenizer.get_vocab()
        return find_fill_in({name: t for name, t in vocabulary.items() if t < self.vocab_size})

    @cached_property
    def first_tokens(self) -> list[int]:
        """The special tokens that the tokenizer adds before a text."""
        plain = self.plain_tokens("a")
        whole = list(self.tokenizer("a")["input_ids"])
        added = len(whole) - len(plain)
        return next((whole[:n] for n in range(added + 1) if whole[n : n + len(plain)] == plain), [])

    def starts_with_bos(self, text: str) -> bool:
        """Whether the text already begins with the begin-of-sequence token."""
        bos = self.tokenizer.bos_token
        return bool(bos) and text.startswith(bos)

    def check(self, tokens: list[int], param: str) -> None:
        """Raise `InvalidParameter` if an id in a field is not in the vocabulary."""
        check_token_ids(tokens, self.vocab_size, param)

    def check_text(self, tokens: list[int]) -> None:
        """Raise `InvalidParameter` if the embedding matrix has no row for a token of a text."""
        largest = max(tokens, default=0)
        if largest >= self.vocab_size:
            raise InvalidParameter(
                f"The text contains {quoted(self.tokenizer.convert_ids_to_tokens(largest))}, which "
                f"is token {largest} of the tokenizer, but the model has only {self.vocab_size} "
                "tokens. Remove it from the text, or use a model that belongs to its tokenizer."
            )

    def forward(self, inputs: dict[str, Any], cache: Any) -> torch.Tensor:
        """Return the logits after the last token of each row; shape (rows, vocabulary)."""
        return self.logits(inputs, cache, 1)[:, -1]

    def logits(self, inputs: dict[str, Any], cache: Any, keep: int) -> torch.Tensor:
        """Return the logits after the last `keep` tokens of each row.

        Returns
        -------
        Tensor
            In float32 on the CPU; shape (rows, keep, vocabulary).
        """
        with torch.inference_mode():
            output = self.model(**inputs, cache=cache, use_cache=True, logits_to_keep=keep)
            last: torch.Tensor = output.logits[:, -keep:].float().cpu()
        return last


@contextmanager
def _load_errors(directory: Path) -> Iterator[None]:
    """Convert exceptions to `ModelLoadFailed`, without the path of the temporary directory."""
    try:
        yield
    except InvalidModelDirectory as error:
        message = error.message.replace(f"{directory}/", "")
        raise ModelLoadFailed(message.replace(str(directory), "The model")) from None
    except PowerError:
        raise
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise ModelLoadFailed(
            "There is not enough memory for the model. Unload other models, or load it with isq."
        ) from error
    except Exception as error:
        reason = first_line(error).replace(str(directory), "its directory")
        raise ModelLoadFailed(
            f"transformers {transformers.__version__} cannot load this model: {reason} (its "
            "own code is never run)."
        ) from error


def _send_heartbeats(model: Any) -> None:
    """Send a heartbeat after each layer."""
    for module in model.modules():
        if isinstance(module, torch.nn.ModuleList):
            for layer in module:
                layer.register_forward_hook(_after_layer)


def _after_layer(*_arguments: object) -> None:
    HEARTBEAT.beat()


def named_templates(found: Any) -> TemplateSources | None:
    """Return the templates of a tokenizer or a processor: one, or several by their names."""
    if isinstance(found, str):
        found = {"default": found}
    if not isinstance(found, dict):
        return None
    return TemplateSources.from_names({k: v for k, v in found.items() if isinstance(v, str)})
