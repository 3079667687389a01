"""``%%power``: send the cell to a model and stream the answer."""

from __future__ import annotations

import argparse
import keyword
import re
import time
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from IPython.core.error import UsageError
from IPython.display import display
from msgspec import UNSET, Meta, UnsetType

from ..client import ChatStream, Reply
from ..contract.parameters import PositiveInt, Probability, check, parse_keep_alive
from ..contract.types import Model, Reading
from ..display import answer_line
from . import render
from .live_text import LiveText, live_text
from .session import Conversation, Session

_NAME = r"[^\W\d]\w*"
_STEP = re.compile(rf"\.{_NAME}|\[[^\[\]{{}}]+\]")
# Doubled braces, as in Jinja templates, do not match.
_FIELD = re.compile(rf"(?<!{{){{(?P<name>{_NAME})(?P<steps>(?:{_STEP.pattern})*)}}(?!}})")


def ask(session: Session, arguments: argparse.Namespace, cell: str) -> None:
    """Send `cell` to the model, show the answer, and store it in the variable ``--to``.

    An interrupt stops the generation in the server and keeps the text received so far.

    Raises
    ------
    UsageError
        If the cell is empty, or an option or a variable in braces is invalid.
    PowerError
        If the request fails.
    """
    if not arguments.to.isidentifier() or keyword.iskeyword(arguments.to):
        raise UsageError(f"--to {arguments.to!r} is not a valid variable name.")
    parameters = _parameters(session, arguments)
    question = _question(session, arguments, cell)
    model = session.chat_model(arguments.model)
    messages = [*_history(session, arguments, model), {"role": "user", "content": question}]
    reply = _stream_answer(session, model, messages, parameters)
    session.shell.push({arguments.to: reply})
    if reply:
        messages.append({"role": "assistant", "content": reply.text})
        session.conversations[model] = messages


def _parameters(session: Session, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the request fields for the options of the cell."""
    names = ("temperature", "max_tokens", "top_p", "seed", "stop", "keep_alive")
    options = {name: getattr(arguments, name) for name in names}
    parameters = {name: value for name, value in options.items() if value is not None}
    _check_options(parameters)
    if arguments.json_schema is not None:
        schema = session.shell.user_ns.get(arguments.json_schema)
        if not isinstance(schema, dict):
            raise UsageError(
                "--json-schema needs the name of a variable that contains a dict; "
                f"{arguments.json_schema!r} is not one."
            )
        parameters["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema},
        }
    return parameters


def _option(field: str) -> str:
    return "--" + field.replace("_", "-")


class _Options(msgspec.Struct, rename=_option):
    """The limits of the options, checked here so that a mistake does not load the model first."""

    temperature: Annotated[float, Meta(ge=0.0, le=2.0)] | UnsetType = UNSET
    max_tokens: PositiveInt | UnsetType = UNSET
    top_p: Probability | UnsetType = UNSET
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | UnsetType = UNSET
    stop: list[Annotated[str, Meta(min_length=1)]] | UnsetType = UNSET
    keep_alive: str | UnsetType = UNSET


def _check_options(parameters: dict[str, Any]) -> None:
    given = {_option(field): value for field, value in parameters.items()}
    options = check(given, _Options)
    if options.keep_alive is not UNSET:
        parse_keep_alive(options.keep_alive)


def _question(session: Session, arguments: argparse.Namespace, cell: str) -> str:
    if not cell.strip():
        raise UsageError("The cell is empty. Write the question below the %%power line.")
    if arguments.raw:
        return cell.strip()
    question, undefined = fill(cell.strip(), session.shell.user_ns)
    if undefined:
        fields = ", ".join(f"{{{name}}}" for name in undefined)
        display(render.note(f"Not defined in this notebook and left unchanged: {fields}"))
    return question


def fill(text: str, variables: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Replace ``{name}``, ``{obj.attr}`` and ``{d[key]}`` with the values of variables.

    All other braces, as in JSON and code, are left unchanged.

    Returns
    -------
    text : str
        The text with the values.
    undefined : list of str
        Each ``name`` in a plain ``{name}`` that is not a variable.

    Raises
    ------
    UsageError
        If a variable has no such attribute or key.
    """
    undefined: list[str] = []

    def value(field: re.Match[str]) -> str:
        if field["name"] in variables:
            return str(_look_up(field, variables))
        if not field["steps"] and field["name"] not in undefined:
            undefined.append(field["name"])
        return field[0]

    return _FIELD.sub(value, text), undefined


def _look_up(field: re.Match[str], variables: Mapping[str, Any]) -> Any:
    value = variables[field["name"]]
    for step in _STEP.findall(field["steps"]):
        try:
            value = getattr(value, step[1:]) if step[0] == "." else value[_key(step[1:-1])]
        except (AttributeError, LookupError, TypeError) as error:
            raise UsageError(
                f"{field[0]}: {type(error).__name__}: {error}. "
                "Correct it, or use --raw to leave all {braces} unchanged."
            ) from None
    return value


def _key(text: str) -> int | str:
    """Return an integer index, or else a string. The quotes of a string are optional."""
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return text


def _history(session: Session, arguments: argparse.Namespace, model: str) -> Conversation:
    """Return the messages before the question: the system message and the conversation."""
    history: Conversation = []
    if arguments.continued:
        if model not in session.conversations:
            raise UsageError(
                f"There is no conversation with {model} to continue. "
                "Start one by leaving out --continue."
            )
        history = session.conversations[model]
    if arguments.system is None:
        return history
    system = {"role": "system", "content": arguments.system}
    return [system, *(message for message in history if message["role"] != "system")]


def _stream_answer(
    session: Session, model: str, messages: Conversation, parameters: dict[str, Any]
) -> Reply:
    stream: ChatStream | None = None
    with live_text(session.in_notebook) as text:
        try:
            if _load(session, model, text).format != "remote":
                parameters |= {"timings_per_token": True, "progress": ReadingProgress(text).show}
            with session.client.stream(model, messages, **parameters) as stream:
                received = ""
                for piece in stream:
                    received += piece
                    text.update(received, markdown=True)
            reply = stream.reply
        except KeyboardInterrupt:
            reply = Reply("", model, "interrupted") if stream is None else stream.reply
        text.update(_with_finish_reason(reply), markdown=True, line=reply.statistics)
    return reply


def _load(session: Session, name: str, text: LiveText) -> Model:
    """Load the model if necessary, and show the progress."""
    model = session.client.show(name)
    if model.state in ("loaded", "busy"):
        return model
    return session.client.load(
        name, progress=lambda phase, fraction: text.update(render.loading(name, phase, fraction))
    )


class ReadingProgress:
    """Shows the progress in a prompt that takes longer than half a second to read."""

    DELAY = 0.5  # seconds

    def __init__(self, text: LiveText) -> None:
        self._text = text
        self._started = time.monotonic()

    def show(self, reading: Reading) -> None:
        is_read = reading.processed == reading.total
        if time.monotonic() - self._started >= self.DELAY and not is_read:
            self._text.update(answer_line.reading(reading))


def _with_finish_reason(reply: Reply) -> str:
    if reply.finish_reason == "interrupted":
        return f"{reply}\n\n*(stopped)*".lstrip()
    if reply.finish_reason == "length":
        return f"{reply}\n\n*(cut off at the length limit)*"
    return reply.text
