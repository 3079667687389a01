"""Handler of ``/api/pull``."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from ...contract.errors import InvalidReference, ModelNotFound, PowerError
from ...contract.text import quoted
from ...contract.types import Manifest, PullRequest
from ..auth import allowed
from ..model_names import without_latest
from .models import Name, OllamaModelHandler
from .names import find
from .pull_lines import BEGIN, SUCCESS, Line, lines_of

#: Names of models in Ollama's own registry: one word, or with its address in front.
_OF_OLLAMA = re.compile(
    r"(?:https?://)?(?:(?:registry\.)?ollama\.(?:ai|com)/.*|[^/]*)", re.IGNORECASE
)


class PullFields(msgspec.Struct, frozen=True):
    model: Name
    stream: bool = True


class OllamaPullHandler(OllamaModelHandler):
    @allowed("write")
    async def post(self) -> None:
        """Pull a model from the hub. The pull continues if the client disconnects."""
        fields = await self.read(PullFields)
        lines = self._lines(fields.model)
        if fields.stream:
            await self.stream(lines)
        else:
            await self.until_disconnect(_to_the_end(lines))
            self.finish_json(SUCCESS)

    async def _lines(self, name: str) -> AsyncGenerator[Line, None]:
        model = await self._existing(name)
        if model is not None and model.source.reference != model.name:
            yield BEGIN  # it was registered or copied, so there is nothing to pull
            yield SUCCESS
            return
        if model is None and of_ollama(name):
            raise not_on_the_hub(name)
        request = PullRequest(without_latest(name) if model is None else model.name)
        begun = False
        try:
            async with aclosing(self.service.pulls.pull(request)) as events:
                async for event in events:
                    if not begun:
                        yield BEGIN
                        begun = True
                    for line in lines_of(event):
                        yield line
        except PowerError as error:
            if error.param is not None:  # also a revision, which is a part of the name
                error.param = "model"
            raise

    async def _existing(self, name: str) -> Manifest | None:
        try:
            return await find(self.service, name)
        except ModelNotFound:
            return None


async def _to_the_end(lines: AsyncGenerator[Line, None]) -> None:
    async for _line in lines:
        pass


def of_ollama(name: str) -> bool:
    """Return whether a name is one of Ollama's own registry."""
    return _OF_OLLAMA.fullmatch(name.strip()) is not None


def not_on_the_hub(name: str) -> InvalidReference:
    """Return the error about a model of Ollama's own registry."""
    return InvalidReference(
        f"{quoted(name)} is a name in Ollama's own registry, but models are pulled from the "
        "Hugging Face Hub here. Use hf.co/owner/repo:TAG, for example "
        "hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M.",
        param="model",
    )
