"""A model, its tokenizer, and what is known of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from msgspec import UNSET

from ...contract.errors import InvalidParameter, ModelLoadFailed, PowerError
from ...contract.parameters import LoadParameters
from ...store.staging import linked_directory
from ..base import Progress
from ..protocol import Load
from . import hqq
from .devices import Placement, place, use_threads
from .pieces import Pieces

#: Share of a load that reading the weights takes, where they are quantized then.
_READ = 0.3


class LoadedModel:
    """Safetensors only, code of the model's own never, nothing from the network.

    Raises
    ------
    ModelLoadFailed
    """

    def __init__(self, load: Load, progress: Progress, auto_class: Any) -> None:
        transformers.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        use_threads(load)
        self.parameters: LoadParameters = load.parameters
        self.placement: Placement = place(load)
        self.notes: tuple[str, ...] = ()
        with linked_directory(load.files) as directory, _explained():
            self.tokenizer = transformers.AutoTokenizer.from_pretrained(
                directory, trust_remote_code=False, local_files_only=True
            )
            self.model = self._read(directory, auto_class)
            self.load_more(directory)
        self._quantize(progress)
        self.model.eval()
        self.pieces = Pieces(self.tokenizer)
        self.config = self.model.config.get_text_config()

    def load_more(self, directory: Path) -> None:
        """For subclasses: what else there is in the directory."""

    @property
    def dtype(self) -> Any:
        """What the weights are loaded as; "auto" is what the model's files say."""
        return "auto"

    def _read(self, directory: Path, auto_class: Any) -> Any:
        return auto_class.from_pretrained(
            directory,
            dtype=self.dtype,
            device_map=self.placement.device_map,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
        )

    def _quantize(self, progress: Progress) -> None:
        kind = self.parameters.isq
        if kind is UNSET or kind == "none":
            progress(1.0)
            return
        progress(_READ)
        bits = hqq.BITS[kind]
        if not kind.startswith("HQQ"):
            self.notes = (f"Its layers are packed by HQQ at {bits} bits in place of {kind}.",)
        share = 1 - _READ
        hqq.quantize(
            self.packed, bits, self.model.dtype, lambda value: progress(_READ + value * share)
        )

    @property
    def packed(self) -> Any:
        """The part of the model that `isq` packs."""
        return self.model

    @property
    def trained_ctx(self) -> int:
        """Tokens of context that the model was made for; 0 if it does not say."""
        length = getattr(self.config, "max_position_embeddings", 0)
        return length if isinstance(length, int) else 0

    @property
    def num_ctx(self) -> int:
        return self.parameters.context_length(self.trained_ctx)

    @property
    def vocabulary(self) -> int:
        """Rows of the embedding; the tokenizer may have fewer tokens."""
        return int(self.config.vocab_size)

    @property
    def chat_template(self) -> str | None:
        if self.parameters.chat_template is not UNSET:
            return self.parameters.chat_template
        template = self.tokenizer.chat_template
        if isinstance(template, dict):
            template = template.get("default")
        return template if isinstance(template, str) else None

    def ends(self) -> list[int]:
        """The tokens that end an answer."""
        found = {self.tokenizer.eos_token_id}
        for config in (self.model.generation_config, self.config):
            ids = getattr(config, "eos_token_id", None)
            found |= set(ids) if isinstance(ids, list) else {ids}
        return sorted(token for token in found if isinstance(token, int))

    def tokenize(self, text: str) -> list[int]:
        """Token ids of `text`, with what the tokenizer puts around it unless it is there."""
        bos = self.tokenizer.bos_token
        framed = bool(bos) and text.startswith(bos)
        return list(self.tokenizer(text, add_special_tokens=not framed)["input_ids"])

    def check(self, tokens: list[int]) -> None:
        """Raises `InvalidParameter` for ids that the model does not have."""
        for token in tokens:
            if not 0 <= token < self.vocabulary:
                raise InvalidParameter(
                    f"Token id {token} is not in the model's vocabulary of {self.vocabulary} "
                    "tokens."
                )

    def forward(self, inputs: dict[str, Any], cache: Any) -> torch.Tensor:
        """The logits after the last token of each row, in float32 on the CPU; shape (rows,
        vocabulary)."""
        with torch.inference_mode():
            output = self.model(**inputs, cache=cache, use_cache=True, logits_to_keep=1)
            last: torch.Tensor = output.logits[:, -1].float().cpu()
        return last


class _explained:  # noqa: N801 - a context manager, used like a function
    """What transformers raises about a model, as an error that says what to do."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
            raise ModelLoadFailed(
                "There is not enough memory for the model. Unload others, or load it with isq."
            ) from error
        if isinstance(error, Exception) and not isinstance(error, PowerError):
            line = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
            raise ModelLoadFailed(
                f"transformers {transformers.__version__} cannot load this model: {line} (code "
                "that comes with a model is never run)."
            ) from error
