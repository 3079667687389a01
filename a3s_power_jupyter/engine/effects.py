"""Find the load parameters that have no effect on a model, so that the user can be told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import UNSET

from ..contract.errors import InvalidParameter
from ..contract.parameters import LoadParameters

#: What runs a model. "embeddings" is a model directory that only embeds or ranks documents.
Runner = Literal["llama.cpp", "transformers", "vision", "embeddings"]

_ONLY_LLAMA_CPP = (
    "tensor_split", "num_batch", "flash_attention", "use_mlock", "use_mmap", "kv_cache_type",
)  # fmt: skip

#: Parameters that have no effect on a model, on any machine.
_NEVER: dict[Runner, tuple[str, ...]] = {
    "llama.cpp": (),
    "transformers": _ONLY_LLAMA_CPP,
    "vision": (*_ONLY_LLAMA_CPP, "num_parallel"),
    "embeddings": (*_ONLY_LLAMA_CPP, "num_parallel", "chat_template"),
}

_FOR_TEXT = ("chat_template",)
_FOR_CAUSAL = ("num_batch", "kv_cache_type")
_FOR_GPUS = ("num_gpu", "main_gpu", "tensor_split")


def notes_on_effects(
    parameters: LoadParameters,
    runner: Runner,
    *,
    gpus: int,
    generates: bool = True,
    is_causal: bool = True,
) -> tuple[str, ...]:
    """Return a note for each reason why parameters that are set have no effect.

    Parameters
    ----------
    gpus : int
        Number of GPUs that the engine can use.
    generates : bool
        False for a GGUF model that only embeds or ranks documents.
    is_causal : bool
        False for a GGUF model that is an encoder, which has no cache.
    """
    given = {
        name
        for name in LoadParameters.__struct_fields__
        if getattr(parameters, name) not in (UNSET, None)
    }
    if parameters.num_gpu == 0:
        given.discard("num_gpu")  # the CPU, as wanted
    notes = []
    engine = "llama.cpp" if runner == "llama.cpp" else "transformers"
    reasons: list[tuple[str, Iterable[str]]] = [(f"on {engine}", _NEVER[runner])]
    if not generates:
        reasons.append(("on a model that generates no text", _FOR_TEXT))
    if not is_causal:
        reasons.append(("on an encoder", _FOR_CAUSAL))
    if gpus == 0:
        reasons.append(("without a GPU", _FOR_GPUS))
    elif gpus == 1:
        reasons.append(("with one GPU", ("tensor_split",)))
    for reason, names in reasons:
        found = [name for name in names if name in given]
        given -= set(found)
        if found:
            have = "have" if len(found) > 1 else "has"
            notes.append(f"{', '.join(found)} {have} no effect {reason}.")
    if engine == "transformers" and gpus and "num_gpu" in given and parameters.num_gpu != -1:
        notes.append("num_gpu means all layers on transformers.")
    return tuple(notes)


def check_main_gpu(parameters: LoadParameters, gpus: int) -> None:
    """Raise `InvalidParameter` if there is no GPU of the index `main_gpu`."""
    main = parameters.main_gpu
    if main is not UNSET and main >= gpus:
        raise InvalidParameter(
            f"main_gpu is {main}, but this machine has {gpus} GPU{'' if gpus == 1 else 's'}, "
            "counted from 0.",
            param="main_gpu",
        )
