"""Compute the key of the conversation that a request to a model continues.

A server that has read the beginning of a prompt answers faster than one that has not. All requests
with one key are therefore best sent to the same server.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

#: Messages that are read until one of the user is found.
_MAX_MESSAGES = 32

#: Characters of the messages that are read.
_MAX_TEXT = 65_536

#: Characters of a plain prompt that are read. What follows may be new in each request.
_MAX_PROMPT = 256

#: Values of one list or object that are read, and how deep they may be nested.
_MAX_VALUES = 64
_MAX_DEPTH = 4

#: Strings and numbers of one text that are read.
_MAX_PARTS = 1024

#: Size of the numbers that are read: ids of tokens.
_MAX_BITS = 64

#: Fields with one plain text, or several: completions, embeddings, ranking, tokens.
_PROMPTS = ("input", "prompt", "query", "content", "text")

#: Fields that may differ between requests of one conversation.
_UNSTABLE = frozenset({"cache_control", "detail", "id", "role", "status", "type"})


def conversation_key(body: Mapping[str, Any]) -> str:
    """Return the key of the conversation of a request, or ``""`` if there is nothing to go by.

    It is computed from what all turns have in common: the model, the instructions and the messages
    up to the first of the user. A client that sends ``prompt_cache_key``, as in OpenAI's API,
    decides itself.

    Parameters
    ----------
    body : Mapping
        The decoded body of a request of any dialect. It need not be valid, and may be large: only
        its beginning is read.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    texts = list(_conversation(body))
    if not any(texts):
        return ""
    digest = hashlib.blake2b(digest_size=16)
    for text in (_model(body), *texts):
        # "surrogatepass", because JSON may have lone surrogates.
        digest.update(text.encode("utf-8", "surrogatepass") + b"\xff")  # never in UTF-8
    return digest.hexdigest()


def _model(body: Mapping[str, Any]) -> str:
    """Return the name of the model, without what Ollama's clients vary in it."""
    model = body.get("model")
    return model[:_MAX_TEXT].lower().removesuffix(":latest") if isinstance(model, str) else ""


def _conversation(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts that the turns of a conversation have in common."""
    chosen = body.get("prompt_cache_key")
    if isinstance(chosen, str) and chosen:
        yield chosen[:_MAX_TEXT]
        return
    for name in ("system", "instructions"):
        if instructions := _text(body.get(name), _MAX_TEXT):
            yield "system"
            yield instructions
    messages = body.get("messages", body.get("input"))
    if isinstance(messages, list) and messages and isinstance(messages[0], dict):
        yield from _first_messages(messages)
        return
    for name in _PROMPTS:
        if prompt := _text(body.get(name), _MAX_TEXT if name == "input" else _MAX_PROMPT):
            yield "user"
            yield prompt
            return


def _first_messages(messages: list[Any]) -> Iterator[str]:
    """Yield the roles and texts of the messages up to the first of the user."""
    for message in messages[:_MAX_MESSAGES]:
        if not isinstance(message, dict):
            continue
        role = message.get("role")
        yield role[:_MAX_PROMPT] if isinstance(role, str) else ""
        images = message.get("images")
        yield _text(message.get("content"), _MAX_TEXT) + _text(images, _MAX_TEXT)
        if role == "user":
            return


def _text(value: Any, limit: int) -> str:
    """Return the strings and numbers in `value`, up to `limit` characters.

    Content is the same text as a string, as a part and as a list of one part.
    """
    parts: list[str] = []
    for text in islice(_texts(value, 0), _MAX_PARTS):
        parts.append(text[:limit])
        limit -= len(text)
        if limit <= 0:
            break
    return "".join(parts)


def _texts(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, int) and value.bit_length() <= _MAX_BITS:
        yield f"{value},"
    elif depth < _MAX_DEPTH and isinstance(value, list):
        for item in value[:_MAX_VALUES]:
            yield from _texts(item, depth + 1)
    elif depth < _MAX_DEPTH and isinstance(value, dict):
        names = [name for name in islice(value, _MAX_VALUES) if isinstance(name, str)]
        for name in sorted(names):
            if name not in _UNSTABLE:
                yield from _texts(value[name], depth + 1)
