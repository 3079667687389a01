"""From a reference to the files that it means: the hub is asked, and its answer sorted."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from . import gguf_files
from .directory_files import directory_files, has_weights
from .gguf_files import GGUF
from .hub_api import HubApi, Info
from .plan import Plan, RemoteFile
from .reference import Reference


def make_plan(
    reference: Reference, hub: HubApi, *, name: str, memory_bytes: int | None = None
) -> Plan:
    """Find out what to fetch for `reference`, at one commit.

    A repository with both a model of transformers and GGUF files is, when it is asked for whole,
    taken as the former: its GGUF files can be asked for by tag or path, and the note says so.

    Parameters
    ----------
    name
        What the model will be called.
    memory_bytes
        What a model may take here, weights and all, to choose a quantization where none is asked
        for; None if unknown.

    Raises
    ------
    InvalidReference, AmbiguousReference
        With what there is to choose from.
    InsufficientMemory
        No quantization fits, and none was asked for.
    InvalidModelDirectory
        The repository has no model that can be loaded.
    HubError, HubUnauthorized
    """
    info = hub.info(reference.repo, reference.revision)
    files = hub.files(info)
    if reference.tag is None and reference.path is None and _is_directory(files):
        plan = _directory_plan(name, hub, info, files)
    else:
        model, note = _chosen(reference, files, memory_bytes)
        plan = _gguf_plan(name, info, files, model, note)
    if info.gated:  # its listings are for all: better to know before the first byte
        hub.check_access(info, plan.files[0])
    return plan


def _is_directory(files: Sequence[RemoteFile]) -> bool:
    """Whether to take the repository as a model of transformers, or to say why it is none."""
    paths = {file.path for file in files}
    return ("config.json" in paths and has_weights(paths)) or not gguf_files.models(files)


def _chosen(
    reference: Reference, files: Sequence[RemoteFile], memory_bytes: int | None
) -> tuple[GGUF, str | None]:
    """The GGUF model that is meant, and a note if it was chosen for the user."""
    if reference.path is not None:
        return gguf_files.by_path(reference, reference.path, files), None
    if reference.tag is not None:
        return gguf_files.by_tag(reference, reference.tag, files), None
    return gguf_files.best(reference, files, memory_bytes)


def _gguf_plan(
    name: str, info: Info, files: Sequence[RemoteFile], model: GGUF, note: str | None
) -> Plan:
    image_part = gguf_files.mmproj(model, files)
    return Plan(
        name=name,
        repo=info.repo,
        revision=info.commit,
        kind="gguf",
        files=model.files if image_part is None else (*model.files, image_part),
        mmproj=UNSET if image_part is None else image_part.path,
        note=UNSET if note is None else note,
    )


def _directory_plan(name: str, hub: HubApi, info: Info, files: Sequence[RemoteFile]) -> Plan:
    by_path = {file.path: file for file in files}
    note: str | UnsetType = UNSET
    if ggufs := gguf_files.models(files):
        note = (
            f"Taking the safetensors model. {info.repo} has GGUF files too; for one of them, pull "
            f"it by its path, for example {info.repo}/{ggufs[0].path}."
        )
    return Plan(
        name=name,
        repo=info.repo,
        revision=info.commit,
        kind="directory",
        files=directory_files(info.repo, by_path, lambda file: hub.json(info, file)),
        note=note,
    )
