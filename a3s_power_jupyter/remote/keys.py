"""Read the keys of upstreams from the environment, if the administrator allows it."""

from __future__ import annotations

import os
import re

from msgspec import UNSET

from ..contract.errors import InvalidParameter, UpstreamUnauthorized
from ..contract.redaction import Redactor, clean_token
from ..contract.types import Upstream


class UpstreamKeys:
    """The environment variables with keys of upstreams.

    Who registers a model chooses both the variable and the host that receives its value, so only
    variables that are meant for upstreams may be sent.

    Parameters
    ----------
    pattern : str
        Regular expression that matches the whole name of such a variable.
    """

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)

    def check(self, upstream: Upstream) -> None:
        """Check the variable of a model that is being registered.

        Raises
        ------
        InvalidParameter
            If it may not be sent. The message does not show the name, which may be the key.
        """
        if upstream.api_key_env is not UNSET and not self._allows(upstream.api_key_env):
            raise InvalidParameter(
                "api_key_env must be the name of an environment variable that "
                "PowerApp.upstream_key_pattern allows, such as OPENAI_API_KEY, and not the key "
                "itself. Rename the variable, or change that setting of the server.",
                param="upstream.api_key_env",
            )

    def key_of(self, upstream: Upstream) -> str | None:
        """Return the key, or None if the upstream has none.

        Raises
        ------
        UpstreamUnauthorized
            If the variable may not be sent, is not set, or its value cannot be a key.
        """
        name = upstream.api_key_env
        if name is UNSET:
            return None
        if not self._allows(name):  # the setting has changed since the registration
            raise UpstreamUnauthorized(
                f"PowerApp.upstream_key_pattern does not allow to send the environment variable "
                f"{name} to an upstream. Rename the variable and register the model again, or "
                "change that setting of the server."
            )
        try:
            key = clean_token(os.environ.get(name), f"The value of {name}")
        except InvalidParameter as error:
            raise UpstreamUnauthorized(error.message) from None
        if key is None:
            raise UpstreamUnauthorized(
                f"The environment variable {name} is not set in the notebook server. Set it and "
                "restart the server."
            )
        return key

    def redactor(self, upstream: Upstream) -> Redactor:
        """Return a function that removes the key of `upstream` from texts."""
        name = upstream.api_key_env
        return Redactor(None if name is UNSET else os.environ.get(name))

    def _allows(self, name: str) -> bool:
        return self._pattern.fullmatch(name) is not None
