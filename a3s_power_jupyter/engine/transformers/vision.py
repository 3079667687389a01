"""Vision-language models: a processor of transformers' own makes the prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers
from msgspec import UNSET
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

from ...contract.errors import InvalidParameter, ModelLoadFailed
from ...contract.types import ChatRequest, CompletionRequest
from .. import images
from ..base import Progress
from ..protocol import Load
from ..template import as_parts, as_text
from .engine import TransformersEngine
from .model import LoadedModel


class VisionModel(LoadedModel):
    """A model with the processor that its family has."""

    processor: Any

    def load_more(self, directory: Path) -> None:
        kind = PROCESSOR_MAPPING.get(type(self.model.config), None)
        if kind is None:
            raise ModelLoadFailed(
                f"transformers {transformers.__version__} has no processor for images of the "
                f"family {self.model.config.model_type!r}."
            )
        self.processor = _images_only(kind).from_pretrained(
            directory, trust_remote_code=False, local_files_only=True
        )
        self.tokenizer = self.processor.tokenizer

    @property
    def chat_template(self) -> str | None:
        template = self.processor.chat_template
        if isinstance(template, str) and self.parameters.chat_template is UNSET:
            return template
        return super().chat_template

    @property
    def packed(self) -> Any:
        """The language model: what sees stays as it is."""
        return self.model.get_decoder()

    def prepare(self, text: str, files: list[bytes]) -> dict[str, Any]:
        """What the model reads for a prompt with images: ``input_ids``, pixels, and what else its
        family has.

        Raises
        ------
        InvalidParameter
            An image cannot be decoded, or the processor takes no such images.
        """
        decoded = images.decode(files)
        bos = self.tokenizer.bos_token
        framed = bool(bos) and text.startswith(bos)
        try:
            made = self.processor(
                text=[text], images=[decoded], return_tensors="pt", add_special_tokens=not framed
            )
        except (ValueError, TypeError, IndexError, RuntimeError) as error:
            raise InvalidParameter(
                f"The model's processor does not take these images: {str(error)[:300]}",
                param="messages",
            ) from error
        made = made.to(self.placement.device, dtype=self.model.dtype)
        return {name: value for name, value in made.items() if name != "attention_mask"}


class VisionEngine(TransformersEngine):
    """Chat about images, and everything that the text engine does.

    One request at once: families with positions in three dimensions keep those of the current
    request in the model itself.
    """

    _model: VisionModel

    @classmethod
    def load(cls, load: Load, progress: Progress) -> VisionEngine:
        return cls(VisionModel(load, progress, transformers.AutoModelForImageTextToText), 1)

    def prompt(self, request: ChatRequest | CompletionRequest) -> tuple[list[int], dict[str, Any]]:
        if isinstance(request, CompletionRequest):
            return super().prompt(request)
        text = self._render(request.messages)
        if not request.images:
            return self._model.tokenize(text), {}
        inputs = self._model.prepare(text, request.images)
        return inputs.pop("input_ids")[0].tolist(), inputs

    def _render(self, messages: list[dict[str, Any]]) -> str:
        if self.template.takes_parts:
            return self.template.render(as_parts(messages))
        mark = getattr(self._model.processor, "image_token", "<image>")
        return self.template.render(as_text(messages, mark))

    def batch_inputs(self, tokens: list[int]) -> dict[str, Any]:
        """No positions: the model counts them, for an image takes fewer than it has tokens."""
        return {"input_ids": super().batch_inputs(tokens)["input_ids"]}


def _images_only(kind: Any) -> Any:
    """The processor class without its part for videos, which needs torchvision."""

    class ImagesOnly(kind):  # type: ignore[misc]
        @classmethod
        def get_attributes(cls) -> list[str]:
            return [name for name in super().get_attributes() if "video" not in name]

    ImagesOnly.__name__ = kind.__name__
    return ImagesOnly
