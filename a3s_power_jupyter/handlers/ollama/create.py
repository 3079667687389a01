"""Read the parameters of ``/api/create``.

Source: https://docs.ollama.com/api/create.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from ...contract.ollama_parameters import from_ollama
from ...contract.parameters import DefaultParameters, check_default_parameters
from ..fields import Refused, refuse

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
    given = from_ollama(parameters)
    if system:
        given["system"] = system
    checked = check_default_parameters(given, at="parameters")
    values = {
        name: value for name, value in msgspec.structs.asdict(checked).items() if value is not UNSET
    }
    return msgspec.structs.replace(source, **values)
