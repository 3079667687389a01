"""Find and remove the folders of warm prompts, ``prompts/<hash of the model's files>``.

Workers write them (`engine/prompt_files.py`). Models with the same files share a folder. Its
content is a cache, so it may be removed at any time.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

import msgspec

from ..contract.types import Manifest
from .files import TEMPORARY_PREFIX, file_size, is_sha256

PROMPTS = Path("prompts")


def prompt_folder(home: Path, manifest: Manifest) -> Path:
    """Return the folder of a model's warm prompts, which may not exist."""
    in_folder = manifest.format != "gguf"  # a GGUF model is the same under another file name
    files = [[file.name if in_folder else "", file.sha256] for file in manifest.files]
    content = msgspec.json.encode([manifest.format, files])
    return home / PROMPTS / hashlib.sha256(content).hexdigest()


def unused_prompts(home: Path, manifests: Iterable[Manifest]) -> list[Path]:
    """Return the folders of prompts that belong to none of the models."""
    used = {prompt_folder(home, manifest) for manifest in manifests}
    paths = (home / PROMPTS).glob("*")
    folders = (p for p in paths if is_sha256(p.name) and p.is_dir() and not p.is_symlink())
    return sorted(folder for folder in folders if folder not in used)


def unfinished_prompts(home: Path) -> list[Path]:
    """Return the files that are being written, or were when their worker was killed."""
    return sorted((home / PROMPTS).glob(f"*/*/{TEMPORARY_PREFIX}*"))


def size_of_prompts(folder: Path) -> int:
    """Return the bytes that the files in a folder of prompts have together."""
    return sum(file_size(path) or 0 for path in folder.rglob("*") if not path.is_symlink())


def remove_prompts(folder: Path) -> int:
    """Remove a folder of prompts as far as possible, and return the bytes freed."""
    size = size_of_prompts(folder)
    shutil.rmtree(folder, ignore_errors=True)  # another server may be writing to it
    return size - size_of_prompts(folder)


def remove_prompts_of(home: Path, removed: Manifest, left: Iterable[Manifest]) -> int:
    """Remove the prompts of a model unless others share them, and return the bytes freed."""
    folder = prompt_folder(home, removed)
    if any(prompt_folder(home, manifest) == folder for manifest in left):
        return 0
    return remove_prompts(folder)
