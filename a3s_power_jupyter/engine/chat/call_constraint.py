"""Constrain the calls of an answer from the moment when one begins."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ...contract.errors import InvalidParameter
from ..constraints.matcher import Matcher

log = logging.getLogger("a3s_power_jupyter.worker")


class CallConstraint:
    """The constraint of one answer, which has no effect until a call begins.

    Parameters
    ----------
    matcher : Matcher
        Tracks calls from their first character on.
    constrain : callable
        Constrains the tokens from the next one on.
    """

    def __init__(self, matcher: Matcher, constrain: Callable[[Matcher], None]) -> None:
        self._matcher = matcher
        self._constrain = constrain
        self._is_active = False

    def begin(self, text: bytes) -> None:
        """Constrain the rest of the answer, which goes on after this text of its calls.

        If the model has already written what no call can begin with, such as the name of an unknown
        tool, the answer goes on without a constraint.
        """
        if self._is_active:
            return
        matcher = self._matcher.copy()  # the text may not fit, and calls begin again later
        try:
            matcher.feed(text)
        except InvalidParameter as error:
            log.debug("a call is not constrained: %s", error)
            return
        self._is_active = True
        self._constrain(matcher)
