"""Leave out the oldest messages of a conversation that does not fit into the model's context."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import UNSET

from ...contract.types import ChatRequest

#: The part of the context that is kept free for the answer: a quarter, or what the request asks
#: for, but at most half.
_DEFAULT_SHARE = 4
_LARGEST_SHARE = 2

#: Characters up to which every engine counts the tokens of a prompt.
COUNTED_LENGTH = 2**19

#: Counts the tokens of a request's prompt, and returns them with the context length; None if the
#: prompt is much too long to count.
Count = Callable[[ChatRequest], Awaitable[tuple[int, int] | None]]


async def truncated(request: ChatRequest, count: Count) -> ChatRequest:
    """Return `request` without the oldest messages, as many as necessary for it to fit.

    System messages stay, the last message of the user and what follows it stay as long as
    possible, and a call stays or goes with its results. How many are left out is found by
    bisection.
    """
    if _fits(request, await count(request)):
        return request
    groups = droppable(request.messages)
    low, high = 0, len(groups)
    while low + 1 < high:
        middle = (low + high) // 2
        shorter = without(request, groups[:middle])
        low, high = (low, middle) if _fits(shorter, await count(shorter)) else (middle, high)
    return without(request, groups[:high])


def _fits(request: ChatRequest, counted: tuple[int, int] | None) -> bool:
    if counted is None:
        return False
    tokens, num_ctx = counted
    return tokens <= num_ctx - _reserved(request, num_ctx)


def _reserved(request: ChatRequest, num_ctx: int) -> int:
    limit = request.sampling.max_tokens
    wanted = num_ctx // _DEFAULT_SHARE if limit is UNSET else limit
    return min(wanted, num_ctx // _LARGEST_SHARE)


def droppable(messages: list[dict[str, Any]]) -> list[range]:
    """Return the messages that may be left out, in groups, the first one first.

    A group before the last message of the user is a message of the user with all answers to it. A
    group after it is a call with its results. The last message, and what it belongs to, is in none.
    """
    users = [i for i, message in enumerate(messages) if message["role"] == "user"]
    last_user = users[-1] if users else -1
    start = next((i for i, message in enumerate(messages) if message["role"] != "system"), 0)
    bounds = [i for i in users if start < i]
    turns = [range(a, b) for a, b in zip([start, *bounds], bounds, strict=False)]
    answers = [i for i in range(last_user + 1, len(messages)) if _starts_group(messages[i])]
    return turns + [range(a, b) for a, b in pairwise(answers)]


def _starts_group(message: dict[str, Any]) -> bool:
    return message["role"] not in ("tool", "system")


def text_length(messages: list[dict[str, Any]]) -> int:
    """Return the characters of all messages, without their calls."""
    contents = (message["content"] for message in messages)
    return sum(
        len(c) if isinstance(c, str) else sum(len(p.get("text", "")) for p in c) for c in contents
    )


def without(request: ChatRequest, groups: list[range]) -> ChatRequest:
    """Return `request` without some messages and their images. System messages stay."""
    dropped = {i for group in groups for i in group if request.messages[i]["role"] != "system"}
    images = iter(request.images)
    messages, kept = [], []
    for i, message in enumerate(request.messages):
        own = [next(images) for _ in range(_count_images(message))]
        if i not in dropped:
            messages.append(message)
            kept += own
    return msgspec.structs.replace(request, messages=messages, images=kept)


def _count_images(message: dict[str, Any]) -> int:
    content = message["content"]
    return sum(part["type"] == "image" for part in content) if isinstance(content, list) else 0
