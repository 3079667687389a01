"""Commands of ``%power`` for pulls and the Hugging Face Hub."""

from __future__ import annotations

import argparse
import getpass
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from IPython.core.error import StdinNotImplementedError, UsageError
from IPython.display import display

from ..client import Client
from ..contract.errors import PowerError, PullStateNotFound
from ..contract.redaction import Redactor, clean_token
from ..contract.types import PullStatus
from ..display import output, pull_progress
from ..display.output import Output
from . import suggestions
from .interrupts import interrupted
from .live_text import write
from .session import Session

if TYPE_CHECKING:
    from ..widgets import PullProgress


#: Most candidates of an error that are shown as commands.
MAX_COMMANDS = 10


def pull(session: Session, arguments: argparse.Namespace) -> Output | None:
    """Pull a model and show its progress, or list models to begin with if no name is given.

    An interrupt pauses the pull.

    Raises
    ------
    PowerError
        If the pull fails.
    UsageError
        If it fails and the error has candidates, which are shown as commands.
    """
    if arguments.name is None:
        return suggestions.recommended(session.client)
    if arguments.token:
        display(
            output.note(
                "The token is now in this notebook and its history. Remove it, and use "
                "%power login, which stores it outside the notebook."
            )
        )
    options = {name: getattr(arguments, name) for name in ("token", "force", "revision")}
    try:
        if arguments.background:
            return _pull_in_background(session, arguments.name, options)
        _pull_and_show(session, arguments.name, options)
    except PowerError as error:
        if not error.candidates:
            raise
        raise UsageError(f"{error.message}\n\n{_commands(error, options)}") from None
    return None


def _commands(error: PowerError, options: dict[str, Any]) -> str:
    """Return the commands that pull the candidates of an error, one a line."""
    end = "".join(
        f" --{name}" + ("" if value is True else f" {value}")
        for name, value in options.items()
        if value and name != "token" and name != error.param
    )
    commands = [f"    %power pull {name}{end}" for name in error.candidates[:MAX_COMMANDS]]
    more = len(error.candidates) - MAX_COMMANDS
    return "\n".join(["Pull one of them:", *commands, *([f"    and {more} more"] * (more > 0))])


def _pull_in_background(session: Session, name: str, options: dict[str, Any]) -> Output:
    status = session.client.pull_in_background(name, **options)
    hint = " %power pulls shows its progress." if status.status == "pulling" else ""
    return output.note(f"{_describe(status)}.{hint}")


def _pull_and_show(session: Session, name: str, options: dict[str, Any]) -> None:
    client = session.client
    status: PullStatus | None = None
    with _pull_display(client, in_notebook=session.in_notebook) as show:
        try:
            for event in client.pull(name, **options):
                if event["status"] == "already_exists":
                    here = f"{event['name']} is already here, so nothing was downloaded."
                    display(output.note(f"{here} Use --force to verify it."))
                    return
                if "pull" in event:
                    status = msgspec.convert(event["pull"], PullStatus)
                    show(status)
        except KeyboardInterrupt:
            raise interrupted(_pause(client, name, show)) from None
        except PowerError as error:
            if status is not None:
                show(status.ended("failed", error=error.to_wire()))
            raise
    if status is not None and status.status == "paused":
        display(output.note(f"The pull was paused. {_resume(name)}"))


def _pause(client: Client, name: str, show: Callable[[PullStatus], None]) -> str:
    """Pause a pull after an interrupt, and return what became of it."""
    try:
        status = client.pause_pull(name)
    except PullStateNotFound:
        return "Interrupted before the pull began."
    except PowerError as error:
        return f"Interrupted, but the pull may go on: {error.message}"
    show(status)
    if status.status == "paused":
        return f"Interrupted. The pull of {name} is paused. {_resume(name)}"
    return f"Interrupted. {_describe(status)}."


def _resume(name: str) -> str:
    return f"Run this cell again to resume, or %power cancel {name} to delete the partial files."


def pulls(session: Session, arguments: argparse.Namespace) -> Output:
    """List the known pulls."""
    empty = "No pulls yet. Pull a model: %power pull owner/repo:TAG"
    return pull_progress.table(session.client.pulls(), empty=empty)


def pause(session: Session, arguments: argparse.Namespace) -> Output:
    """Pause a pull."""
    status = session.client.pause_pull(arguments.pull)
    hint = f" Use %power pull {status.name} to resume." if status.status == "paused" else ""
    return output.note(f"{_describe(status)}.{hint}")


def cancel(session: Session, arguments: argparse.Namespace) -> Output:
    """Cancel a pull."""
    status = session.client.cancel_pull(arguments.pull, keep_partial=arguments.keep_partial)
    return output.note(f"{_describe(status)}.")


def login(session: Session, arguments: argparse.Namespace) -> Output:
    """Store a hub token where huggingface_hub keeps it, outside the notebook.

    Raises
    ------
    UsageError
        If the front end has no input, no token is entered, or the hub rejects the token.
    """
    import huggingface_hub

    try:
        entered = getpass.getpass("Token of the Hugging Face Hub: ")
    except StdinNotImplementedError:
        raise UsageError(
            "This front end does not support input. Run `hf auth login` in a terminal, or set "
            "HF_TOKEN for the server."
        ) from None
    try:
        token = clean_token(entered, "The token")
    except PowerError as error:
        raise UsageError(error.message) from None
    if token is None:
        raise UsageError("No token entered. Create one: https://huggingface.co/settings/tokens")
    try:
        huggingface_hub.login(token, skip_if_logged_in=False)
    except (ValueError, OSError) as error:  # the token was rejected, or the hub is unreachable
        reason = Redactor(token)(str(error)).partition("\n")[0]
        raise UsageError(f"The hub did not accept the token: {reason}") from None
    path = huggingface_hub.constants.HF_TOKEN_PATH
    return output.note(f"Login successful. The token is stored in {path} and used for all pulls.")


def _describe(status: PullStatus) -> str:
    facts = pull_progress.facts(status)
    verb = "has" if status.status == "failed" else "is"
    return f"{status.name} {verb} {pull_progress.label(status)}" + (f" ({facts})" if facts else "")


class NotebookDisplay:
    """Show a pull in its widget. A saved notebook keeps the last status.

    The widget also receives the status from this cell, for front ends in which it cannot reach
    the server while the cell is running.
    """

    INTERVAL = 0.2  # seconds between two updates

    def __init__(self, client: Client) -> None:
        self._client = client
        self._widget: PullProgress | None = None
        self._handle: Any = None
        self._shown: tuple[object, object] = (None, None)
        self._shown_at = float("-inf")

    def show(self, status: PullStatus) -> None:
        now = time.monotonic()
        step = status.status, status.phase
        if step == self._shown and now - self._shown_at < self.INTERVAL:
            return
        self._shown, self._shown_at = step, now
        if self._widget is None:
            self._widget = self._client.pull_widget(status.name)
        self._widget.status = msgspec.to_builtins(status)
        if self._handle is None:
            self._handle = display(self._widget, display_id=True)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.update(self._widget)


class TerminalDisplay:
    """Show a pull in one line, which is overwritten.

    If the output is not a terminal, write a line for each step and each 10% of progress.
    """

    def __init__(self) -> None:
        self._is_tty = sys.stdout.isatty()
        self._shown: tuple[str, int] | None = None

    def show(self, status: PullStatus) -> None:
        if self._is_tty:
            # A line that wraps cannot be overwritten.
            line = pull_progress.text(status)[: shutil.get_terminal_size().columns - 1]
            write("\r\x1b[K" + line)
            return
        tenth = int(10 * (pull_progress.fraction(status) or 0))
        step = pull_progress.label(status), tenth
        if step != self._shown:
            self._shown = step
            write(pull_progress.text(status) + "\n")

    def close(self) -> None:
        if self._is_tty:
            write("\n")


@contextmanager
def _pull_display(client: Client, *, in_notebook: bool) -> Iterator[Callable[[PullStatus], None]]:
    """Yield a function that shows a status. The last status remains in the output."""
    chosen = NotebookDisplay(client) if in_notebook else TerminalDisplay()
    try:
        yield chosen.show
    finally:
        chosen.close()
