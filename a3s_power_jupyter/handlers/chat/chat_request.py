"""Put the parts of a chat together that each dialect reads from its own fields."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from ...contract.types import ChatRequest, Sampling, ToolChoice
from .prompt_end import PromptEnd


class Tools(msgspec.Struct, frozen=True):
    """The functions of a request.

    Attributes
    ----------
    functions : list of dict
        As in `ChatRequest.tools`.
    choice : ToolChoice
        As in `ChatRequest.tool_choice`.
    parallel : bool
        As in `ChatRequest.parallel_tool_calls`.
    """

    functions: list[dict[str, Any]] = []
    choice: ToolChoice = msgspec.field(default_factory=ToolChoice)
    parallel: bool = True


def chat_request(
    end: PromptEnd,
    images: list[bytes],
    tools: Tools,
    sampling: Sampling,
    template_kwargs: dict[str, Any],
) -> ChatRequest:
    """Return the request of a chat. A constraint is dropped if the answer has to be calls."""
    if tools.choice.mode == "required":  # calls have schemas of their own
        sampling = msgspec.structs.replace(sampling, constraint=UNSET)
    return ChatRequest(
        messages=end.messages,
        sampling=sampling,
        images=images,
        tools=tools.functions,
        tool_choice=tools.choice,
        parallel_tool_calls=tools.parallel,
        template_kwargs=template_kwargs,
        add_generation_prompt=end.add_generation_prompt,
        continue_final_message=end.continue_final_message,
    )
