"""Argument parsers for magics, which suggest what a mistyped option or command means."""

from __future__ import annotations

import argparse
import math
import re
from typing import Any, NoReturn

import msgspec
from IPython.core.error import UsageError

from ..contract.field_errors import either
from ..contract.parameters import close_matches
from ..contract.text import quoted
from .examples import EXAMPLES
from .live_text import write

_ARGUMENT = re.compile(r"argument (?P<name>\S+): ")
_INVALID_CHOICE = re.compile(r"argument (?P<name>\S+): invalid choice: '(?P<given>[^']*)'.*")
_REQUIRED = re.compile(r"the following arguments are required: (?P<names>.*)")
_NO_VALUE = re.compile(r"expected (?:at least )?one argument")


class HelpShown(Exception):
    """Raised after ``--help`` was shown."""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        # argparse forgets the indentation of commands, and wraps the line of the longest one.
        self._action_max_length = len("traceback") + 4


class MagicParser(argparse.ArgumentParser):
    """Parser that raises `UsageError` and `HelpShown` where argparse exits the process.

    Parameters
    ----------
    surplus : str
        What to say about words that are neither an option nor an argument. By default, which
        arguments there are.
    **options
        Those of `argparse.ArgumentParser`.
    """

    def __init__(self, *, surplus: str = "", **options: Any) -> None:
        self._surplus = surplus
        examples = EXAMPLES.get(options["prog"].split()[-1], "")
        super().__init__(
            allow_abbrev=False,
            epilog=f"examples:\n{examples}" if examples else None,
            formatter_class=_Formatter,
            **options,
        )

    @property
    def arguments(self) -> list[argparse.Action]:
        """All options and positional arguments."""
        return self._actions

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the arguments of this command. Unlike argparse, refuse unknown ones here.

        The parser of the command knows its options, and that of all commands does not.
        """
        namespace, unknown = super().parse_known_args(args, namespace)
        for word in unknown:
            if word.startswith("-"):
                self.error(self._unknown_option(word))
        if unknown:
            self.error(self._surplus or f"{quoted(unknown[0])} is too much: {self._takes}")
        return namespace, unknown

    @property
    def _takes(self) -> str:
        names = [str(action.metavar) for action in self._actions if not action.option_strings]
        if not names:
            return f"{self.prog} takes no arguments."
        return f"{self.prog} takes {' and '.join(names)}. Quote values that contain spaces."

    def _unknown_option(self, word: str) -> str:
        name = word.partition("=")[0]
        known = [option for action in self._actions for option in action.option_strings]
        return f"There is no option {name}.{_did_you_mean(name.replace('_', '-'), known)}"

    def error(self, message: str) -> NoReturn:
        """Raise `UsageError`, in the words of the other errors of this package."""
        message = _INVALID_CHOICE.sub(self._no_choice, message)
        message = _REQUIRED.sub(_missing, message)
        message = _NO_VALUE.sub("needs a value.", message)
        message = _ARGUMENT.sub(_subject, message, count=1)
        # `%%power --help` needs a cell of its own.
        is_cell = self.prog.startswith("%%")
        for_help = f"%power help {self.prog}" if is_cell else f"{self.prog} --help"
        raise UsageError(f"{message}\n{self.format_usage()}For help: {for_help}")

    def _no_choice(self, found: re.Match[str]) -> str:
        name, given = found["name"].split("/")[-1], found["given"]
        known = [
            str(choice)
            for action in self._actions
            if name in (*action.option_strings, action.metavar, action.dest)
            for choice in action.choices or ()
        ]
        allowed = either(map(repr, known))
        return f"{name} must be {allowed}, not {quoted(given)}.{_did_you_mean(given, known)}"

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise HelpShown

    def print_help(self, file: Any = None) -> None:
        write(self.format_help())


def _missing(found: re.Match[str]) -> str:
    names = found["names"]
    return f"{names} {'are' if ',' in names else 'is'} missing."


def _subject(found: re.Match[str]) -> str:
    """Return the option that an error of argparse is about, as the subject of the sentence."""
    name = found["name"].split("/")[-1]
    rest = found.string[found.end() :]
    return f"{name} " if rest.startswith(("must ", "needs ")) else f"{name}: "


def _did_you_mean(name: str, known: list[str]) -> str:
    near = close_matches(name, known)
    return f" Did you mean {near[0]}?" if near else ""


def number(text: str) -> float:
    """Return the number of an option. Infinity and NaN are refused."""
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, not {quoted(text)}.") from None
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"must be a finite number, not {quoted(text)}.")
    return number


def integer(text: str) -> int:
    """Return the integer of an option."""
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise argparse.ArgumentTypeError(f"must be an integer, not {quoted(text)}.")
    return int(text)


def natural(text: str) -> int:
    """Return the positive number of an option."""
    if not text.isdecimal() or len(text) > 18 or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be an integer of at least 1, not {quoted(text)}.")
    return int(text)


def key_value(text: str) -> tuple[str, Any]:
    """Parse ``num_ctx=4096`` as ``("num_ctx", 4096)``. A value that is not JSON is a string."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise argparse.ArgumentTypeError(
            f"must have the form KEY=VALUE, such as num_ctx=4096, not {quoted(text)}."
        )
    try:
        return key, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return key, value
