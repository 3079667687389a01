"""``%%power``: send the cell to a model and stream the answer."""

from __future__ import annotations

import argparse
import keyword
import re
from collections.abc import Mapping
from typing import Any

from IPython.core.error import UsageError
from IPython.display import display

from ..client import Reply
from ..display import output
from .cell_answer import CellAnswer
from .cell_options import parameters_of, tools_of
from .interrupts import interrupted
from .live_text import live_text
from .notebook_tools import notebook_tools
from .permission import Permission
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
    KeyboardInterrupt
        After an interrupt, when the variable is set.
    """
    if not arguments.to.isidentifier() or keyword.iskeyword(arguments.to):
        raise UsageError(f"--to {arguments.to!r} is not a valid variable name.")
    variables = session.variables
    parameters = parameters_of(arguments, variables)
    text = live_text(session.in_notebook)
    permission = Permission(text, arguments.allow)
    tools = tools_of(arguments, variables, lambda: notebook_tools(session, permission))
    question = _question(session, arguments, cell)
    model = session.chat_model(arguments.model)
    messages = [*_history(session, arguments, model), {"role": "user", "content": question}]
    with text:
        answer = CellAnswer(session.client, model, text, parameters)
        reply, messages = answer.run(messages, tools, arguments.max_rounds)
    session.shell.push({arguments.to: reply})
    if reply:
        session.conversations[model] = messages
    if reply.finish_reason == "interrupted":
        raise interrupted(_stopped(arguments.to, reply))


def _stopped(variable: str, reply: Reply) -> str:
    if not reply:
        return f"Interrupted before the first word. {variable} is empty."
    return f"Interrupted. {variable} has the answer so far."


def _question(session: Session, arguments: argparse.Namespace, cell: str) -> str:
    if not cell.strip():
        raise UsageError("The cell is empty. Write the question below the %%power line.")
    if arguments.raw:
        return cell.strip()
    question, undefined = fill(cell.strip(), session.shell.user_ns)
    if undefined:
        fields = ", ".join(f"{{{name}}}" for name in undefined)
        display(output.note(f"Not defined in this notebook and left unchanged: {fields}"))
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
            return _look_up(field, variables)
        if not field["steps"] and field["name"] not in undefined:
            undefined.append(field["name"])
        return field[0]

    return _FIELD.sub(value, text), undefined


def _look_up(field: re.Match[str], variables: Mapping[str, Any]) -> str:
    """Return the text of a value. Its attributes and ``__str__`` may be the user's own code."""
    value = variables[field["name"]]
    try:
        for step in _STEP.findall(field["steps"]):
            value = getattr(value, step[1:]) if step[0] == "." else value[_key(step[1:-1])]
        return str(value)
    except Exception as error:
        raise UsageError(
            f"{field[0]}: {type(error).__name__}: {error}. "
            "Correct it, or use --raw to leave all {braces} unchanged."
        ) from None


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
