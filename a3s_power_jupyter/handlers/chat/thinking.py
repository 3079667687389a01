"""The variables of chat templates that ask a model for more or less reasoning."""

from __future__ import annotations

from typing import Any


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
