"""The variables of chat templates that ask a model for more or less reasoning."""

from __future__ import annotations

from typing import Any

from .numbers import check_numbers


def thinking_variables(effort: str | None, thinks: bool | None) -> dict[str, Any]:
    """Return the variables for `ChatRequest.template_kwargs`.

    An effort becomes the variable ``reasoning_effort``. Whether the model is to think at all
    becomes ``enable_thinking`` and ``thinking``, as templates have one or the other.

    Parameters
    ----------
    effort : str or None
        A word such as ``"low"``; ``"none"`` turns reasoning off. None if the request has none.
    thinks : bool or None
        Whether the model is to think; None if the request does not say.
    """
    if thinks is None and effort is not None:
        thinks = effort != "none"
    variables: dict[str, Any] = {}
    if effort is not None:
        variables["reasoning_effort"] = effort
    if thinks is not None:
        variables |= {"enable_thinking": thinks, "thinking": thinks}
    return variables


def template_variables(
    effort: str | None, thinks: bool | None, given: dict[str, Any]
) -> dict[str, Any]:
    """Return `thinking_variables` with ``chat_template_kwargs``, which take precedence.

    Raises
    ------
    InvalidParameter
        If `given`, the ``chat_template_kwargs``, cannot be sent to a worker.
    """
    check_numbers(given, "chat_template_kwargs")
    return thinking_variables(effort, thinks) | given
