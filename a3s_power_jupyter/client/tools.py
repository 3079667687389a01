"""Functions that a model may call."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any

from ..contract.errors import InvalidParameter
from ..contract.parameters import close_matches
from .calls import ToolCall
from .schemas import adapter, json_schema, reasons

#: A Python function, or a tool in the format of OpenAI's API.
Tool = Callable[..., Any] | Mapping[str, Any]

#: Decides whether a call is made.
Confirm = Callable[[ToolCall], bool]


@dataclass(frozen=True)
class ToolResult:
    """The result of a call.

    Attributes
    ----------
    call : ToolCall
        What the model asked for.
    text : str
        What the model gets: the returned string, any other value as JSON, or the text of an error.
    error : Exception or None
        The exception that the function raised.
    failed : bool
        Whether `text` describes an error, such as an exception, arguments that do not match the
        signature, or an unknown function.
    seconds : float
        How long the function took.
    """

    call: ToolCall
    text: str
    error: Exception | None = None
    failed: bool = False
    seconds: float = 0.0

    @property
    def message(self) -> dict[str, Any]:
        """The message of a conversation that has the result."""
        return {"role": "tool", "tool_call_id": self.call.id, "content": self.text}


class Toolbox:
    """Python functions by name. Only these are ever called.

    Raises
    ------
    InvalidParameter
        If a tool is not a function, has no name or the name of another one, or has parameters
        that JSON cannot describe.
    """

    def __init__(self, functions: Iterable[Any], *, max_result: int) -> None:
        self._functions: dict[str, Callable[..., Any]] = {}
        self._max_result = max_result
        for function in functions:
            name = name_of(function)
            if isinstance(function, Mapping):
                raise InvalidParameter(
                    f"The tool {name!r} is a description without a function, so it cannot be "
                    "called. Give run_tools() Python functions, or use chat().",
                    param="tools",
                )
            if name in self._functions:
                raise InvalidParameter(f"Two tools have the name {name!r}.", param="tools")
            self._functions[name] = function
        self.definitions = definitions(self._functions.values())

    def call(self, call: ToolCall, confirm: Confirm | None = None) -> ToolResult:
        """Check the arguments and call the function.

        Exceptions become the result, except those that are not an `Exception`, such as
        `KeyboardInterrupt`.
        """
        if call.name not in self._functions:
            return ToolResult(call, self._unknown(call.name), failed=True)
        if confirm is not None and not confirm(call):
            return ToolResult(call, "The user did not allow this call.", failed=True)
        from pydantic import ValidationError

        started = time.monotonic()
        text = ""
        error: Exception | None = None
        try:
            value = adapter(self._functions[call.name]).validate_json(call.arguments_json or "{}")
            text = text_of(_awaited(value) if inspect.isawaitable(value) else value)
        except ValidationError as raised:
            text, error = f"Invalid arguments: {reasons(raised)}", raised
        except (Exception, asyncio.CancelledError) as raised:
            error = raised if isinstance(raised, Exception) else RuntimeError("cancelled")
            text = f"{type(raised).__name__}: {raised}"
        seconds = time.monotonic() - started
        return ToolResult(call, self._cut(text), error, error is not None, seconds)

    def _unknown(self, name: str) -> str:
        near = close_matches(name, self._functions)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        return f"There is no tool {name!r}. {hint}The tools are: {', '.join(self._functions)}."

    def _cut(self, text: str) -> str:
        # UTF-8 has no surrogates, so no message can contain them.
        text = text.encode(errors="replace").decode()
        limit = self._max_result
        if len(text) <= limit:
            return text
        return f"{text[:limit]}\n[cut: the first {limit:,} of {len(text):,} characters]"


def name_of(tool: Any) -> str:
    """Return the name of a tool.

    Raises
    ------
    InvalidParameter
        If it is neither a function with a name nor a tool in the format of OpenAI's API.
    """
    if isinstance(tool, Mapping):
        function = tool.get("function")
        name = function.get("name") if isinstance(function, Mapping) else None
        if isinstance(name, str):
            return name
        raise InvalidParameter(
            "A tool that is a dict needs the form "
            "{'type': 'function', 'function': {'name': ..., 'parameters': ...}}.",
            param="tools",
        )
    if not callable(tool) or isinstance(tool, type):
        kind = f"the class {tool.__name__}" if isinstance(tool, type) else type(tool).__name__
        raise InvalidParameter(f"A tool is a function or a dict, not {kind}.", param="tools")
    name = getattr(tool, "__name__", "")
    if not isinstance(name, str) or not name.isidentifier():
        raise InvalidParameter(
            f"The tool {tool!r} has no name. Define a function with `def`.", param="tools"
        )
    return name


def definitions(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    """Return tools in the format of OpenAI's API.

    The signature of a function gives the schema of its parameters, and its docstring the
    description. Raises `InvalidParameter` as `Toolbox` does.
    """
    return [dict(t) if isinstance(t, Mapping) else _definition(t) for t in tools]


def _definition(function: Callable[..., Any]) -> dict[str, Any]:
    name = name_of(function)
    schema = json_schema(function, f"The tool {name!r}", "tools")
    if "properties" not in schema and schema.get("type") != "object":
        raise InvalidParameter(
            f"The tool {name!r} has parameters that are only positional. Models pass arguments by "
            "name.",
            param="tools",
        )
    definition = {
        "name": name,
        "description": inspect.getdoc(function) or "",
        "parameters": {"properties": {}, **schema},
    }
    return {"type": "function", "function": definition}


def tool_choice(choice: Any, tools: Iterable[Tool]) -> Any:
    """Return the field ``tool_choice`` for a function, the name of a tool, or OpenAI's values."""
    if not isinstance(choice, str):
        if not callable(choice):
            return choice
        choice = name_of(choice)
    elif choice in ("auto", "none", "required"):
        return choice
    names = [name_of(tool) for tool in tools]
    if choice not in names:
        raise InvalidParameter(
            f"tool_choice is {choice!r}, which is not one of the tools. Use 'auto', 'none', "
            f"'required' or a tool: {', '.join(names) or 'there are none'}.",
            param="tool_choice",
        )
    return {"type": "function", "function": {"name": choice}}


def text_of(value: Any) -> str:
    """Return a string as it is, and any other value as JSON. What JSON lacks becomes its str."""
    if isinstance(value, str):
        return str(value)
    from pydantic_core import to_json

    def fallback(value: Any) -> Any:
        # numpy arrays and scalars, pandas series, tensors
        return value.tolist() if hasattr(value, "tolist") else str(value)

    encoded = to_json(
        value, fallback=fallback, inf_nan_mode="constants", bytes_mode="base64", by_alias=True
    )
    return encoded.decode()


def _awaited(awaitable: Awaitable[Any]) -> Any:
    """Wait for the result in an event loop of its own, since a kernel's thread has a running one.

    An interrupt cancels the task.
    """
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = Future()
    outcome: Future[Any] = Future()

    async def run() -> None:
        started.set_result((asyncio.get_running_loop(), asyncio.current_task()))
        try:
            outcome.set_result(await awaitable)
        except BaseException as error:  # raised in the thread that waits
            outcome.set_exception(error)

    target = contextvars.copy_context().run
    threading.Thread(target=target, args=(asyncio.run, run()), daemon=True).start()
    try:
        # Some interrupts, such as all on Windows, do not end a wait, so it is repeated.
        while not wait([outcome], timeout=0.1).done:
            pass
        return outcome.result()
    except KeyboardInterrupt:
        loop, task = started.result()
        if task is not None and not outcome.done():
            loop.call_soon_threadsafe(task.cancel)
        raise
