"""Repositories of the hub, and the models in them that one can pull."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType

from ..parameters import SparseStruct

#: Formats of the hub's repositories that can be pulled.
HubFormat = Literal["gguf", "safetensors"]

#: Whether the author of a repository grants access to its files: at once on request ("auto"), or
#: after a review.
Gated = bool | Literal["auto", "manual"]

#: What a search is limited to, and its order.
SearchFormat = Literal["gguf", "safetensors", "all"]
SearchSort = Literal["downloads", "likes", "updated", "trending"]

#: Where the token of the hub comes from; the environment takes precedence.
TokenSource = Literal["environment", "file"]

#: Where a model can be loaded: on the GPUs, in the machine's memory (partly on a GPU, if there is
#: one), or nowhere. Unknown if its memory is.
Fit = Literal["gpu", "memory", "too_large", "unknown"]


class QuantizedOnLoad(SparseStruct, frozen=True):
    """A safetensors model in one of the kinds that it can be quantized to when it is loaded.

    Attributes
    ----------
    isq : str
        One of `ISQ_KINDS`.
    memory_bytes : int
        As in `Variant`.
    fit : str
        See `Fit`.
    """

    isq: str
    memory_bytes: int
    fit: Fit


class Variant(SparseStruct, frozen=True):
    """A model of a repository: one quantization of a GGUF model, or a safetensors model.

    Attributes
    ----------
    reference : str
        What to pull.
    label : str
        The quantization, such as ``Q4_K_M``; the name of the file if it states none.
    size_bytes : int
        Bytes of all files that a pull downloads.
    file_count : int
        Number of these files.
    memory_bytes : int
        Memory of the loaded model: weights, cache and buffers. A safetensors model is counted as it
        is loaded by default.
    fit : str
        See `Fit`.
    recommended : bool
        Whether this is the one to choose on this machine. At most one of a repository is.
    installed : str or None
        Name of the model here, if it has been pulled.
    quantized : tuple of QuantizedOnLoad
        A safetensors model in each of the kinds that it can be quantized to.
    """

    reference: str
    label: str
    format: HubFormat
    size_bytes: int
    file_count: int = 1
    memory_bytes: int | UnsetType = UNSET
    fit: Fit = "unknown"
    recommended: bool = False
    installed: str | None = None
    quantized: tuple[QuantizedOnLoad, ...] | UnsetType = UNSET


class HubModel(SparseStruct, frozen=True):
    """A repository of the hub, as found by a search.

    Attributes
    ----------
    id : str
        ``owner/name``.
    formats : tuple of str
        Formats of its models.
    downloads : int
        Downloads of the last 30 days.
    task : str
        What it is for, such as ``text-generation``.
    license : str
        Identifier of the license, such as ``apache-2.0``.
    gated : bool or str
        See `Gated`.
    updated_at : int
        Unix time of the last change.
    parameter_count : int
        Number of weights.
    installed : bool
        Whether a model of this repository is here.
    """

    id: str
    formats: tuple[HubFormat, ...]
    downloads: int = 0
    likes: int = 0
    task: str | UnsetType = UNSET
    license: str | UnsetType = UNSET
    gated: Gated = False
    updated_at: int | UnsetType = UNSET
    parameter_count: int | UnsetType = UNSET
    installed: bool = False


class HubRepository(HubModel, frozen=True, kw_only=True):
    """A repository with its models.

    Attributes
    ----------
    num_ctx : int
        Context length that the memory of the variants is computed for, in tokens.
    revision : str
        Commit, 40 hex digits.
    variants : tuple of Variant
        The models, the smallest first.
    note : str
        Why the memory of some of them is unknown; how to get access if the repository is gated.
    """

    num_ctx: int
    revision: str
    variants: tuple[Variant, ...] = ()
    note: str | UnsetType = UNSET


class HubPage(SparseStruct, frozen=True):
    """A page of the results of a search.

    Attributes
    ----------
    data : tuple of HubModel
    next : str or None
        Cursor of the next page.
    """

    data: tuple[HubModel, ...]
    next: str | None = None
    object: Literal["list"] = "list"


class HubToken(SparseStruct, frozen=True):
    """Whether this server has a token of the hub.

    Attributes
    ----------
    present : bool
        Whether there is one.
    source : str or None
        See `TokenSource`.
    user : str
        Name of its user, if the hub was asked.
    """

    present: bool
    source: TokenSource | None
    user: str | UnsetType = UNSET
