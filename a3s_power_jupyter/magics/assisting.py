"""``%power explain`` and ``%power fix``: ask a model about the last error, or about a cell."""

from __future__ import annotations

import argparse
import re

from IPython.core.error import UsageError
from IPython.display import display

from ..assistant.answer_code import find_code
from ..assistant.cell_language import code_language
from ..assistant.fitting import (
    LEAST_ANSWER,
    PER_TOKEN,
    Count,
    Draft,
    TooLongError,
    fit,
    middle_out,
)
from ..assistant.prompts import Passage, fenced_passages, messages
from ..client import Reply
from ..contract.errors import PowerError
from ..contract.types import Prompt
from ..display import output
from .cell_answer import CellAnswer
from .failures import Failure
from .interrupts import interrupted
from .live_text import live_text
from .session import Session

#: Characters of the cells before one that a model gets.
CONTEXT = 3000

_MAGIC = re.compile(r"\A\s*%%\w.*(?:\n|\Z)")


def explain(session: Session, arguments: argparse.Namespace) -> None:
    """Explain the last error, or a cell of the history, with its error if it has raised."""
    failure, source = _subject(session, arguments)
    prompts = session.client.prompts()
    prompt = prompts.explain if failure is None else prompts.explain_error
    _ask(session, arguments, prompt, source, failure)


def fix(session: Session, arguments: argparse.Namespace) -> None:
    """Propose the corrected code of the cell with the last error as the next input."""
    failure, source = _subject(session, arguments)
    if failure is None:
        raise UsageError(
            f"Cell {arguments.cell} raised no error. "
            f"%power explain --cell {arguments.cell} explains it."
        )
    reply = _ask(session, arguments, session.client.prompts().fix_error, source, failure)
    magic, _, language = _parts(source)
    found = find_code(reply.text, language)
    if found.code is None:
        display(output.note(f"{found.note} There is no new cell, because the answer has no code."))
        return
    code = found.code
    if magic and code.split("\n", 1)[0].strip() != magic.strip():
        code = magic + code
    if code.strip() == source.strip():
        display(output.note("The model proposes no change."))
        return
    session.shell.set_next_input(code, replace=False)
    notes = [found.note]
    if reply.finish_reason == "length":
        notes.append("It may not be complete, because the answer was cut off.")
    place = "a new cell" if session.in_notebook else "your next input"
    notes.insert(0, f"The proposed code is in {place}. It has not been run.")
    display(output.note(" ".join(filter(None, notes))))


def _subject(session: Session, arguments: argparse.Namespace) -> tuple[Failure | None, str]:
    """Return what to ask about: the error, if there is one, and the source of its cell."""
    if arguments.cell is None:
        failure = session.failures.last
        if failure is None:
            raise UsageError(
                "No cell has raised an error yet. To ask about a cell, give its number: "
                "%power explain --cell N"
            )
        return failure, failure.source
    sources = session.shell.history_manager.input_hist_raw  # type: ignore[union-attr]
    if not 0 < arguments.cell < len(sources) or not sources[arguments.cell].strip():
        raise UsageError(f"There is no cell {arguments.cell} in the history of this session.")
    return session.failures.of(arguments.cell), sources[arguments.cell]


def _ask(
    session: Session,
    arguments: argparse.Namespace,
    prompt: Prompt,
    source: str,
    failure: Failure | None,
) -> Reply:
    """Stream the answer. ``%%power --continue`` then goes on with the conversation."""
    model = session.chat_model(arguments.model)
    draft = _draft(session, model, arguments, prompt, source, failure)
    text = live_text(session.in_notebook)
    with text:
        answer = CellAnswer(session.client, model, text, {})
        reply, conversation = answer.run(list(draft.messages), [], 1)
    if draft.cut:
        display(output.note(draft.cut))
    if reply:
        session.conversations[model] = conversation
    if reply.finish_reason == "interrupted":
        raise interrupted()
    return reply


def _draft(
    session: Session,
    model: str,
    arguments: argparse.Namespace,
    prompt: Prompt,
    source: str,
    failure: Failure | None,
) -> Draft:
    """Return the messages, with as much of the error and the cells before as fits."""
    _, code, language = _parts(source)
    error = "" if failure is None else failure.error
    cells = _cells_before(session, 0 if failure is None else failure.number)

    def compose(characters: int) -> Draft:
        shown = middle_out(error, characters * 2 // 3)
        before = nearest(cells, min(CONTEXT, characters - len(shown)))
        values = {
            "code": code,
            "language": language,
            "error": shown,
            "question": " ".join(arguments.question),
            "before": fenced_passages(Passage(code_language(cell), cell) for cell in before),
        }
        left = len(cells) - len(before) if "{before}" in prompt.user else 0
        cuts = ["Lines of the error were left out."] if shown != error else []
        cuts += [f"{left} cells before it were left out."] if left else []
        return Draft(messages(prompt, values), " ".join(cuts))

    wants_code = prompt == session.client.prompts().fix_error
    answer = len(code) // PER_TOKEN * 5 // 4 + LEAST_ANSWER if wants_code else 0
    try:
        return fit(compose, 2 * CONTEXT, answer, lambda asked: _count(session, model, asked))
    except TooLongError as too_long:
        raise UsageError(str(too_long)) from None


def _count(session: Session, model: str, asked: list[dict[str, str]]) -> Count:
    """Count the tokens by the server; the upstream of a remote model may not be able to."""
    client = session.client
    try:
        used = client.count_tokens(model, asked)
    except PowerError:
        if client.show(model).format != "remote":
            raise
        used = sum(len(message["content"]) for message in asked) // PER_TOKEN
    shown = client.show(model)
    return Count(used, shown.num_ctx or shown.context_length or 0)


def _parts(source: str) -> tuple[str, str, str]:
    """Return the line of a cell magic, the code below it, and the language of the code."""
    found = _MAGIC.match(source)
    magic = found[0] if found else ""
    return magic, source[len(magic) :], code_language(source)


def _cells_before(session: Session, number: int) -> list[str]:
    """Return what ran before a cell without an error, without the commands of this package."""
    sources = session.shell.history_manager.input_hist_raw[1 : max(1, number)]  # type: ignore[union-attr]
    own = ("%power", "%%power")
    return [
        text
        for index, text in enumerate(sources, 1)
        if text.strip()
        and not text.lstrip().startswith(own)
        and not session.failures.has_raised(index)
    ]


def nearest(cells: list[str], characters: int) -> list[str]:
    """Return as many of the last cells as fit."""
    for index in range(len(cells) - 1, -1, -1):
        characters -= len(cells[index])
        if characters < 0:
            return cells[index + 1 :]
    return cells
