"""Read the requests of ``POST /api/generate``."""

from __future__ import annotations

from typing import Any

from ...contract.errors import UnsupportedRequestFields
from ...contract.types import ChatRequest, CompletionRequest
from ..chat.images import check_count
from ..fields import read_fields
from .calls import Call, make_call, template_kwargs
from .content import check_content
from .fields import REFUSED, GenerateFields
from .messages import content_with, read_images


def read_generate(body: dict[str, Any]) -> Call:
    """Read the body of ``POST /api/generate``.

    Raises
    ------
    UnsupportedRequestFields
        If a field requests something unsupported.
    InvalidParameter
        If a field is missing or has an invalid value.
    InvalidKeepAlive
        If ``keep_alive`` is not a duration.
    """
    fields = read_fields(body, GenerateFields, refused=REFUSED)
    check_content(body, "prompt", GenerateFields)
    return make_call(fields, *([_request(fields)] if fields.prompt else []))


def _request(fields: GenerateFields) -> ChatRequest | CompletionRequest:
    """Return a chat of one message, or the prompt itself if it is raw or has a suffix."""
    if fields.raw or fields.suffix:
        _refuse_parts_of_chats(fields)
        return CompletionRequest(fields.prompt, fields.sampling(), suffix=fields.suffix)
    check_count(len(fields.images), "images")
    images = read_images(fields.images, "images")
    messages: list[dict[str, Any]] = []
    if fields.system:
        messages.append({"role": "system", "content": fields.system})
    messages.append({"role": "user", "content": content_with(images, fields.prompt)})
    return ChatRequest(
        messages=messages,
        sampling=fields.sampling(),
        images=images,
        template_kwargs=template_kwargs(fields),
    )


def _refuse_parts_of_chats(fields: GenerateFields) -> None:
    """Raise `UnsupportedRequestFields` if a prompt without chat template has what needs one."""
    kind = "raw" if fields.raw else "suffix"
    for name in ("system", "images", "think"):
        if getattr(fields, name):
            raise UnsupportedRequestFields(
                f"{name!r} cannot be combined with {kind!r}, because such a prompt is not put "
                "into the chat template. Omit one of them.",
                param=name,
            )
