"""Register the magics, parse their arguments and run their commands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class
from IPython.utils.process import arg_split  # type: ignore[attr-defined]

from ..contract.errors import PowerError
from ..contract.text import printable
from ..display.output import Output
from .cell_magic import ask
from .completion import Completion
from .interrupts import Interrupts, interrupted
from .magic_parser import HelpShown
from .parser import parse_cell, parse_line
from .session import Session
from .spelling import in_options

#: A cell that is only this line.
_ALONE = re.compile(r"%%power(\s|$)")

_QUESTION = " Write the question below the %%power line."


@magics_class
class PowerMagics(Magics):
    """The ``%power`` and ``%%power`` magics of one shell."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self.session = Session(shell)
        self.session.failures.listen()
        self.interrupts = Interrupts(shell)

    @line_cell_magic
    def power(self, line: str, cell: str | None = None) -> Output | None:
        """Local language models. ``%power help`` lists the commands and options."""
        with _errors_without_traceback(), self.interrupts.once():
            if cell is None:
                return self._run_command(line)
            ask(self.session, parse_cell(_split(line, _QUESTION), cell), cell)
        return None

    def _run_command(self, line: str) -> Output | None:
        arguments = parse_line(_split(line))
        run: Callable[[Session, Any], Output | None] = arguments.run
        return run(self.session, arguments)


def load(shell: InteractiveShell) -> None:
    """Register the magics and their completion with `shell`."""
    _close_previous(shell)
    magics = PowerMagics(shell)
    shell.register_magics(magics)
    _unload_completion(shell)  # of a previous load
    shell.Completer.custom_matchers.append(Completion(magics.session).match)
    _remove_with_body(shell)
    shell.input_transformers_cleanup.append(_with_body)


def unload(shell: InteractiveShell) -> None:
    """Remove the magics and their completion from `shell`."""
    _unload_completion(shell)
    _remove_with_body(shell)
    _close_previous(shell)
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("power", None)


def _close_previous(shell: InteractiveShell) -> None:
    """Close what a previous load listens with."""
    magics = shell.magics_manager.registry.get(PowerMagics.__name__)
    if magics is not None:
        magics.interrupts.close()
        magics.session.failures.close()
        del shell.magics_manager.registry[PowerMagics.__name__]


def _unload_completion(shell: InteractiveShell) -> None:
    shell.Completer.custom_matchers[:] = [
        matcher
        for matcher in shell.Completer.custom_matchers
        if not isinstance(getattr(matcher, "__self__", None), Completion)
    ]


def _split(line: str, hint: str = "") -> list[str]:
    try:
        words: list[str] = arg_split(line, posix=True)
    except ValueError as error:
        quote = "Quote arguments that contain spaces or quotes."
        raise UsageError(f"{error}. {quote}{hint}") from None
    return words


def _with_body(lines: list[str]) -> list[str]:
    """Add an empty line to a cell that is only a ``%%power`` line.

    IPython does not run cell magics without a body. It proposes ``%power``, which is another one.
    """
    is_alone = len(lines) == 1 and _ALONE.match(lines[0])
    return [*lines, "\n"] if is_alone else lines


# IPython in a terminal then leaves it out when it decides whether to wait for another line.
_with_body.has_side_effects = True  # type: ignore[attr-defined]


def _remove_with_body(shell: InteractiveShell) -> None:
    transforms = shell.input_transformers_cleanup
    transforms[:] = [t for t in transforms if getattr(t, "__module__", "") != __name__]


@contextmanager
def _errors_without_traceback() -> Iterator[None]:
    try:
        yield
    except HelpShown:
        return
    except PowerError as error:
        raise UsageError(in_options(printable(str(error)))) from None
    except UsageError as error:
        raise UsageError(printable(str(error))) from None
    except KeyboardInterrupt as interrupt:
        raise interrupted(str(interrupt) or "Interrupted.") from None
