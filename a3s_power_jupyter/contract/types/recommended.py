"""Models to begin with, which the server recommends without asking the hub."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType

from ..parameters import SparseStruct
from .hub import Variant
from .model_info import Capability


class RecommendedModel(SparseStruct, frozen=True):
    """A well-known model of the hub. Sizes are rounded, as the hub's pages state them.

    Attributes
    ----------
    title : str
        Name for people.
    reference : str
        What to pull: the recommended variant, or the usual one if none fits.
    good_for : str
        What to use it for, as a phrase.
    license : str
        Identifier of the license, such as ``apache-2.0``.
    default : bool
        Whether it is the one for a first try. Exactly one of the list is.
    capabilities : tuple of Capability
        Without ``completion``, which nearly all models have.
    parameter_count : int
        Number of weights, without those of the projector for images.
    context_length : int
        Context length that the model was trained with, in tokens.
    variants : tuple of Variant
        Its quantizations, the smallest first.
    needs : str
        What the machine should have, as a phrase.
    """

    title: str
    reference: str
    good_for: str
    license: str
    default: bool
    capabilities: tuple[Capability, ...]
    parameter_count: int
    context_length: int
    variants: tuple[Variant, ...]
    needs: str | UnsetType = UNSET


class RecommendedModels(SparseStruct, frozen=True):
    """Reply of ``GET /v1/hub/recommended``.

    Attributes
    ----------
    num_ctx : int
        Context length that the memory of the variants is computed for, in tokens.
    """

    data: tuple[RecommendedModel, ...]
    num_ctx: int
    object: Literal["list"] = "list"
