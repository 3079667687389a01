"""Requests to register a model: as clients send them, and completed by the server."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from ..parameters import DefaultParameters
from .model_info import PathText, Upstream


class RegisterBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /v1/models``.

    Attributes
    ----------
    name : str
        Name to register the model under; one is proposed if absent.
    path : str
        File or directory of the model, or its manifest in Ollama's folder; absent for a `remote`
        model.
    contents_path : str
        The same as a path of JupyterLab's file browser, instead of `path`, which the handler sets.
    mmproj : str
        Path of the multimodal projector of a GGUF model.
    format : str
        A `Format`; detected if absent.
    default_parameters : dict
        Checked by `parameters.check_default_parameters`. If absent, a model with the same files and
        name keeps those that it has, unless `overwrite` is set.
    copy : bool
        Whether to copy the files to the store instead of registering them in place.
    overwrite : bool
        Whether to replace a model of this name that has other content.
    upstream : Upstream
        For a `remote` model only.
    """

    name: str | UnsetType = UNSET
    path: PathText | None = None
    mmproj: PathText | None = None
    format: str | None = None
    default_parameters: dict[str, Any] | None = None
    copy: bool = False
    overwrite: bool = False
    upstream: Upstream | None = None
    contents_path: PathText | None = None


class RegisterRequest(msgspec.Struct, frozen=True):
    """A request to register a model, with a name and the path of its files.

    Attributes
    ----------
    own_parameters : DefaultParameters
        Those that come with the files, for a new model without `default_parameters`.

    The others are those of `RegisterBody`.
    """

    name: str
    path: str | None = None
    mmproj: str | None = None
    format: str | None = None
    default_parameters: dict[str, Any] | None = None
    copy: bool = False
    overwrite: bool = False
    upstream: Upstream | None = None
    own_parameters: DefaultParameters = DefaultParameters()
