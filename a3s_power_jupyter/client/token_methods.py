"""Client methods that count and convert tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ..contract.errors import InvalidParameter
from .chat import Messages, chat_request
from .connection import Connection
from .replies import Count, decoded
from .tools import Tool

TokenId = Annotated[int, Meta(ge=-(2**31), lt=2**31)]


class _Tokens(msgspec.Struct):
    tokens: list[TokenId]


class _Counted(msgspec.Struct):
    count: Count


class _Text(msgspec.Struct):
    content: str


class _Prompt(msgspec.Struct):
    prompt_tokens: Count


class TokenMethods:
    """Mixin of `Client`."""

    _connection: Connection

    def tokenize(
        self, model: str, text: str, *, add_special: bool = True, parse_special: bool = True
    ) -> list[int]:
        """Return the token ids of a text.

        Parameters
        ----------
        model : str
            Name of the model. It is loaded if necessary.
        text : str
            At most 1,048,576 characters, or 8 for each token of the context if that is more.
        add_special : bool
            Whether to add the special tokens that a prompt of `complete` or a text of `embed` gets.
        parse_special : bool
            Whether special tokens in the text, such as ``<|im_end|>``, are recognized.

        Returns
        -------
        list of int
        """
        return decoded(self._tokenize(model, text, add_special, parse_special), _Tokens).tokens

    def detokenize(self, model: str, tokens: Sequence[int]) -> str:
        """Return the text of token ids.

        Bytes that are no whole characters are replaced by U+FFFD.

        Parameters
        ----------
        model : str
            Name of the model.
        tokens : sequence of int
            Token ids.

        Raises
        ------
        InvalidParameter
            If a token is not in the model's vocabulary.
        """
        body = {"model": model, "tokens": list(tokens)}
        return decoded(self._send("detokenize", body), _Text).content

    def count_tokens(
        self,
        model: str,
        text: Messages,
        *,
        system: str | None = None,
        tools: Sequence[Tool] | None = None,
        **parameters: Any,
    ) -> int:
        """Count the tokens of a text, or of the prompt that a conversation would have.

        ::

            client.count_tokens("smollm2", document)
            client.count_tokens("smollm2", messages, tools=[weather])

        Parameters
        ----------
        model : str
            Name of the model.
        text : str or iterable of mappings
            A text by itself, or the messages of a conversation, for which the chat template and the
            images count, too.
        system, tools, **parameters
            As in `chat`, for messages.

        Raises
        ------
        InvalidParameter
            If `text` is a string and there are parameters of a conversation.
        """
        if not isinstance(text, str):
            body = chat_request(model, text, system, tools, None, parameters)
            return decoded(self._send("chat/template", body), _Prompt).prompt_tokens
        if system is not None or tools or parameters:
            raise InvalidParameter(
                "A text is counted by itself. Give messages to count them with a system message, "
                'tools or other parameters: [{"role": "user", "content": text}].',
                param="text",
            )
        return decoded(self._tokenize(model, text, True, True), _Counted).count

    def _tokenize(self, model: str, text: str, add_special: bool, parse_special: bool) -> bytes:
        body = {
            "model": model,
            "prompt": text,
            "add_special_tokens": add_special,
            "parse_special": parse_special,
        }
        return self._send("tokenize", body)

    def _send(self, path: str, body: dict[str, Any]) -> bytes:
        __tracebackhide__ = True  # also where another error is raised from this one
        return self._connection.request("POST", path, body=body, timeout=None)
