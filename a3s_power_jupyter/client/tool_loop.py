"""Call functions until a model answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..contract.errors import InvalidParameter
from ..display.answer_parts import Call, Part
from .answers import Reply
from .tools import Confirm, Toolbox, ToolResult

Conversation = list[dict[str, Any]]

#: Sends a conversation, with the ``tool_choice`` of this round, and returns the answer.
Ask = Callable[[Conversation, Any], Reply]


@dataclass(frozen=True)
class Round:
    """An answer that calls functions, and the results."""

    reply: Reply
    results: tuple[ToolResult, ...]

    @property
    def messages(self) -> Conversation:
        return [self.reply.message, *(result.message for result in self.results)]

    @property
    def parts(self) -> Iterator[Part]:
        yield from (part for part in self.reply.parts if not isinstance(part, Call))
        for result in self.results:
            yield part_of(result)


class ToolReply(Reply):
    """The last answer of `Client.run_tools`, with what led to it.

    Attributes
    ----------
    rounds : tuple of Round
        The answers that called functions (``reply``), with the results (``results``).
    messages : list of dict
        The whole conversation, including this answer. Add a question to continue it.
    """

    rounds: tuple[Round, ...]
    messages: Conversation

    @classmethod
    def after(cls, rounds: tuple[Round, ...], messages: Conversation, last: Reply) -> ToolReply:
        reply = cls(last)
        vars(reply).update(vars(last))
        reply.rounds = rounds
        reply.messages = [*messages, last.message]
        return reply

    @property
    def results(self) -> tuple[ToolResult, ...]:
        """The results of all calls, in order."""
        return tuple(result for round_ in self.rounds for result in round_.results)

    @property
    def parts(self) -> Iterator[Part]:
        for round_ in self.rounds:
            yield from round_.parts
        yield from super().parts


def part_of(result: ToolResult) -> Call:
    """Return the part of an answer that shows a call and its result."""
    call = result.call
    return Call(call.name, call.arguments_json, result.text, result.failed)


def run(
    ask: Ask,
    messages: Conversation,
    toolbox: Toolbox,
    *,
    tool_choice: Any = None,
    max_rounds: int,
    confirm: Confirm | None = None,
    on_result: Callable[[ToolResult], object] | None = None,
) -> ToolReply:
    """Send the conversation, call what the answer asks for, and repeat until it asks for nothing.

    Raises
    ------
    InvalidParameter
        If `max_rounds` is less than 1, or the model still calls functions after them.
    """
    if max_rounds < 1:
        raise InvalidParameter(
            f"max_rounds must be at least 1, not {max_rounds}.", param="max_rounds"
        )
    rounds: list[Round] = []
    messages = list(messages)
    while True:
        # Holds for one round. Otherwise, the model could never answer.
        reply = ask(messages, tool_choice if not rounds or tool_choice == "none" else None)
        asks = reply.tool_calls and toolbox.definitions
        if not asks or reply.finish_reason == "interrupted":
            return ToolReply.after(tuple(rounds), messages, reply)
        if len(rounds) == max_rounds:
            raise _too_many(rounds)
        results = []
        for call in reply.tool_calls:
            results.append(toolbox.call(call, confirm))
            if on_result is not None:
                on_result(results[-1])
        rounds.append(Round(reply, tuple(results)))
        messages += rounds[-1].messages


def _too_many(rounds: list[Round]) -> InvalidParameter:
    last = ", ".join(str(call) for call in rounds[-1].reply.tool_calls)
    return InvalidParameter(
        f"The model still calls tools after {len(rounds)} rounds, the last time {last}. Raise "
        "max_rounds, or say in the prompt when to answer.",
        param="max_rounds",
    )
