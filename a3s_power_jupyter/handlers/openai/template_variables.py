"""Collect the variables of a request for the model's chat template.

Clients ask for more or less reasoning in many ways.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from ...contract.errors import InvalidParameter
from ...contract.text import quoted
from ..chat.thinking import template_variables
from ..fields import wrong_value
from .fields import ChatFields

#: Words of ``thinking.type``, and what they mean.
_THINKING = {"enabled": True, "adaptive": True, "disabled": False}


def read_template_kwargs(fields: ChatFields) -> dict[str, Any]:
    """Return ``chat_template_kwargs`` with what other fields say about reasoning.

    What ``chat_template_kwargs`` contains takes precedence.

    Raises
    ------
    InvalidParameter
        If a field is malformed.
    """
    return template_variables(_effort(fields), _thinks(fields), fields.chat_template_kwargs)


def _effort(fields: ChatFields) -> str | None:
    if fields.reasoning_effort is not UNSET:
        return fields.reasoning_effort
    if isinstance(fields.think, str):
        return fields.think
    effort = fields.reasoning.get("effort") if isinstance(fields.reasoning, dict) else None
    if effort is not None and not isinstance(effort, str):
        raise wrong_value("reasoning.effort", "a string", effort)
    return effort


def _thinks(fields: ChatFields) -> bool | None:
    """Return whether the model is to think, or None if the request does not say."""
    if fields.enable_thinking is not UNSET:
        return fields.enable_thinking
    if isinstance(fields.think, bool):
        return fields.think
    if isinstance(fields.thinking, bool):
        return fields.thinking
    if isinstance(fields.thinking, dict):
        kind = fields.thinking.get("type")
        if not isinstance(kind, str) or kind not in _THINKING:
            raise InvalidParameter(
                f"'thinking.type' must be one of {', '.join(_THINKING)}, not {quoted(kind)}.",
                param="thinking.type",
            )
        return _THINKING[kind]
    if isinstance(fields.reasoning, dict):
        enabled = fields.reasoning.get("enabled")
        return enabled if isinstance(enabled, bool) else None
    return fields.reasoning if isinstance(fields.reasoning, bool) else None
