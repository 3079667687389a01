"""Which files of a repository are a GGUF model, and which model is meant."""

from __future__ import annotations

import difflib
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from ...contract.errors import AmbiguousReference, InsufficientMemory, InvalidReference
from .plan import RemoteFile
from .reference import Reference

#: Share of the memory that weights may take; the rest is for the KV cache and the buffers, whose
#: size is not known before the file's header is here.
WEIGHTS_SHARE = 0.8

_SHOWN = 40  # candidates in a message

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<total>\d{5})", re.IGNORECASE)
#: A quantization as llama.cpp names it, with the "UD-" of mixed ones: a whole token, but that an
#: underscore may stand before it (``model_Q4_K_M``).
_QUANTIZATION = re.compile(
    r"(?<![A-Z0-9])(?:UD-)?(?:(?:I?Q|TQ)\d(?:_[A-Z0-9]+)*|MXFP4(?:_MOE)?|NVFP4|BF16|FP?16|FP?32)"
    r"(?![A-Z0-9_])",
    re.IGNORECASE,
)
_HALVES = ("F16", "FP16", "BF16")
_WHOLES = ("F32", "FP32")
#: GGUF files that are no model on their own.
_PART = re.compile(r"(?<![A-Z0-9])(?:mmproj|imatrix)(?![A-Z0-9])", re.IGNORECASE)
_MMPROJ = re.compile(r"(?<![A-Z0-9])mmproj(?![A-Z0-9])", re.IGNORECASE)
#: The best first: F16 loses nothing that shows and runs everywhere, BF16 not on every GPU.
_MMPROJ_ORDER = ("F16", "FP16", "BF16", "F32", "FP32", "Q8_0")


@dataclass(frozen=True)
class GGUF:
    """A model: one file, or its shards in order.

    Attributes
    ----------
    stem : name of the file, or what the names of its shards begin with, without the folder.
    """

    files: tuple[RemoteFile, ...]
    stem: str

    @property
    def path(self) -> str:
        """Of the file or of the first shard: what names it among others."""
        return self.files[0].path

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def quantization(self) -> str | None:
        """The last one in its name, in capitals."""
        found = _QUANTIZATION.findall(self.stem)
        return found[-1].upper() if found else None

    @property
    def family(self) -> str:
        """Its name without the quantization, in lower case: the same for all sizes of a model."""
        return re.sub(r"[._-]+", "-", _QUANTIZATION.sub("", self.stem).lower()).strip("-")

    def has_token(self, tag: str) -> bool:
        """Whether `tag` is a whole token of the name, or several of them, without case."""
        before = "[A-Z0-9]" if _QUANTIZATION.fullmatch(tag) else "[A-Z0-9_]"
        pattern = rf"(?<!{before}){re.escape(tag)}(?![A-Z0-9_])"
        return re.search(pattern, self.stem, re.IGNORECASE) is not None


def models(files: Iterable[RemoteFile]) -> list[GGUF]:
    """The GGUF models among `files`, by path; incomplete sets of shards are none."""
    sets: dict[tuple[str, str, int], dict[int, RemoteFile]] = defaultdict(dict)
    for file in files:
        path = PurePosixPath(file.path)
        if path.suffix.lower() != ".gguf" or _PART.search(path.name):
            continue
        shard = _SHARD.fullmatch(path.stem)
        if shard is None:
            sets[str(path.parent), path.stem, 1][1] = file
        else:
            of_set = sets[str(path.parent), shard["stem"], int(shard["total"])]
            of_set[int(shard["number"])] = file
    found = [
        GGUF(tuple(shards[number] for number in sorted(shards)), stem)
        for (_, stem, total), shards in sets.items()
        if set(shards) == set(range(1, total + 1))
    ]
    return sorted(found, key=lambda model: model.path)


def by_path(reference: Reference, path: str, files: Sequence[RemoteFile]) -> GGUF:
    """The model that the file at `path` is, or is a shard of.

    Raises
    ------
    InvalidReference
    """
    found = models(files)
    for model in found:
        if any(file.path == path for file in model.files):
            return model
    if any(file.path == path for file in files):
        if _PART.search(PurePosixPath(path).name):
            why = "is no model on its own. Pull the model's own file; an mmproj comes with it."
        else:
            why = "is one shard of a set that is not complete there."
        raise InvalidReference(f"{path} of {reference.repo} {why}", param="name")
    near = difflib.get_close_matches(path, [model.path for model in found], n=1)
    hint = f"Did you mean {reference.repository}/{near[0]}?" if near else _listed(found)
    raise InvalidReference(f"{reference.repo} has no file {path}. {hint}", param="name")


def by_tag(reference: Reference, tag: str, files: Sequence[RemoteFile]) -> GGUF:
    """The one model that has the token `tag` in its name.

    Raises
    ------
    InvalidReference
        None has.
    AmbiguousReference
        Several have.
    """
    found = models(files)
    matching = [model for model in found if model.has_token(tag)]
    if not matching:
        raise InvalidReference(
            f"{reference.repo} has no GGUF file with {tag!r} as a whole word of its name. "
            + _listed(found),
            param="name",
        )
    if len(matching) > 1:
        raise _ambiguous(reference, f"Several files match {tag!r}.", matching)
    return matching[0]


def best(
    reference: Reference, files: Sequence[RemoteFile], memory: int | None
) -> tuple[GGUF, str | None]:
    """The largest quantization whose weights fit in `memory` bytes, and a note that says so.

    Unquantized weights are for those who ask: Q8_0 loses next to nothing, at half the size. Where
    there is only one model there is nothing to choose, and it is taken as it is.

    Raises
    ------
    AmbiguousReference
        The repository has several models, or names that do not say what they are.
    InsufficientMemory
        None fits.
    """
    found = models(files)
    if len(found) == 1:
        return found[0], None
    known = [model for model in found if model.quantization]
    if len({model.family for model in known}) != 1:
        raise _ambiguous(reference, f"{reference.repo} has several models.", known or found)
    pool = _worth_having(known)
    sizes = {model.path: model.size + _size_of(mmproj(model, files)) for model in pool}
    pool.sort(key=lambda model: (sizes[model.path], model.path))
    fitting = [m for m in pool if memory is None or sizes[m.path] <= memory * WEIGHTS_SHARE]
    if not fitting:
        least = pool[0]
        raise InsufficientMemory(
            f"No quantization of {reference.repo} fits: the smallest, {least.quantization}, has "
            f"{_gb(sizes[least.path])} of weights, and {_gb(memory or 0)} of memory is free. Free "
            f"some, choose a smaller model, or pull {reference.name}:{least.quantization} to have "
            "it anyway."
        )
    chosen = fitting[-1]
    limit = "" if memory is None else f" that fits in {_gb(memory)} of free memory"
    note = (
        f"Of {len(pool)} quantizations, {chosen.quantization} ({_gb(sizes[chosen.path])}) is "
        f"the best{limit}. For another one, pull {reference.name}:TAG."
    )
    return chosen, note


def _worth_having(known: Sequence[GGUF]) -> list[GGUF]:
    """The quantized ones; where there are none those of 16 bits, and else those of 32."""
    for without in ((*_HALVES, *_WHOLES), _WHOLES):
        if pool := [model for model in known if model.quantization not in without]:
            return pool
    return [*known]


def mmproj(model: GGUF, files: Sequence[RemoteFile]) -> RemoteFile | None:
    """The image part that belongs to `model`: the nearest one, and of these the F16.

    Nearest is what shares most of the model's folders; there, one with the model's name goes
    before one without a name, and that before one with another name, which is taken only where
    there is no other model for it to belong to.
    """
    alone = len({other.family for other in models(files)}) == 1
    parts = [file for file in files if _is_mmproj(PurePosixPath(file.path))]
    ranked = [(_distance(model, PurePosixPath(file.path)), file) for file in parts]
    fitting = [(rank, file) for rank, file in ranked if alone or rank.name < _OTHER_NAME]
    return min(fitting, default=(None, None), key=lambda pair: pair[0])[1]


def _is_mmproj(path: PurePosixPath) -> bool:
    return path.suffix.lower() == ".gguf" and _MMPROJ.search(path.name) is not None


class _Distance(NamedTuple):
    """How far an image part is from a model; compared field by field."""

    folders: int
    name: int
    precision: int
    path: str


_SAME_NAME, _NO_NAME, _OTHER_NAME = range(3)


def _distance(model: GGUF, path: PurePosixPath) -> _Distance:
    common = posixpath.commonpath([PurePosixPath(model.path).parent, path.parent])
    part = GGUF((), _MMPROJ.sub("", path.stem))
    name = _NO_NAME if not part.family else _OTHER_NAME
    if part.family == model.family:
        name = _SAME_NAME
    known = part.quantization in _MMPROJ_ORDER
    precision = _MMPROJ_ORDER.index(part.quantization) if known else len(_MMPROJ_ORDER)
    return _Distance(-len(PurePosixPath(common).parts), name, precision, str(path))


def _size_of(file: RemoteFile | None) -> int:
    return 0 if file is None else file.size


def _ambiguous(reference: Reference, why: str, found: Sequence[GGUF]) -> AmbiguousReference:
    return AmbiguousReference(
        f"{why} Pull one by its path: " + _paths(reference, found), param="name"
    )


def _paths(reference: Reference, found: Sequence[GGUF]) -> str:
    shown = [f"{reference.repository}/{model.path}" for model in found[:_SHOWN]]
    return ", ".join(shown) + (" ..." if len(found) > _SHOWN else "")


def _listed(found: Sequence[GGUF]) -> str:
    """What there is, by quantization where the names say it."""
    if not found:
        return "It has no GGUF models."
    names = list(dict.fromkeys(model.quantization or model.path for model in found))
    return "It has: " + ", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else ".")


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 10**8 else f"{size / 1e6:.1f} MB"
