"""Find the GGUF models of a repository and choose the one that a reference means."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from ...contract.errors import AmbiguousReference, InsufficientMemory, InvalidReference
from ...contract.text import shortened
from .candidates import (
    MAX_CANDIDATES,
    available,
    joined,
    nearest,
    path_reference_to,
    reference_to,
    references_to,
)
from .reference import Reference
from .repository import RemoteFile

#: Share of the memory that weights may take. The rest is left for the KV cache and the buffers,
#: because their size is unknown until the file's header is downloaded.
WEIGHTS_SHARE = 0.8

#: Characters at the end of a name to search for quantizations. No file system has longer names,
#: but a hub can list them.
MAX_MATCHED = 1024

#: Most GGUF files to choose the best of, because that takes time quadratic in their number.
MAX_CHOSEN_FROM = 1000

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<total>\d{5})", re.IGNORECASE)
#: A quantization in llama.cpp's notation, with the "UD-" of mixed ones: a whole token that an
#: underscore may precede (``model_Q4_K_M``).
_QUANTIZATION = re.compile(
    r"(?<![A-Z0-9])(?:UD-)?(?:(?:I?Q|TQ)\d(?:_[A-Z0-9]+)*|MXFP4(?:_MOE)?|NVFP4|BF16|FP?16|FP?32)"
    r"(?![A-Z0-9_])",
    re.IGNORECASE,
)
_HALF_PRECISION = ("F16", "FP16", "BF16")
_FULL_PRECISION = ("F32", "FP32")
#: GGUF files that cannot be used on their own.
_AUXILIARY = re.compile(r"(?<![A-Z0-9])(?:mmproj|imatrix)(?![A-Z0-9])", re.IGNORECASE)
_MMPROJ = re.compile(r"(?<![A-Z0-9])mmproj(?![A-Z0-9])", re.IGNORECASE)
#: Best first: F16 has no visible loss and runs everywhere, BF16 does not run on every GPU.
_MMPROJ_ORDER = ("F16", "FP16", "BF16", "F32", "FP32", "Q8_0")


@dataclass(frozen=True)
class GGUF:
    """A GGUF model: one file, or its shards in order.

    Attributes
    ----------
    files : tuple of RemoteFile
        The file or the shards.
    stem : str
        Name of the file without suffix, or common prefix of the shards' names.
    """

    files: tuple[RemoteFile, ...]
    stem: str

    @property
    def path(self) -> str:
        """Path of the file or of the first shard."""
        return self.files[0].path

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def quantization(self) -> str | None:
        """The last quantization in the name, in upper case; None if there is none."""
        matches = _QUANTIZATION.findall(self.stem[-MAX_MATCHED:])
        return matches[-1].upper() if matches else None

    @property
    def family(self) -> str:
        """The name without quantization, in lower case; the same for all sizes of a model."""
        return _without_quantization(self.stem)

    @property
    def group(self) -> tuple[str, str]:
        """The folder without quantization, and the family: files of one model have the same.

        Folders may separate quantizations (``Q8_0/m-Q8_0.gguf``), but also models (``7B/m.gguf``).
        """
        return _without_quantization(posixpath.dirname(self.path)), self.family

    def has_token(self, tag: str) -> bool:
        """Return whether `tag` is one or more whole tokens of the name, ignoring case."""
        before = "[A-Z0-9]" if _QUANTIZATION.fullmatch(tag) else "[A-Z0-9_]"
        pattern = rf"(?<!{before}){re.escape(tag)}(?![A-Z0-9_])"
        return re.search(pattern, self.stem[-MAX_MATCHED:], re.IGNORECASE) is not None


def _without_quantization(text: str) -> str:
    rest = _QUANTIZATION.sub("", text[-MAX_MATCHED:]).lower()
    return re.sub(r"[._-]+", "-", rest).strip("-")


def models(files: Iterable[RemoteFile]) -> list[GGUF]:
    """Return the GGUF models among `files`, sorted by path, without incomplete sets of shards."""
    sets: dict[tuple[str, str, int], dict[int, RemoteFile]] = defaultdict(dict)
    for file in files:
        path = PurePosixPath(file.path)
        if path.suffix.lower() != ".gguf" or _AUXILIARY.search(path.name):
            continue
        shard = _SHARD.fullmatch(path.stem)
        if shard is None:
            sets[str(path.parent), path.stem, 1][1] = file
        else:
            shards = sets[str(path.parent), shard["stem"], int(shard["total"])]
            shards[int(shard["number"])] = file
    complete = [
        GGUF(tuple(shards[number] for number in sorted(shards)), stem)
        for (_, stem, total), shards in sets.items()
        if len(shards) == total and set(shards) == set(range(1, total + 1))
    ]
    return sorted(complete, key=lambda model: model.path)


def by_path(reference: Reference, path: str, files: Sequence[RemoteFile]) -> GGUF:
    """Return the model that consists of the file at `path` or has it as a shard.

    Raises
    ------
    InvalidReference
        If there is no such file, or if it is not a model or not a complete one.
    """
    candidates = models(files)
    # A path in the name of a model has fewer characters than that of its file.
    for path_of in (lambda file: file.path, lambda file: reference.path_in_name(file.path)):
        for model in candidates:
            if any(path_of(file) == path for file in model.files):
                return model
    if any(file.path == path for file in files):
        if _AUXILIARY.search(PurePosixPath(path).name):
            reason = "is not a model. Pull the model's own file; its mmproj is pulled with it."
        else:
            reason = "is one shard of a set that is not complete in the repository."
        raise InvalidReference(
            f"{path} of {reference.repo} {reason}",
            param="name",
            candidates=references_to(candidates, reference, path),
        )
    near = nearest(path, [model.path for model in candidates])
    hint = f"Did you mean {reference.repository}/{near}?" if near else available(candidates)
    raise InvalidReference(
        f"{reference.repo} has no file {shortened(path)}. {hint}",
        param="name",
        candidates=references_to(candidates, reference, path),
    )


def by_tag(reference: Reference, tag: str, files: Sequence[RemoteFile]) -> GGUF:
    """Return the only model with the token `tag` in its name.

    Raises
    ------
    InvalidReference
        If no name contains it.
    AmbiguousReference
        If several names contain it.
    """
    candidates = models(files)
    matching = [model for model in candidates if model.has_token(tag)]
    if not matching:
        raise InvalidReference(
            f"No GGUF file of {reference.repo} matches {tag!r}. " + available(candidates),
            param="name",
            candidates=references_to(candidates, reference, tag),
        )
    if len(matching) > 1:
        raise _ambiguous(reference, f"Several files match {tag!r}.", matching)
    return matching[0]


def best(
    reference: Reference, files: Sequence[RemoteFile], memory: int | None
) -> tuple[GGUF, str | None]:
    """Return the largest quantization that fits in `memory` bytes, and a note that names it.

    Unquantized weights have to be requested by tag: Q8_0 is nearly lossless at half their size.
    The only model of a repository is returned without a note, whether it fits or not.

    Raises
    ------
    AmbiguousReference
        If the repository has several models, or names without a quantization.
    InsufficientMemory
        If no quantization fits.
    """
    files = [file for file in files if file.path.lower().endswith(".gguf")]
    candidates = models(files)
    if len(candidates) == 1:
        return candidates[0], None
    if len(files) > MAX_CHOSEN_FROM:
        reason = f"{reference.repo} has {len(files):,} GGUF files."
        raise _ambiguous(reference, reason, candidates[: MAX_CANDIDATES + 1])
    known = [model for model in candidates if model.quantization]
    if len({model.group for model in known}) != 1:
        raise _ambiguous(reference, f"{reference.repo} has several models.", known or candidates)
    pool = _preferred(known)
    sizes = {model.path: model.size + _size_of(mmproj(model, files)) for model in pool}
    pool.sort(key=lambda model: (sizes[model.path], model.path))
    fitting = [m for m in pool if memory is None or weights_fit(sizes[m.path], memory)]
    if not fitting:
        least = pool[0]
        raise InsufficientMemory(
            f"No quantization of {reference.repo} fits: the smallest, {least.quantization}, has "
            f"{_gb(sizes[least.path])} of weights, and {_gb(memory or 0)} of memory is free. Free "
            f"some memory, choose a smaller model, or pull {reference.name}:{least.quantization} "
            "to have it anyway.",
            candidates=[reference_to(least, reference, candidates)],
        )
    chosen = fitting[-1]
    limit = "" if memory is None else f" that fits in {_gb(memory)} of free memory"
    note = (
        f"Of {len(pool)} quantizations, {chosen.quantization} ({_gb(sizes[chosen.path])}) is "
        f"the best{limit}. To get another one, pull {reference.name}:TAG."
    )
    return chosen, note


def weights_fit(size: int, memory: int) -> bool:
    """Return whether weights of `size` bytes may be chosen for `memory` bytes of memory."""
    return size <= memory * WEIGHTS_SHARE


def choices(files: Sequence[RemoteFile]) -> list[GGUF]:
    """Return the models that `best` chooses from; none if a reference has to name the model."""
    candidates = models(files)
    if len(candidates) == 1:
        return candidates
    if len(files) > MAX_CHOSEN_FROM:
        return []
    known = [model for model in candidates if model.quantization]
    return _preferred(known) if len({model.group for model in known}) == 1 else []


def _preferred(known: Sequence[GGUF]) -> list[GGUF]:
    """Return the quantized models, or else those of 16 bits, or else those of 32 bits."""
    for without in ((*_HALF_PRECISION, *_FULL_PRECISION), _FULL_PRECISION):
        if pool := [model for model in known if model.quantization not in without]:
            return pool
    return [*known]


def mmproj(model: GGUF, files: Sequence[RemoteFile]) -> RemoteFile | None:
    """Return the nearest mmproj of `model`, preferably in F16; None if there is none.

    The nearest one shares most of the model's folders. Among these, one with the model's name
    ranks before one without a name, and that before one with another name, which is only used if
    the repository has no other model.
    """
    only_model = len({other.family for other in models(files)}) == 1
    candidates = [file for file in files if _is_mmproj(PurePosixPath(file.path))]
    ranked = [(_distance(model, PurePosixPath(file.path)), file) for file in candidates]
    fitting = [(rank, file) for rank, file in ranked if only_model or rank.name < _OTHER_NAME]
    return min(fitting, default=(None, None), key=lambda pair: pair[0])[1]


def _is_mmproj(path: PurePosixPath) -> bool:
    return path.suffix.lower() == ".gguf" and _MMPROJ.search(path.name) is not None


class _Distance(NamedTuple):
    """Rank of an mmproj for a model, compared field by field; lower is better."""

    folders: int
    name: int
    precision: int
    path: str


_SAME_NAME, _NO_NAME, _OTHER_NAME = range(3)


def _distance(model: GGUF, path: PurePosixPath) -> _Distance:
    common = posixpath.commonpath([PurePosixPath(model.path).parent, path.parent])
    projector = GGUF((), _MMPROJ.sub("", path.stem))
    name = _NO_NAME if not projector.family else _OTHER_NAME
    if projector.family == model.family:
        name = _SAME_NAME
    known = projector.quantization in _MMPROJ_ORDER
    precision = _MMPROJ_ORDER.index(projector.quantization) if known else len(_MMPROJ_ORDER)
    return _Distance(-len(PurePosixPath(common).parts), name, precision, str(path))


def _size_of(file: RemoteFile | None) -> int:
    return 0 if file is None else file.size


def _ambiguous(reference: Reference, reason: str, candidates: Sequence[GGUF]) -> AmbiguousReference:
    paths = [f"{reference.repository}/{model.path}" for model in candidates]
    return AmbiguousReference(
        f"{reason} Pull one by its path: {joined(paths)}",
        param="name",
        candidates=[path_reference_to(model, reference) for model in candidates[:MAX_CANDIDATES]],
    )


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 10**8 else f"{size / 1e6:.1f} MB"
