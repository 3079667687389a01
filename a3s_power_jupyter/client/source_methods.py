"""Methods of the client about models that are not registered yet, and the prompts."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ..contract import types
from ..contract.types import LocalModels
from ..display import output, source_tables
from ..display.output import Output
from .connection import Connection
from .replies import decoded
from .results import Displayed, Table, line


class RecommendedModel(Displayed, types.RecommendedModel, frozen=True):
    __doc__ = types.RecommendedModel.__doc__

    def _shown(self) -> Output:
        return source_tables.recommended_model(self)

    def _short(self) -> str:
        size_and_fit = source_tables.size_and_fit(self)
        return line(f"RecommendedModel {self.title}", [self.reference, size_and_fit])


class RecommendedList(Table[RecommendedModel]):
    """Models to begin with. A notebook shows them as a table."""

    row = types.RecommendedModel

    def _shown(self) -> Output:
        return source_tables.recommended(self)


class _Recommended(msgspec.Struct):
    data: list[RecommendedModel]


class Prompt(Displayed, types.Prompt, frozen=True):
    __doc__ = types.Prompt.__doc__

    def _shown(self) -> Output:
        return output.stack(_messages(self))

    def _short(self) -> str:
        return line("Prompt", [self.user.strip().partition("\n")[0]])


class Prompts(Displayed, types.Prompts, frozen=True):
    __doc__ = types.Prompts.__doc__

    explain_error: Prompt
    fix_error: Prompt
    explain: Prompt
    improve: Prompt
    document: Prompt
    write_tests: Prompt
    write_code: Prompt

    def _shown(self) -> Output:
        names = self.__struct_fields__
        return output.stack(m for name in names for m in _messages(getattr(self, name), f"{name}."))

    def _short(self) -> str:
        return line("Prompts", self.__struct_fields__)


def _messages(prompt: types.Prompt, prefix: str = "") -> Iterator[Output]:
    """Render the messages of a prompt, each below its attribute, such as ``fix_error.user``."""
    for role in prompt.__struct_fields__:
        text = getattr(prompt, role).strip()
        if text:
            yield output.note(f"{prefix}{role}:")
            yield output.preformatted(text)


class FoundModels(LocalModels, frozen=True):
    """Models of other programs. A notebook shows them as a table."""

    def __repr__(self) -> str:
        return repr(source_tables.local_models(self))

    def _repr_html_(self) -> str:
        return source_tables.local_models(self).html


class SourceMethods:
    """Where to get models, and what to ask them, for `Client`, which provides the connection."""

    _connection: Connection

    def recommended(self, *, num_ctx: int | None = None) -> RecommendedList:
        """List models to begin with, and which of their quantizations fit the server's machine.

        The list is part of the server: the hub is not asked. `pull` downloads a `reference`.

        Parameters
        ----------
        num_ctx : int, optional
            Context length that the memory is computed for.

        Returns
        -------
        list of RecommendedModel
            A notebook shows them as a table. One of them is the `default` for a first try.
        """
        query = "" if num_ctx is None else f"?num_ctx={num_ctx}"
        body = self._connection.request("GET", f"hub/recommended{query}")
        return RecommendedList(decoded(body, _Recommended).data)

    def prompts(self) -> Prompts:
        """Return the prompts of the assistant, which an administrator may have replaced."""
        return decoded(self._connection.request("GET", "assistant/prompts"), Prompts)

    def local_models(self) -> FoundModels:
        """Find models that other programs have downloaded to the server's machine.

        These are the cache of the Hugging Face Hub, and the folders of LM Studio and Ollama.
        `register` gives one a name here, without copying it. The system prompt and parameters that
        Ollama keeps with a model are taken over; `notes` say what is not.

        Returns
        -------
        LocalModels
            The models, and the folders in which some may be missing. A notebook shows a table.
        """
        return decoded(self._connection.request("GET", "local-models", timeout=None), FoundModels)
