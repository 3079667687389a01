"""Read the parameters of ``/api/create``.

Source: https://docs.ollama.com/api/create.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ...contract.parameters import DefaultParameters, check, check_default_parameters
from ..fields import NO_LIMIT, Refused, refuse

Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]

_NOTHING: tuple[Any, ...] = ("", [], {}, False)
_FILES = "Pull the model, or register its files with POST /v1/models."
_QUANTIZE = "Pull a quantized model, or register a directory with isq in its default_parameters."
_TEMPLATE = (
    "Templates are in Jinja here. Register the model with one as default_parameters.chat_template."
)

#: Fields without which another model would be created.
REFUSED_IN_CREATE: Refused = {
    "modelfile": (_NOTHING, "Send its lines as the fields from, system and parameters."),
    "path": (_NOTHING, _FILES),
    "files": (_NOTHING, _FILES),
    "quantize": (_NOTHING, _QUANTIZE),
    "quantization": (_NOTHING, _QUANTIZE),
    "adapters": (_NOTHING, "Merge the adapter into its base model."),
    "template": (_NOTHING, _TEMPLATE),
    "messages": (_NOTHING, "Send them with each request."),
    "renderer": (_NOTHING, _TEMPLATE),
    "parser": (_NOTHING, "Answers are parsed by the model's chat template."),
    "draft": (_NOTHING, "Omit it."),
}


#: Options of Ollama's models that this server has no equivalent of.
_NO_EFFECT: Refused = dict.fromkeys(
    ("num_keep", "penalize_newline", "numa", "low_vram", "f16_kv", "logits_all", "vocab_only"),
    ((), "It has no effect here. Omit it."),
)


class _Limits(msgspec.Struct, frozen=True):
    """Options that are numbers of tokens; 0 and negative ones do not limit anything."""

    num_predict: Int32 | UnsetType = UNSET
    top_k: Int32 | UnsetType = UNSET


def default_parameters(
    source: DefaultParameters, parameters: dict[str, Any], system: str
) -> DefaultParameters:
    """Return the default parameters of a model that is created from another one.

    Parameters
    ----------
    source : DefaultParameters
        Those of the other model, which apply where nothing is given.
    parameters : dict
        Options with Ollama's names. They are those of `DefaultParameters`, but for
        ``num_predict``.

    Raises
    ------
    InvalidParameter, InvalidISQ, InvalidKeepAlive
        If a parameter is unknown, of the wrong type or out of range.
    UnsupportedRequestFields
        If an option of Ollama has no equivalent here.
    """
    refuse(parameters, _NO_EFFECT, "parameters")
    given = {name: value for name, value in parameters.items() if value is not None}
    limits = {name: given.pop(name) for name in ("num_predict", "top_k") if name in given}
    limited = check(limits, _Limits, at="parameters")
    if limited.num_predict is not UNSET:
        given["max_tokens"] = limited.num_predict if limited.num_predict > 0 else NO_LIMIT
    if limited.top_k is not UNSET:
        given["top_k"] = max(limited.top_k, 0)
    if system:
        given["system"] = system
    checked = check_default_parameters(given, at="parameters")
    values = {
        name: value for name, value in msgspec.structs.asdict(checked).items() if value is not UNSET
    }
    return msgspec.structs.replace(source, **values)
