"""Tab completion of commands, options and names for ``%power`` and ``%%power``."""

from __future__ import annotations

import argparse
import math
import re
import time
from typing import Any

from IPython.core.completer import (
    CompletionContext,
    SimpleCompletion,
    context_matcher,
)

from ..contract.errors import PowerError
from .cell_options import NOTEBOOK
from .magic_parser import MagicParser
from .parser import cell_parser, line_parser
from .session import Session

_LINE = re.compile(r"(?:^|=)\s*(?P<magic>%%?)power\s+(?P<words>.*)$")
_NO_COMPLETIONS: dict[str, Any] = {"completions": []}


class Completion:
    """Matcher for IPython's completer.

    Attributes
    ----------
    MAX_AGE : float
        Seconds for which the names of models and pulls are cached.
    TIMEOUT : float
        Seconds to wait for the server after a key press.
    """

    MAX_AGE = 2.0
    TIMEOUT = 0.5

    def __init__(self, session: Session) -> None:
        self._session = session
        self._names: dict[str, list[str]] = {}
        self._fetched_at: dict[str, float] = {}

    @context_matcher()  # type: ignore[untyped-decorator]
    def match(self, context: CompletionContext) -> dict[str, Any]:
        """Complete the last word of a ``%power`` or ``%%power`` line.

        Returns
        -------
        dict
            IPython's `SimpleMatcherResult`, without completions for other lines.
        """
        line = _LINE.search(context.text_until_cursor)
        if line is None:
            return _NO_COMPLETIONS
        *before, word = re.split(r"\s+", line["words"])
        parser = cell_parser() if line["magic"] == "%%" else line_parser()
        candidates = self._candidates(parser, before, word)
        completions = [text for text in candidates if text.startswith(word)]
        if not completions:
            return _NO_COMPLETIONS
        return {
            "completions": [SimpleCompletion(text) for text in completions],
            # The whole word. IPython's own fragment starts after a ":" or "@" in a name.
            "matched_fragment": word,
            "suppress": True,
        }

    def _candidates(self, parser: MagicParser, before: list[str], word: str) -> list[str]:
        """Return the candidates for the word after the complete words `before`."""
        expected = _expected_argument(parser, before)
        if expected is None:
            return []
        parser, argument = expected
        if word.startswith("-") and not (argument and argument.option_strings):
            return [o for a in parser.arguments for o in a.option_strings if o.startswith("--")]
        if argument is None:
            return []
        if argument.dest == "words" or (parser.prog.endswith(" pull") and argument.dest == "name"):
            return self._session.found
        if argument.dest in ("model", "pull"):
            return self._names_of(argument.dest)
        if argument.dest == "tools":
            chosen, comma, _ = word.rpartition(",")
            return [chosen + comma + name for name in (NOTEBOOK, *self._session.functions)]
        return list(argument.choices or ())

    def _names_of(self, kind: str) -> list[str]:
        if time.monotonic() - self._fetched_at.get(kind, -math.inf) > self.MAX_AGE:
            try:
                self._names[kind] = self._session.names(kind, timeout=self.TIMEOUT)
            except PowerError:
                # Completion fails silently. The command itself will show the error.
                self._names[kind] = []
            self._fetched_at[kind] = time.monotonic()
        return self._names[kind]


def _expected_argument(
    parser: MagicParser, words: list[str]
) -> tuple[MagicParser, argparse.Action | None] | None:
    """Return the parser of the command in `words` and its next argument.

    The argument is None after the last one. The result is None if a word is not a command.
    """
    positionals = _positionals(parser)
    option: argparse.Action | None = None
    for word in words:
        if option is not None:
            option = None
        elif word.startswith("-"):
            option = next((a for a in parser.arguments if word in a.option_strings), None)
            if option is not None and option.nargs == 0:
                option = None
        elif positionals and positionals[0].nargs == argparse.PARSER:
            commands: dict[str, MagicParser] = dict(positionals[0].choices or ())
            if word not in commands:
                return None
            parser = commands[word]
            positionals = _positionals(parser)
        else:
            positionals = positionals[1:]
    return parser, option or (positionals[0] if positionals else None)


def _positionals(parser: MagicParser) -> list[argparse.Action]:
    return [argument for argument in parser.arguments if not argument.option_strings]
