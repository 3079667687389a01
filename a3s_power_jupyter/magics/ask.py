"""``%%power``: ask a model, and show the answer while it is written."""

from __future__ import annotations

import argparse
import keyword
from typing import Any

from IPython.core.error import UsageError
from IPython.display import display

from ..client import Reply
from . import render, variables
from .live import Live, live
from .session import Conversation, Session


def ask(session: Session, arguments: argparse.Namespace, cell: str) -> None:
    """Ask what is in `cell`; the answer goes to the output and to the variable ``--to``.

    An interrupt ends the generation in the server and keeps what has come.

    Raises
    ------
    UsageError, PowerError
    """
    if not arguments.to.isidentifier() or keyword.iskeyword(arguments.to):
        raise UsageError(f"--to {arguments.to!r} is no name of a variable.")
    parameters = _parameters(session, arguments)
    question = _question(session, arguments, cell)
    model = session.chat_model(arguments.model)
    messages = [*_history(session, arguments, model), {"role": "user", "content": question}]
    reply = _answer(session, model, messages, parameters)
    session.shell.push({arguments.to: reply})
    if reply:
        messages.append({"role": "assistant", "content": reply.text})
        session.conversations[model] = messages


def _parameters(session: Session, arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of the cell as fields of the request."""
    names = ("temperature", "max_tokens", "top_p", "seed", "stop", "keep_alive")
    given = {name: getattr(arguments, name) for name in names}
    parameters = {name: value for name, value in given.items() if value is not None}
    if arguments.json_schema is not None:
        schema = session.shell.user_ns.get(arguments.json_schema)
        if not isinstance(schema, dict):
            raise UsageError(
                f"--json-schema takes the name of a variable that holds a dict; "
                f"{arguments.json_schema!r} is none."
            )
        parameters["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema},
        }
    return parameters


def _question(session: Session, arguments: argparse.Namespace, cell: str) -> str:
    if not cell.strip():
        raise UsageError("The cell asks nothing. Write the question below the %%power line.")
    if arguments.raw:
        return cell.strip()
    question, unknown = variables.fill(cell.strip(), session.shell.user_ns)
    if unknown:
        names = ", ".join(unknown)
        braces = ", ".join(f"{{{name}}}" for name in unknown)
        display(render.note(f"{braces} is sent as it is: there is no variable {names}."))
    return question


def _history(session: Session, arguments: argparse.Namespace, model: str) -> Conversation:
    """What comes before the question: the conversation so far, and the system message."""
    history: Conversation = []
    if arguments.continued:
        if model not in session.conversations:
            raise UsageError(
                f"There is no conversation with {model} to go on with; leave --continue out once."
            )
        history = session.conversations[model]
    if arguments.system is None:
        return history
    system = {"role": "system", "content": arguments.system}
    return [system, *(message for message in history if message["role"] != "system")]


def _answer(
    session: Session, model: str, messages: Conversation, parameters: dict[str, Any]
) -> Reply:
    text = ""
    with live(session.in_notebook) as place:
        try:
            _load(session, model, place)
            with session.client.stream(model, messages, **parameters) as stream:
                for piece in stream:
                    text += piece
                    place.update(text)
            reply = stream.reply
        except KeyboardInterrupt:
            reply = Reply(text, model, "interrupted")
        place.update(_ended(reply))
    return reply


def _load(session: Session, model: str, place: Live) -> None:
    """Load the model first where it is not, to show how that goes."""
    if session.client.show(model).state not in ("loaded", "busy"):
        session.client.load(
            model, progress=lambda phase, done: place.update(render.loading(model, phase, done))
        )


def _ended(reply: Reply) -> str:
    """The answer with a word on why it is not whole."""
    if reply.finish_reason == "interrupted":
        return f"{reply}\n\n*(stopped)*".lstrip()
    if reply.finish_reason == "length":
        return f"{reply}\n\n*(cut off at the length limit)*"
    return reply.text
