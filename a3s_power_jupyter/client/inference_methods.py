"""Client methods that generate answers, compute embeddings and rank documents."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..contract.errors import InvalidParameter
from . import ranking, tool_loop
from .answers import Reply
from .chat import ChatStream, Messages, ProgressCallback, chat_request, conversation
from .connection import Connection
from .embeddings import Embeddings, batches, count_of, stacked, vectors
from .replies import decoded
from .tool_loop import ToolReply
from .tools import Confirm, Tool, Toolbox, ToolResult, tool_choice

if TYPE_CHECKING:
    import numpy
    import numpy.typing


class InferenceMethods:
    """Mixin of `Client`."""

    _connection: Connection

    def chat(
        self,
        model: str,
        messages: Messages,
        *,
        system: str | None = None,
        tools: Sequence[Tool] | None = None,
        schema: Any = None,
        **parameters: Any,
    ) -> Reply:
        """Send a chat request and wait for the complete answer.

        Parameters
        ----------
        model : str
            Name of the model. It is loaded if necessary.
        messages : str or iterable of mappings
            A question, or the messages of a conversation.
        system : str, optional
            System message, inserted before `messages`.
        tools : sequence of callable or dict, optional
            Functions that the model may ask to call, see `Reply.tool_calls`. The model gets the
            name, the signature and the docstring of a Python function. A dict has the format of
            OpenAI's API. `run_tools` also calls the functions.
        schema : dict or type, optional
            JSON schema of the answer, or a type that pydantic supports, such as a model or a
            dataclass. `Reply.parsed` is the value.
        **parameters
            Other fields of ``/v1/chat/completions``, such as ``temperature``, ``max_tokens``,
            ``stop``, ``seed``, ``response_format``, ``chat_template_kwargs`` and ``keep_alive``.
            ``tool_choice`` may also be one of `tools` or its name, which the model then calls.

        Returns
        -------
        Reply
            The text of the answer, with its thoughts and calls, the token counts and the finish
            reason.

        Raises
        ------
        ModelNotFound
            If no model has this name.
        UnsupportedRequestFields, InvalidParameter
            If a parameter is unknown or invalid.
        ContextLengthExceeded
            If the conversation is longer than the model's context.
        """
        _refuse_stream("chat", "Use stream() to get it while it is generated.", parameters)
        body = chat_request(model, messages, system, tools, schema, parameters)
        return Reply.from_json(self._post("chat/completions", body), model, schema)

    def stream(
        self,
        model: str,
        messages: Messages,
        *,
        system: str | None = None,
        tools: Sequence[Tool] | None = None,
        schema: Any = None,
        progress: ProgressCallback | None = None,
        **parameters: Any,
    ) -> ChatStream:
        """Send a chat request and return the answer as a stream of text.

        The other parameters are those of `chat`. Leaving the ``with`` block stops the generation::

            with client.stream("smollm2", "Why is the sky blue?") as answer:
                for piece in answer:
                    print(piece, end="")
            answer.reply.usage

        Parameters
        ----------
        progress : callable, optional
            Called with a `Reading` about twice a second while a prompt is read, and at its end. The
            upstream of a remote model must know llama.cpp's field ``return_progress``.

        Raises
        ------
        InvalidParameter
            If ``n`` is greater than 1.
        """
        if parameters.get("n", 1) != 1:
            raise InvalidParameter("stream() returns one answer. Use chat() for n > 1.", param="n")
        body = chat_request(model, messages, system, tools, schema, parameters)
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
        if progress is not None:
            body["return_progress"] = True
        started = time.monotonic()
        events = self._connection.stream("POST", "chat/completions", body=body)
        return ChatStream(events, model, progress, started=started, schema=schema)

    def run_tools(
        self,
        model: str,
        messages: Messages,
        tools: Sequence[Callable[..., Any]],
        *,
        system: str | None = None,
        max_rounds: int = 10,
        max_result: int = 20_000,
        confirm: Confirm | None = None,
        on_result: Callable[[ToolResult], object] | None = None,
        **parameters: Any,
    ) -> ToolReply:
        """Ask a question, and call functions until the model answers it.

        ::

            def weather(city: str) -> str:
                "Return the weather in a city."
                return requests.get(f"https://weather.example/{city}").text

            client.run_tools("qwen3", "Do I need an umbrella in Paris?", [weather], on_result=print)

        Only the given functions are called, with arguments that match their signatures. The model
        gets their results: strings as they are, and other values as JSON. An exception, an unknown
        name and arguments that do not match are results, too, and the model can try again. Async
        functions run in an event loop of their own. An interrupt stops at once.

        Parameters
        ----------
        model : str
            Name of the model.
        messages : str or iterable of mappings
            A question, or the messages of a conversation.
        tools : sequence of callable
            The functions.
        system : str, optional
            System message, inserted before `messages`.
        max_rounds : int
            How many answers may call functions.
        max_result : int
            Longest result in characters. A longer one is cut, with a notice to the model.
        confirm : callable, optional
            Called with each `ToolCall` before the function is called. If it returns False, the
            model is told that the call is not allowed.
        on_result : callable, optional
            Called with the `ToolResult` of each call.
        **parameters
            Those of `chat`. A ``tool_choice`` that forces a call holds for the first answer only.

        Returns
        -------
        ToolReply
            The last answer, with all calls and their results.

        Raises
        ------
        InvalidParameter
            If a tool cannot be called by a model, or if the model still calls functions after
            `max_rounds`.
        """
        toolbox = Toolbox(tools, max_result=max_result)
        schema = parameters.pop("schema", None)

        def ask(messages: list[dict[str, Any]], choice: Any) -> Reply:
            return self.chat(
                model,
                messages,
                tools=toolbox.definitions,
                schema=schema,
                **{**parameters, "tool_choice": choice},
            )

        return tool_loop.run(
            ask,
            conversation(messages, system),
            toolbox,
            tool_choice=tool_choice(parameters.pop("tool_choice", None), toolbox.definitions),
            max_rounds=max_rounds,
            confirm=confirm,
            on_result=on_result,
        )

    def complete(self, model: str, prompt: str | list[int], **parameters: Any) -> Reply:
        """Continue a text without applying the chat template.

        Parameters
        ----------
        model : str
            Name of the model.
        prompt : str or list of int
            A text, or token ids.
        **parameters
            Other fields of ``/v1/completions``.

        Returns
        -------
        Reply
            The text that follows `prompt`.
        """
        instead = "Use openai().completions.create() to get it while it is generated."
        _refuse_stream("complete", instead, parameters)
        body = {**parameters, "model": model, "prompt": prompt}
        return Reply.from_json(self._post("completions", body), model)

    def embed(
        self, model: str, texts: str | list[str], **parameters: Any
    ) -> numpy.typing.NDArray[numpy.float32]:
        """Compute embeddings.

        Parameters
        ----------
        model : str
            Name of the model.
        texts : str or list of str
            One text, or several. More than 2,048 are sent in several requests.
        **parameters
            Other fields of ``/v1/embeddings``, such as ``dimensions``, or ``truncate=True`` to
            leave out the end of texts that are too long.

        Returns
        -------
        numpy.ndarray of float32
            Vectors of unit length, of shape ``(dimensions,)`` for one text and
            ``(len(texts), dimensions)`` for a list.
        """
        body = {**parameters, "model": model, "encoding_format": "base64"}
        rows = []
        for batch in batches(texts):
            reply = decoded(self._post("embeddings", {**body, "input": batch}), Embeddings)
            rows += vectors(reply, count_of(batch))
        matrix = stacked(rows)
        return matrix[0] if isinstance(texts, str) else matrix

    def rerank(
        self,
        model: str,
        query: str,
        documents: Iterable[str],
        *,
        top_n: int | None = None,
        **parameters: Any,
    ) -> ranking.Ranking:
        """Sort documents by how well they answer a query.

        Parameters
        ----------
        model : str
            Name of a cross-encoder: a model with the capability ``rerank``.
        query : str
            A question, or another text to find documents for.
        documents : iterable of str
            The documents. More than 2,048 are sent in several requests.
        top_n : int, optional
            Number of documents to return; all by default.
        **parameters
            Other fields of ``/v1/rerank``, such as ``truncate=True`` to leave out the end of
            documents that are too long, or ``raw_scores=True`` for the logits of the model.

        Returns
        -------
        Ranking
            The documents with their scores and indices, the most relevant first.
        """
        body = {**parameters, "model": model, "query": query, "return_documents": False}
        if top_n is not None:
            body["top_n"] = top_n
        found = []
        for start, batch in ranking.batches(documents):
            reply = decoded(self._post("rerank", {**body, "documents": batch}), ranking.Results)
            found += ranking.matches(reply, start, batch)
        return ranking.ranking(found, top_n)

    def _post(self, path: str, body: dict[str, Any]) -> bytes:
        __tracebackhide__ = True  # also where another error is raised from this one
        return self._connection.request("POST", path, body=body, timeout=None)


def _refuse_stream(method: str, instead: str, parameters: Mapping[str, Any]) -> None:
    if parameters.get("stream"):
        raise InvalidParameter(
            f"{method}() returns the whole answer, without 'stream'. {instead}", param="stream"
        )
