"""Compile the constraints of a model's requests."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import llguidance

from ...contract.errors import UnsupportedRequestFields
from ...contract.types import Constraint
from .grammar import grammar_of
from .matcher import Matcher
from .problems import refused

#: Limits of llguidance on one answer. Each state of the lexer takes about 2 kB. The others bound
#: the time for a mask, and allow objects with 1,000 optional properties.
_LIMITS: dict[str, Any] = {
    "verbose_errors": False,
    "max_lexer_states": 50_000,
    "max_items_in_row": 20_000,
    "step_max_items": 200_000,
}

#: Text without an alternative is sampled, too. Otherwise, llguidance tokenizes it before each mask,
#: which takes half a second for ``a{100000}``.
_OPTIONS = '%llguidance {"no_forcing": true}'


#: Grammars of which a matcher is kept, because the turns of a conversation have the same functions.
KEPT_GRAMMARS = 8

#: Most characters of such a grammar.
KEPT_LENGTH = 2**16


class TokenizerNotSupported(Exception):
    """The tokenizer of a model cannot be constrained; the message completes "because ..."."""


class ConstraintCompiler:
    """Compiles constraints for the vocabulary of a model. Threads may share it.

    Parameters
    ----------
    new_tokenizer : callable
        Returns the ``llguidance.LLTokenizer`` of the model, or raises `TokenizerNotSupported`. It
        is called once, on first use, because it takes up to a few seconds.
    """

    def __init__(self, new_tokenizer: Callable[[], Any]) -> None:
        self._new_tokenizer = new_tokenizer
        self._lock = threading.Lock()
        self._tokenizer: Any = None
        self._failure = ""
        self._kept: OrderedDict[str, Matcher] = OrderedDict()  # the last one used is the last one

    def compile(self, constraint: Constraint) -> Matcher:
        """Return a matcher for one answer.

        Raises
        ------
        InvalidParameter
            If the constraint is not supported.
        UnsupportedRequestFields
            If the model's tokenizer cannot be constrained.
        """
        return self.matcher(grammar_of(constraint), constraint.field)

    def matcher(self, grammar: str, param: str) -> Matcher:
        """Return a matcher of a grammar in llguidance's Lark for one answer.

        Parameters
        ----------
        param : str
            The field of the request that has the constraint, for error messages.

        Raises
        ------
        InvalidParameter
            If the grammar is not valid, or exceeds a limit.
        UnsupportedRequestFields
            If the model's tokenizer cannot be constrained.
        """
        with self._lock:
            if grammar in self._kept:
                self._kept.move_to_end(grammar)
                return self._kept[grammar].copy(param)
        matcher = self._compiled(grammar, param)
        if len(grammar) <= KEPT_LENGTH:
            with self._lock:
                self._kept[grammar] = matcher.copy()
                while len(self._kept) > KEPT_GRAMMARS:
                    self._kept.popitem(last=False)
        return matcher

    def _compiled(self, grammar: str, param: str) -> Matcher:
        tokenizer = self.tokenizer(param)
        compiled = llguidance.LLMatcher(
            tokenizer,
            _with_options(grammar),
            log_level=0,
            limits=llguidance.LLParserLimits(**_LIMITS),
        )
        if compiled.is_error():
            raise refused(compiled.get_error()).in_field(param)
        matcher = Matcher(compiled, tokenizer, param)
        matcher.prepare()
        return matcher

    def tokenizer(self, param: str) -> Any:
        """Return the ``llguidance.LLTokenizer`` of the model.

        Raises
        ------
        UnsupportedRequestFields
            If the model's tokenizer cannot be constrained.
        """
        with self._lock:
            if self._tokenizer is None and not self._failure:
                try:
                    self._tokenizer = self._new_tokenizer()
                except TokenizerNotSupported as error:
                    self._failure = str(error)
            if self._failure:
                raise UnsupportedRequestFields(
                    f"Answers of this model cannot be constrained, because {self._failure} Remove "
                    f"{param!r} from the request, or use another model.",
                    param=param,
                )
            return self._tokenizer


def _with_options(grammar: str) -> str:
    """Add the options to a grammar, which may be several ones in JSON."""
    if not grammar.startswith("{"):
        return f"{grammar}\n{_OPTIONS}"
    first, *others = json.loads(grammar)["grammars"]
    first = {**first, "lark_grammar": f"{first['lark_grammar']}\n{_OPTIONS}"}
    return json.dumps({"grammars": [first, *others]})
