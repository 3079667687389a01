"""Plan a pull: ask the hub for a repository and choose the files that a reference means."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from ...contract.errors import (
    BadRequest,
    HubError,
    HubUnauthorized,
    InvalidModelDirectory,
    InvalidReference,
)
from ...contract.text import quoted
from . import gguf_files
from .candidates import references_to
from .directory_files import directory_files, has_weights
from .gguf_files import GGUF
from .hub_api import HubApi
from .reference import Reference
from .repository import RemoteFile, Repository, is_storable
from .similar import similar_repositories

_RENAMED = (
    "The model is called {}, because names have no other characters than A-Z a-z 0-9 . _ - : / @ +"
)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Plan:
    """The files of one model, in the order of its manifest.

    Attributes
    ----------
    name : str
        Name of the model.
    repo : str
        ``owner/repo``.
    revision : str
        Commit, 40 hex digits.
    kind : str
        ``gguf``: `files` are the model or its shards in order, then the mmproj if there is one.
        ``directory``: a Transformers model; `RemoteFile.path` is relative to its directory, and
        its format is known once the files are on disk.
    mmproj : str or None
        Path of the mmproj, the last of `files`.
    note : str or None
        A sentence for the user about a choice that was made automatically.
    """

    name: str
    repo: str
    revision: str
    kind: Literal["gguf", "directory"]
    files: tuple[RemoteFile, ...]
    mmproj: str | None = None
    note: str | None = None

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def check(self) -> None:
        """Reject paths and hashes that would lead outside the store or to the same file.

        Raises
        ------
        HubError
            If the hub lists such a file.
        """
        taken: set[str] = set()
        for file in sorted(self.files, key=lambda file: file.path.count("/")):
            hashed = not isinstance(file.sha256, str) or _SHA256.fullmatch(file.sha256)
            if not is_storable(file.path) or not hashed or file.size < 0:
                raise HubError(f"The hub lists {quoted(file.path)}, which cannot be a model file.")
            # Many file systems ignore case and the composition of characters.
            path = PurePosixPath(unicodedata.normalize("NFC", file.path).casefold())
            folders = map(str, path.parents)
            if str(path) in taken or not taken.isdisjoint(folders):
                raise HubError(
                    f"The hub lists {quoted(file.path)} and another file that cannot be stored "
                    "beside it on every system. Choose another repository or revision."
                )
            taken.add(str(path))


def make_plan(reference: Reference, hub: HubApi, *, memory_bytes: int | None = None) -> Plan:
    """Choose the files to fetch for a reference, at one commit.

    If the whole repository is requested and it contains both a Transformers model and GGUF files,
    the plan takes the Transformers model, and its note says how to get the GGUF files.

    Parameters
    ----------
    reference : Reference
        The model to pull.
    hub : HubApi
        The hub to ask.
    memory_bytes : int or None
        Memory available to the model including its context, used to choose a quantization if the
        reference names none; None if unknown.

    Raises
    ------
    InvalidReference, AmbiguousReference
        If the reference matches no model or several; `candidates` has those that may be meant.
    InsufficientMemory
        If the reference names no quantization and none fits.
    InvalidModelDirectory
        If the repository contains no model that can be loaded.
    HubError, HubUnauthorized
        If the hub cannot be reached or refuses access.
    """
    repository = _repository(reference, hub)
    files, skipped = hub.files(repository)
    try:
        plan = _plan(reference, hub, repository, files, memory_bytes)
    except BadRequest as error:
        if skipped is None:
            raise
        raise type(error)(
            f"{error.message} Files with names that cannot be stored are ignored, for example "
            f"{skipped}.",
            param=error.param,
            candidates=error.candidates,
            reason=error.reason,
        ) from None
    if repository.gated:  # its listing is public, so check access before the first byte
        hub.check_access(repository, plan.files[0])
    return plan


def _repository(reference: Reference, hub: HubApi) -> Repository:
    try:
        return hub.repository(reference.repo, reference.revision)
    except (InvalidReference, HubUnauthorized) as error:
        if error.param == "revision":
            name = reference.without_revision
            hint, found = f"Pull {name} to get the default one.", [name]
        elif error.param == "name":
            repos = similar_repositories(reference.repo, hub)
            hint = f"Did you mean {repos[0]}?" if repos else ""
            found = [reference.name.replace(reference.repo, repo, 1) for repo in repos]
        else:
            raise
        message = f"{error.message} {hint}".rstrip()
        raise type(error)(
            message, param=error.param, candidates=found, reason=error.reason
        ) from None


def _plan(
    reference: Reference,
    hub: HubApi,
    repository: Repository,
    files: Sequence[RemoteFile],
    memory_bytes: int | None,
) -> Plan:
    if reference.tag is None and reference.path is None and _is_directory(files):
        return _directory_plan(reference, hub, repository, files)
    model, note = _choose(reference, files, memory_bytes)
    return _gguf_plan(reference.name, repository, files, model, note)


def _is_directory(files: Sequence[RemoteFile]) -> bool:
    """Return whether to treat the repository as a Transformers model.

    This includes a repository without any model, so that the error says what is missing.
    """
    return _has_directory(files) or not gguf_files.models(files)


def _has_directory(files: Sequence[RemoteFile]) -> bool:
    paths = {file.path for file in files}
    return "config.json" in paths and has_weights(paths)


def _choose(
    reference: Reference, files: Sequence[RemoteFile], memory_bytes: int | None
) -> tuple[GGUF, str | None]:
    """Return the GGUF model, and a note if it was chosen automatically."""
    if not gguf_files.models(files) and _has_directory(files):
        raise InvalidReference(
            f"{reference.repo} has no GGUF models, but a safetensors model, which is pulled whole. "
            f"Pull {reference.repository}.",
            param="name",
            candidates=[reference.repository],
        )
    if reference.path is not None:
        model = gguf_files.by_path(reference, reference.path, files)
        is_renamed = reference.path_in_name(reference.path) != reference.path
        return model, _RENAMED.format(reference.name) if is_renamed else None
    if reference.tag is not None:
        return gguf_files.by_tag(reference, reference.tag, files), None
    return gguf_files.best(reference, files, memory_bytes)


def _gguf_plan(
    name: str,
    repository: Repository,
    files: Sequence[RemoteFile],
    model: GGUF,
    note: str | None,
) -> Plan:
    mmproj = gguf_files.mmproj(model, files)
    return Plan(
        name=name,
        repo=repository.repo,
        revision=repository.commit,
        kind="gguf",
        files=model.files if mmproj is None else (*model.files, mmproj),
        mmproj=None if mmproj is None else mmproj.path,
        note=note,
    )


def _directory_plan(
    reference: Reference, hub: HubApi, repository: Repository, files: Sequence[RemoteFile]
) -> Plan:
    by_path = {file.path: file for file in files}
    repo, note = repository.repo, None
    ggufs = gguf_files.models(files)
    try:
        chosen = directory_files(repo, by_path, lambda file: hub.json(repository, file))
    except InvalidModelDirectory as error:
        if not ggufs:
            raise
        raise InvalidModelDirectory(
            f"{error.message} {repo} also has GGUF files.",
            param=error.param,
            candidates=references_to(ggufs, reference),
        ) from None
    if ggufs:
        note = (
            f"Pulling the safetensors model. {repo} also has GGUF files; to get one, pull it by "
            f"its path, for example {repo}/{ggufs[0].path}."
        )
    return Plan(
        name=reference.name,
        repo=repo,
        revision=repository.commit,
        kind="directory",
        files=chosen,
        note=note,
    )
