"""Run vision-language models on transformers, with prompts made by their processors."""

from __future__ import annotations

import hashlib
import threading
from array import array
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import transformers
from msgspec import UNSET
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

from ...contract.errors import InvalidParameter, ModelLoadFailed
from ...contract.types import ChatRequest, CompletionRequest
from .. import images
from ..base import ProgressCallback, first_line
from ..prompt_cache import token_array
from ..protocol import Load
from ..rendering.messages import in_parts
from ..rendering.renderer import renderer
from ..template import TemplateSources, as_text, options_of
from .engine import TransformersEngine
from .joining import require_attention_layers
from .model import LoadedModel, named_templates
from .request import Prompt
from .rotary import fix_frequencies
from .text_tokens import ModelTokenizer

#: Families in which text after the last image depends on the cache, its number of tokens and
#: `VisionModel.offset` only, as tests/engine/test_transformers_vision_reuse.py shows for each. In
#: others, such as PaliGemma, tokens may also depend on later ones.
CAUSAL_FAMILIES = {
    "gemma3", "idefics2", "idefics3", "llava", "qwen2_5_vl", "qwen2_vl", "qwen3_vl",
}  # fmt: skip


class VisionModel(LoadedModel):
    """A model with its family's processor.

    Raises
    ------
    ModelLoadFailed
        If transformers has no processor for the family.
    """

    runner = "vision"
    processor: Any

    def auto_class(self, directory: Path) -> Any:
        return transformers.AutoModelForImageTextToText

    def load_more(self, directory: Path) -> None:
        processor_class = PROCESSOR_MAPPING.get(type(self.model.config), None)
        if processor_class is None:
            raise ModelLoadFailed(
                f"transformers {transformers.__version__} has no image processor for the model "
                f"family {self.model.config.model_type!r}."
            )
        self.processor = images_only(processor_class).from_pretrained(
            directory, trust_remote_code=False, local_files_only=True
        )
        self.tokenizer = self.processor.tokenizer

    @property
    def causal(self) -> bool:
        """Whether a request may start from the cache of another one with the same first tokens."""
        return self.model.config.model_type in CAUSAL_FAMILIES

    @property
    def image_token(self) -> int | None:
        """The token that stands for a part of an image; None if the family has none."""
        return getattr(self.model.config, "image_token_id", None)

    @cached_property
    def _positions(self) -> Any:
        """The module that remembers the offset of the last prompt with images, if there is one."""
        found = (part for part in self.model.modules() if hasattr(part, "rope_deltas"))
        return next(found, None)

    @property
    def offset(self) -> Any:
        return getattr(self._positions, "rope_deltas", None)

    @offset.setter
    def offset(self, value: Any) -> None:
        if self._positions is not None:
            self._positions.rope_deltas = value

    @property
    def chat_templates(self) -> TemplateSources | None:
        own = named_templates(self.processor.chat_template)
        return (
            super().chat_templates
            if own is None or self.parameters.chat_template is not UNSET
            else own
        )

    @property
    def quantizable(self) -> Any:
        """The language model only; the vision encoder is not quantized."""
        return self.model.get_decoder()

    def process(self, text: str, files: list[bytes]) -> dict[str, Any]:
        """Return the model's inputs for a prompt with images.

        Returns
        -------
        dict
            ``input_ids``, the pixels, and other inputs of the family.

        Raises
        ------
        InvalidParameter
            If an image cannot be decoded, or the processor rejects the images.
        """
        decoded = images.decode(files)
        try:
            inputs = self.processor(
                text=[text],
                images=[decoded],
                return_tensors="pt",
                add_special_tokens=not self.starts_with_bos(text),
            )
        except (ValueError, TypeError, IndexError, RuntimeError) as error:
            raise InvalidParameter(
                f"The model's processor rejected these images: {first_line(error)}",
                param="messages",
            ) from error
        inputs = inputs.to(self.placement.device, dtype=self.model.dtype)
        return {name: value for name, value in inputs.items() if name != "attention_mask"}


class VisionEngine(TransformersEngine):
    """Chat with images, and everything that the text engine supports.

    It has one slot, because models with three-dimensional positions store those of the current
    request in the model itself.
    """

    _model: VisionModel

    def __init__(self, model: LoadedModel, slots: int, load: Load) -> None:
        super().__init__(model, slots, load)
        self._processing = threading.RLock()  # processors change the options of their tokenizer
        self.tokenizer = ModelTokenizer(model, lock=self._processing)

    @classmethod
    def load(cls, load: Load, progress: ProgressCallback) -> VisionEngine:
        renderer().start()
        model = VisionModel(load, progress)
        require_attention_layers(model)
        fix_frequencies(model.model, model.num_ctx)
        return cls(model, 1, load)

    def prompt(self, request: ChatRequest | CompletionRequest) -> Prompt:
        with self._processing:
            return super().prompt(request)

    def rendered(self, request: ChatRequest, check: Callable[[str], None]) -> tuple[str, Prompt]:
        text = self._render(request)
        check(text)
        with self._processing:
            if request.images:
                return text, self._with_images(text, request.images)
            return text, self.text_prompt(self._model.prompt_tokens(text))

    def text_prompt(self, tokens: list[int]) -> Prompt:
        return super().text_prompt(tokens) if self._model.causal else Prompt(tokens)

    def _with_images(self, text: str, files: list[bytes]) -> Prompt:
        inputs = self._model.process(text, files)
        tokens = inputs.pop("input_ids")[0].tolist()
        # An image token may be beyond the embedding matrix, because an embedding replaces it.
        image_token = self._model.image_token
        self._model.check_text([token for token in tokens if token != image_token])
        if image_token is None or image_token not in tokens or not self._model.causal:
            return Prompt(tokens, inputs)
        base = len(tokens) - tokens[::-1].index(image_token)  # after the last one
        return Prompt(tokens, inputs, image_key(tokens, image_token, files), base)

    def _render(self, request: ChatRequest) -> str:
        if self.template.supports_parts:
            messages = in_parts(request.messages)
        else:
            image_token = getattr(self._model.processor, "image_token", "<image>")
            messages = as_text(request.messages, image_token)
        return self.template.render(messages, options_of(request))

    def batch_inputs(self, tokens: list[int]) -> dict[str, Any]:
        """Leave positions to the model, because an image may take fewer positions than tokens."""
        return {"input_ids": super().batch_inputs(tokens)["input_ids"]}


def image_key(tokens: list[int], image_token: int, files: list[bytes]) -> array[int]:
    """Return the tokens, with a negative number for all images of the prompt in place of each part.

    Which part belongs to which image depends on the family, so prompts with the same images have
    the same key, and a prompt with one more image has another key from its first image on.
    """
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file).digest())
    number = -1 - int.from_bytes(digest.digest()[:8], "big") // 2
    return token_array(number if token == image_token else token for token in tokens)


def images_only(processor_class: Any) -> Any:
    """Return the processor class without its video processor, which needs torchvision."""

    class ImagesOnly(processor_class):  # type: ignore[misc]
        @classmethod
        def get_attributes(cls) -> list[str]:
            return [name for name in super().get_attributes() if "video" not in name]

    ImagesOnly.__name__ = processor_class.__name__
    return ImagesOnly
