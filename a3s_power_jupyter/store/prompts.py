"""Name the folders of warm prompts, ``prompts/<hash of the model's files>``.

Workers write them (`engine/prompt_files.py`). Models with the same files share a folder.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from ..contract.types import Manifest

PROMPTS = Path("prompts")


def prompt_folder(home: Path, manifest: Manifest) -> Path:
    """Return the folder of a model's warm prompts, which may not exist."""
    in_folder = manifest.format != "gguf"  # a GGUF model is the same under another file name
    files = [[file.name if in_folder else "", file.sha256] for file in manifest.files]
    content = msgspec.json.encode([manifest.format, files])
    return home / PROMPTS / hashlib.sha256(content).hexdigest()
