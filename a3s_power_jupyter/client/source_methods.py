"""Methods of the client about models that are not registered yet, and the prompts."""

from __future__ import annotations

from ..contract.types import LocalModels, Prompts, RecommendedModel, RecommendedModels
from ..display import source_tables
from .connection import Connection
from .replies import decoded


class RecommendedList(list[RecommendedModel]):
    """Models to begin with. A notebook shows them as a table."""

    def __repr__(self) -> str:
        return repr(source_tables.recommended(self))

    def _repr_html_(self) -> str:
        return source_tables.recommended(self).html


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
        return RecommendedList(decoded(body, RecommendedModels).data)

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
