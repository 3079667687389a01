"""Models in the folders of other programs on the server's machine."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType

from ..parameters import DefaultParameters, SparseStruct
from .model_info import Capability, Format, ModelDetails

#: The program that has downloaded a model.
LocalSource = Literal["huggingface", "lmstudio", "ollama"]


class LocalModel(SparseStruct, frozen=True):
    """A model that can be registered where it is.

    Attributes
    ----------
    path : str
        File or directory to register; for Ollama the manifest, which names the files.
    name : str
        A name that no other model has; that of the model if it is registered already.
    size_bytes : int
        Bytes of all its files.
    installed : str or None
        Name of a registered model with the same files or content.
    mmproj : str
        Path of the projector of a GGUF model with vision, to register with it.
    default_parameters : DefaultParameters
        The system prompt and parameters that the other program keeps with the model. A
        registration of `path` has them.
    notes : tuple of str
        What a registration does not take over, as sentences.
    """

    path: str
    name: str
    format: Format
    size_bytes: int
    source: LocalSource
    parameters: ModelDetails
    capabilities: tuple[Capability, ...]
    installed: str | None = None
    mmproj: str | UnsetType = UNSET
    default_parameters: DefaultParameters | UnsetType = UNSET
    notes: tuple[str, ...] | UnsetType = UNSET


class ScanProblem(SparseStruct, frozen=True):
    """A folder in which models may be missing from the list, and why."""

    path: str
    reason: str


class LocalModels(SparseStruct, frozen=True):
    """Reply of ``GET /v1/local-models``.

    Attributes
    ----------
    data : tuple of LocalModel
        Sorted by source and name.
    """

    data: tuple[LocalModel, ...]
    problems: tuple[ScanProblem, ...] = ()
    object: Literal["list"] = "list"
