"""Say of each model of a repository how much memory it takes, and which one to choose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import UNSET

from ..contract.parameters import ISQ_KINDS, LoadParameters
from ..contract.types import (
    HubFormat,
    Manifest,
    ModelDetails,
    QuantizedOnLoad,
    StoredFile,
    Variant,
)
from ..engine.estimate import estimate
from ..hub.resolve.gguf_files import weights_fit
from ..hub.search.protocol import Candidate, Shape
from ..store.formats.description import DEFAULT_ISQ
from .fits import Machine, fit


def variants_of(
    candidates: Sequence[Candidate],
    machine: Machine,
    manifests: Sequence[Manifest],
    num_ctx: int | None,
) -> tuple[Variant, ...]:
    """Return the variants of a repository, in the order of its candidates.

    Parameters
    ----------
    manifests : sequence of Manifest
        The models that are here.
    num_ctx : int or None
        Context length in tokens; None for the default of a load.
    """
    parameters = LoadParameters() if num_ctx is None else LoadParameters(num_ctx=num_ctx)
    here = _Here(manifests)
    found = [_variant(candidate, machine, here, parameters) for candidate in candidates]
    chosen = _recommended(candidates, found, machine)
    if chosen is not None:
        found[chosen] = msgspec.structs.replace(found[chosen], recommended=True)
    return tuple(found)


def formats_of(candidates: Iterable[Candidate]) -> tuple[HubFormat, ...]:
    """Return the formats of the candidates, each once."""
    return tuple(sorted({candidate.format for candidate in candidates}))


def _variant(
    candidate: Candidate, machine: Machine, here: _Here, parameters: LoadParameters
) -> Variant:
    variant = Variant(
        reference=candidate.reference,
        label=candidate.label,
        format=candidate.format,
        size_bytes=candidate.size_bytes,
        file_count=candidate.file_count,
        installed=here.name_of(candidate),
    )
    shape = candidate.shape
    if shape is UNSET:
        # The weights alone may be too large.
        too_large = fit(candidate.weights, machine) == "too_large"
        return msgspec.structs.replace(variant, fit="too_large" if too_large else "unknown")
    if shape.format == "safetensors":
        quantized = _quantized(candidate, shape, machine, parameters)
        default = next(each for each in quantized if each.isq == DEFAULT_ISQ)
        return msgspec.structs.replace(
            variant, memory_bytes=default.memory_bytes, fit=default.fit, quantized=quantized
        )
    memory = _memory(candidate, shape, parameters)
    return msgspec.structs.replace(variant, memory_bytes=memory, fit=fit(memory, machine))


def _quantized(
    candidate: Candidate, shape: Shape, machine: Machine, parameters: LoadParameters
) -> tuple[QuantizedOnLoad, ...]:
    found = []
    for kind in ISQ_KINDS:
        memory = _memory(candidate, shape, msgspec.structs.replace(parameters, isq=kind))
        found.append(QuantizedOnLoad(kind, memory, fit(memory, machine)))
    return tuple(found)


def _memory(candidate: Candidate, shape: Shape, parameters: LoadParameters) -> int:
    manifest = Manifest(
        name=candidate.reference,
        format=shape.format,
        created=0,
        files=(StoredFile("model", candidate.size_bytes, ""),),
        details=ModelDetails(
            parameter_count=shape.parameter_count, quantization=shape.quantization
        ),
        capabilities=shape.capabilities,
        context_length=shape.context_length,
    )
    return estimate(manifest, shape.geometry, parameters).total


class _Here:
    """Finds the models that are here, by the digests of their files and by name."""

    def __init__(self, manifests: Iterable[Manifest]) -> None:
        self._digests: dict[str, set[str]] = {}
        self._with: dict[str, list[str]] = {}
        self._names: dict[str, str] = {}
        for manifest in manifests:
            self._digests[manifest.name] = {file.sha256 for file in manifest.files}
            self._names.setdefault(manifest.name.casefold(), manifest.name)
            for digest in self._digests[manifest.name]:
                self._with.setdefault(digest, []).append(manifest.name)

    def name_of(self, candidate: Candidate) -> str | None:
        """Return the name of the model with the same weights, or else with the reference's name."""
        wanted = set(candidate.sha256)
        for name in self._with.get(candidate.sha256[0], ()) if wanted else ():
            if wanted <= self._digests[name]:
                return name
        return self._names.get(candidate.reference.casefold())


def _recommended(
    candidates: Sequence[Candidate], variants: Sequence[Variant], machine: Machine
) -> int | None:
    """Return the index of the variant that a pull without a name chooses.

    If that one does not fit with the context that is asked for, the next smaller one is chosen.
    """
    choices = [i for i, candidate in enumerate(candidates) if candidate.is_choice]
    choices.sort(key=lambda i: candidates[i].size_bytes)
    if len(choices) > 1:
        choices = [i for i in choices if weights_fit(candidates[i].size_bytes, machine.memory)]
    fitting = [i for i in choices if variants[i].fit != "too_large"]
    return fitting[-1] if fitting else None
