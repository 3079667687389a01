"""Load a cross-encoder with transformers: an encoder that gives one number for two texts."""

from __future__ import annotations

import inspect
from functools import cached_property
from pathlib import Path
from typing import Any

import transformers

from ...contract.errors import ModelLoadFailed
from ...store.formats.embedding_modules import MODULES
from ...store.formats.json_file import read_optional_object
from .model import EncoderModel, add_lowercase
from .pipeline import read_max_length, read_settings

#: Settings of the transformer in sentence-transformers' files, and the values of each that mean
#: what this engine computes.
_SUPPORTED: dict[str, tuple[Any, ...]] = {
    "transformer_task": (None, "sequence-classification"),
    "module_output_name": (None, "scores"),
    "processing_kwargs": (None, {}),
    "tokenizer_name_or_path": (None, ""),
    "modality_config": (None, {"text": {"method": "forward", "method_output_name": "logits"}}),
}


class CrossEncoder(EncoderModel):
    """A model with a classifier of one label."""

    def auto_class(self, directory: Path) -> Any:
        return transformers.AutoModelForSequenceClassification

    @property
    def pad_token(self) -> int:
        """The token before which a decoder with a classifier finds the last token of a text."""
        return self.config.pad_token_id or 0

    @property
    def pads(self) -> bool:
        """Whether the scores of texts do not depend on the padding behind them.

        XLNet takes the last token of a batch, and decoders find that of a text by the padding.
        """
        takes_last = getattr(self.config, "summary_type", None) == "last"
        return self.config.pad_token_id is not None and not takes_last

    @cached_property
    def has_token_types(self) -> bool:
        """Whether the tokenizer tells the query from the document, and the model uses that."""
        accepted = inspect.signature(self.model.forward).parameters
        return "token_type_ids" in accepted and "token_type_ids" in self.tokenizer.model_input_names

    def load_more(self, directory: Path) -> None:
        if (directory / MODULES).exists():
            self._read_settings(directory)
            _check_prompts(directory)

    def _read_settings(self, directory: Path) -> None:
        config, name = read_settings(directory, _SUPPORTED)
        self.max_length = read_max_length(config, name)
        if config.get("do_lower_case"):
            add_lowercase(self.tokenizer.backend_tokenizer)


def _check_prompts(directory: Path) -> None:
    name = "config_sentence_transformers.json"
    default = read_optional_object(directory / name).get("default_prompt_name")
    if default is not None:
        raise ModelLoadFailed(
            f"The default_prompt_name {default!r} in {name} is not supported for a cross-encoder."
        )
