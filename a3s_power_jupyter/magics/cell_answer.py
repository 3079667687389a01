"""Show the answer to a cell while it is generated, with its thoughts and the calls of functions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from ..client import ChatStream, Client, Reply, ToolCall, ToolResult
from ..client.tool_loop import part_of, run
from ..client.tools import Toolbox
from ..contract.types import Model, Reading
from ..display import answer_line, model_tables
from ..display.answer_parts import Call, Part, Text, Thoughts
from .live_text import LiveText
from .session import Conversation

#: Longest result in characters that a model gets.
MAX_RESULT = 20_000

#: Ends an answer that was interrupted.
STOPPED = "*(stopped)*"


class CellAnswer:
    """The answer to one cell, in the text below it.

    Parameters
    ----------
    text : LiveText
        Where the answer is shown.
    parameters : dict
        Arguments of `Client.stream`.
    """

    def __init__(
        self, client: Client, model: str, text: LiveText, parameters: dict[str, Any]
    ) -> None:
        self._client = client
        self._model = model
        self._text = text
        self._parameters = parameters
        self._shown: list[Part] = []  # above what is generated now
        self._calls: list[Call] = []  # of the last answer
        self._conversation: Conversation = []  # up to the last request
        self._reply = Reply("", model, "interrupted")  # to the last request

    def run(
        self, messages: Conversation, tools: Iterable[Callable[..., Any]], max_rounds: int
    ) -> tuple[Reply, Conversation]:
        """Generate the answer, and return it with the conversation up to it.

        An interrupt keeps what is there, and the answer says ``interrupted``.
        """
        toolbox = Toolbox(tools, max_result=MAX_RESULT)
        self._conversation = messages
        try:
            if _load(self._client, self._model, self._text).format != "remote":
                self._parameters["timings_per_token"] = True
                self._parameters["progress"] = ReadingProgress(self._show).show
            last = run(
                lambda messages, choice: self._ask(messages, toolbox, choice),
                messages,
                toolbox,
                tool_choice=self._parameters.pop("tool_choice", None),
                max_rounds=max_rounds,
                confirm=self._show_running,
                on_result=self._show_result,
            )
        except KeyboardInterrupt:
            self._calls = [_stopped(call) for call in self._calls]
            reply, conversation = self._cut_off()
            self._show(Text(STOPPED), line=reply.statistics)
            return reply, conversation
        self._show(*_with_finish_reason(last), line=last.statistics)
        return last, last.messages

    def _cut_off(self) -> tuple[Reply, Conversation]:
        """Return the last answer and the conversation after an interrupt between two answers."""
        reply = self._reply
        reply.finish_reason = "interrupted"
        if reply.usage is None:
            reply.seconds = None  # those of the answer, and not until the interrupt
        return reply, [*self._conversation, reply.message]

    def _ask(self, messages: Conversation, toolbox: Toolbox, choice: Any) -> Reply:
        """Show the next answer while it is generated, below what is there."""
        self._shown += self._calls
        self._calls = []
        self._conversation = [*messages]
        self._reply = Reply("", self._model, "interrupted")
        stream: ChatStream | None = None
        tools = toolbox.definitions
        try:
            with self._client.stream(
                self._model, messages, tools=tools, tool_choice=choice, **self._parameters
            ) as stream:
                for _ in stream.pieces():
                    self._show(*_so_far(stream.reply))
            reply = stream.reply
        except KeyboardInterrupt:
            return Reply("", self._model, "interrupted") if stream is None else stream.reply
        if reply.tool_calls and tools:
            self._shown += [part for part in reply.parts if not isinstance(part, Call)]
            self._calls = [part for part in reply.parts if isinstance(part, Call)]
            self._reply = reply
        return reply

    def _show(self, *parts: Part | str, line: str = "") -> None:
        self._text.update(*self._shown, *self._calls, *parts, line=line)

    def _show_running(self, call: ToolCall) -> bool:
        index = self._next_call
        self._calls[index] = replace(self._calls[index], running=True)
        self._show()
        return True

    def _show_result(self, result: ToolResult) -> None:
        self._calls[self._next_call] = part_of(result)
        self._show()

    @property
    def _next_call(self) -> int:
        return sum(call.result is not None for call in self._calls)


def _stopped(call: Call) -> Call:
    return replace(call, running=False, result="interrupted", failed=True) if call.running else call


def _load(client: Client, name: str, text: LiveText) -> Model:
    """Load the model if necessary, and show the progress."""
    model = client.show(name)
    if model.state in ("loaded", "busy"):
        return model
    return client.load(
        name,
        progress=lambda phase, fraction: text.update(model_tables.loading(name, phase, fraction)),
    )


class ReadingProgress:
    """Shows the progress in a prompt that takes longer than half a second to read."""

    DELAY = 0.5  # seconds

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._started = time.monotonic()

    def show(self, reading: Reading) -> None:
        is_read = reading.processed == reading.total
        if time.monotonic() - self._started >= self.DELAY and not is_read:
            self._show(answer_line.reading(reading))


def _so_far(reply: Reply) -> Iterator[Part]:
    """Return the parts of an answer that is being generated."""
    thinks = not reply and not reply.tool_calls
    for part in reply.parts:
        yield replace(part, finished=False) if thinks and isinstance(part, Thoughts) else part


def _with_finish_reason(reply: Reply) -> Iterator[Part]:
    if reply.reasoning:
        yield Thoughts(reply.reasoning, reply.reasoning_seconds)
    if reply.finish_reason == "interrupted":
        yield Text(f"{reply}\n\n{STOPPED}".lstrip())
    elif reply.finish_reason == "length":
        yield Text(f"{reply}\n\n*(cut off at the length limit)*".lstrip())
    elif reply:
        yield Text(reply.text)
    else:
        yield from (part for part in reply.parts if isinstance(part, Call))
