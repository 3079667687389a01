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
    new_matcher : callable
        Returns a matcher for calls. It is called at once, because this may take long.
    constrain : callable
        Constrains the tokens from the next one on.
    """

    def __init__(
        self, new_matcher: Callable[[], Matcher], constrain: Callable[[Matcher], None]
    ) -> None:
        self._new_matcher = new_matcher
        self._constrain = constrain
        self._matcher: Matcher | None = new_matcher()
        self._is_active = False

    def begin(self, text: bytes) -> None:
        """Constrain the rest of the answer, which goes on after this text of its calls.

        If the model has already written what no call can begin with, such as the name of an unknown
        tool, the answer goes on without a constraint.
        """
        if self._is_active:
            return
        matcher, self._matcher = self._matcher or self._new_matcher(), None
        try:
            matcher.feed(text)
        except InvalidParameter as error:
            log.debug("a call is not constrained: %s", error)
            return
        self._is_active = True
        self._constrain(matcher)
