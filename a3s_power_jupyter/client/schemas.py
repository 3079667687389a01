"""JSON schemas of Python types and signatures, and values that match them, by pydantic."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

from ..contract.errors import InvalidParameter
from ..contract.text import unstopped

if TYPE_CHECKING:
    from pydantic import TypeAdapter


def response_format(schema: Any) -> dict[str, Any]:
    """Return the field ``response_format`` for a JSON schema or a type that pydantic supports."""
    name = re.sub(r"\W", "_", getattr(schema, "__name__", "answer"))
    if not isinstance(schema, (dict, bool)):
        schema = json_schema(schema, f"schema={name}", "schema")
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema}}


def adapter(type_: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(type_)


def json_schema(type_: Any, what: str, param: str) -> dict[str, Any]:
    """Return the JSON schema of a type, or of the parameters of a function."""
    from pydantic import PydanticUserError
    from pydantic.json_schema import GenerateJsonSchema

    class WithoutTitles(GenerateJsonSchema):
        """Titles repeat the names, and would fill the prompts of small models."""

        def field_title_should_be_set(self, schema: Any) -> bool:
            return False

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about defaults that JSON does not have
            return adapter(type_).json_schema(schema_generator=WithoutTitles)
    except (PydanticUserError, TypeError, NameError, ValueError) as error:
        reason = unstopped(str(error).partition("\n")[0])
        raise InvalidParameter(
            f"{what} cannot be described as a JSON schema: {reason}. Use types that pydantic "
            "supports: str, int, float, bool, list, dict, Literal, enums, dataclasses, models.",
            param=param,
        ) from None


def reasons(error: ValueError) -> str:
    """Return what is wrong, without the addresses that pydantic adds."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    details = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        ": ".join(filter(None, (".".join(map(str, detail["loc"])), detail["msg"])))
        for detail in details[:10]
    )
