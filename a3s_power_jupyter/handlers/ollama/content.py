"""Tell requests that only load a model from those with their content in a wrong field."""

from __future__ import annotations

from typing import Any

import msgspec

from ...contract.errors import InvalidParameter
from ...contract.lenient import struct_fields
from ..fields import missing_field, misspelled
from .fields import REFUSED

#: The fields with the content of a request. Each route has one of them.
CONTENT = ("messages", "prompt", "input")


def check_content(body: dict[str, Any], name: str, type_: type[msgspec.Struct]) -> None:
    """Check that a request without the field `name` has its content in no other field.

    Ollama loads the model and replies without an answer, so the mistake is hard to see.

    Parameters
    ----------
    type_ : type
        The fields of the route.

    Raises
    ------
    InvalidParameter
        If the request has the field of another route, or one that looks like `name`.
    """
    if body.get(name) is not None:
        return
    for other in CONTENT:
        if body.get(other) and other != name:
            raise InvalidParameter(
                f"{name!r} is missing. {other!r} is a field of another route, and has no effect on "
                "this one.",
                param=name,
            )
    body = {key: value for key, value in body.items() if value}
    known = [*(field.encode_name for field in struct_fields(type_)), *REFUSED]
    if misspelled(name, body, known) is not None:
        raise missing_field(name, body, known)
