"""The tokens that a constraint allows at each position of an answer."""

from __future__ import annotations

from typing import Any

import llguidance.numpy
import numpy as np
import numpy.typing as npt

from .problems import refused, without_answer

Logits = npt.NDArray[np.float32]


class Matcher:
    """The state of one answer.

    All methods raise `InvalidParameter` if llguidance reaches one of its limits, or if no token of
    the vocabulary can come next.

    Parameters
    ----------
    matcher : llguidance.LLMatcher
        Tracks the answer.
    tokenizer : llguidance.LLTokenizer
        Splits text that was generated before the matcher began.
    param : str
        The field of the request that has the constraint, for error messages.
    """

    def __init__(self, matcher: Any, tokenizer: Any, param: str) -> None:
        self._matcher = matcher
        self._tokenizer = tokenizer
        self._param = param
        # An end that is also text would end the answer in the middle.
        ends = tokenizer.eos_tokens
        self._text_ends = [end for end in ends if not tokenizer.is_special_token(end)]
        self._bitmask = llguidance.numpy.allocate_token_bitmask(1, tokenizer.vocab_size)

    def prepare(self) -> None:
        """Compute the tokens for the current position, which takes longest for the first one."""
        self._check()
        llguidance.numpy.fill_next_token_bitmask(self._matcher, self._bitmask)
        self._check()
        if not self._bitmask.any():
            raise without_answer().in_field(self._param)

    def copy(self, param: str | None = None) -> Matcher:
        """Return a matcher for another answer, or for another continuation of this one."""
        param = self._param if param is None else param
        return Matcher(self._matcher.deep_copy(), self._tokenizer, param)

    def mask(self, logits: Logits) -> None:
        """Set the logits of tokens that may not come next to minus infinity.

        Parameters
        ----------
        logits : ndarray
            Shape (vocabulary,); changed in place.
        """
        self.prepare()
        bits = self._bitmask.view(np.uint8).ravel()
        allowed = np.unpackbits(bits, bitorder="little", count=min(len(logits), bits.size * 8))
        logits[: len(allowed)][allowed == 0] = -np.inf
        logits[len(allowed) :] = -np.inf
        if self._text_ends and not self.allows_end:
            logits[self._text_ends] = -np.inf
        if logits.max() == -np.inf:
            raise without_answer().in_field(self._param)

    def accept(self, token: int) -> None:
        """Add a token to the answer."""
        self._matcher.consume_token(token)
        self._check()

    def feed(self, data: bytes) -> None:
        """Add text that was generated before the matcher began.

        Raises
        ------
        InvalidParameter
            If the constraint does not allow it.
        """
        try:
            tokens = self._tokenizer.greedy_tokenize(data.decode())
        except UnicodeDecodeError:  # it ends within a character
            tokens = self._tokenizer.tokenize_bytes(data)
        self._matcher.consume_tokens(tokens)
        self._check()

    @property
    def allows_end(self) -> bool:
        """Whether the answer may end here."""
        return bool(self._matcher.is_accepting())

    @property
    def end_token(self) -> int:
        """A token that ends the answer."""
        return int(self._tokenizer.eos_token)

    @property
    def is_complete(self) -> bool:
        """Whether the answer has to end here."""
        return bool(self._matcher.is_stopped())

    def _check(self) -> None:
        if self._matcher.is_error():
            raise refused(self._matcher.get_error()).in_field(self._param)
