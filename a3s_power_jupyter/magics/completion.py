"""Tab completion of ``%power`` and ``%%power``: commands, options, model names."""

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
from . import parser
from .parser import MagicParser
from .session import Session

_LINE = re.compile(r"(?:^|=)\s*(?P<magic>%%?)power\s+(?P<words>.*)$")
_NOTHING: dict[str, Any] = {"completions": []}


class Completion:
    """A matcher for IPython's completer.

    Names come from the server at most every `FRESH` seconds, and no key press waits for it
    longer than `PATIENCE`.
    """

    FRESH = 2.0  # seconds
    PATIENCE = 0.5  # seconds

    def __init__(self, session: Session) -> None:
        self._session = session
        self._names: dict[str, list[str]] = {}
        self._fetched_at: dict[str, float] = {}

    @context_matcher()  # type: ignore[untyped-decorator]
    def match(self, context: CompletionContext) -> dict[str, Any]:
        """Complete the last word of a line of ours; nothing for other lines.

        Returns IPython's `SimpleMatcherResult`.
        """
        line = _LINE.search(context.text_until_cursor)
        if line is None:
            return _NOTHING
        *before, word = re.split(r"\s+", line["words"])
        tree = parser.cell_parser() if line["magic"] == "%%" else parser.line_parser()
        fitting = [text for text in self._candidates(tree, before, word) if text.startswith(word)]
        if not fitting:
            return _NOTHING
        return {
            "completions": [SimpleCompletion(text) for text in fitting],
            # The whole word, though IPython ends its own at the ":" or "@" of a name.
            "matched_fragment": word,
            "suppress": True,
        }

    def _candidates(self, tree: MagicParser, before: list[str], word: str) -> list[str]:
        """What may stand after the words `before`, of which all are whole."""
        awaiting = _awaited(tree, before)
        if awaiting is None:
            return []
        tree, argument = awaiting
        if word.startswith("-") and not (argument and argument.option_strings):
            return [o for a in tree.arguments for o in a.option_strings if o.startswith("--")]
        if argument is None:
            return []
        if argument.dest in ("model", "pull"):
            return self._names_of(argument.dest)
        return list(argument.choices or ())

    def _names_of(self, kind: str) -> list[str]:
        if time.monotonic() - self._fetched_at.get(kind, -math.inf) > self.FRESH:
            try:
                self._names[kind] = self._session.names(kind, patience=self.PATIENCE)
            except PowerError:
                # A key press is no place for an error; the command will tell.
                self._names[kind] = []
            self._fetched_at[kind] = time.monotonic()
        return self._names[kind]


def _awaited(
    tree: MagicParser, words: list[str]
) -> tuple[MagicParser, argparse.Action | None] | None:
    """The parser that `words` lead to, and the argument that comes next, None after the last;
    None where a word is no command."""
    positionals = _positionals(tree)
    option: argparse.Action | None = None
    for word in words:
        if option is not None:
            option = None
        elif word.startswith("-"):
            option = next((a for a in tree.arguments if word in a.option_strings), None)
            if option is not None and option.nargs == 0:
                option = None
        elif positionals and isinstance(positionals[0], argparse._SubParsersAction):
            if word not in positionals[0].choices:
                return None
            tree = positionals[0].choices[word]
            positionals = _positionals(tree)
        else:
            positionals = positionals[1:]
    return tree, option or (positionals[0] if positionals else None)


def _positionals(tree: MagicParser) -> list[argparse.Action]:
    return [argument for argument in tree.arguments if not argument.option_strings]
