"""The magics themselves: they parse, run the command, and turn our errors into IPython's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class
from IPython.utils.process import arg_split  # type: ignore[attr-defined]

from ..contract.errors import PowerError
from . import parser
from .ask import ask
from .parser import HelpShown
from .render import Output
from .session import Session


@magics_class
class PowerMagics(Magics):
    """The magics of one shell; `session` is what they remember from cell to cell."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self.session = Session(shell)

    @line_cell_magic
    def power(self, line: str, cell: str | None = None) -> Output | None:
        """Local models: ``%power help`` lists the commands and options."""
        with _mistakes_without_traceback():
            if cell is None:
                return self._command(line)
            arguments = parser.cell_parser().parse_args(_words(line))
            ask(self.session, arguments, cell)
        return None

    def _command(self, line: str) -> Output | None:
        arguments = parser.line_parser().parse_args(_words(line))
        run: Callable[[Session, Any], Output | None] = arguments.run
        return run(self.session, arguments)


def _words(line: str) -> list[str]:
    try:
        words: list[str] = arg_split(line, posix=True)
    except ValueError as error:
        raise UsageError(f"{error}: put what has spaces or quotes into quotes.") from None
    return words


@contextmanager
def _mistakes_without_traceback() -> Iterator[None]:
    try:
        yield
    except HelpShown:
        return
    except PowerError as error:
        raise UsageError(error.message) from None
    except KeyboardInterrupt:
        raise UsageError("Stopped.") from None
