"""Read `modules.json`, the list of modules of a sentence-transformers model (https://sbert.net).

The classes that it names are never imported; `engine/embeddings` computes what they compute.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec import UNSET, UnsetType

from ...contract.errors import InvalidModelDirectory
from ...contract.text import quoted
from .description import positive_int
from .json_file import read_array, read_optional_object

MODULES = "modules.json"

#: Modules after the model itself, and the files that each needs in its folder. None for a module
#: that has no settings of influence, and may have no folder.
_MODULES: dict[str, tuple[str, ...] | None] = {
    "Pooling": ("config.json",),
    "Dense": ("config.json", "model.safetensors"),
    "LayerNorm": ("config.json", "model.safetensors"),
    "Normalize": None,
    "Dropout": None,
}

#: Names of the file with the settings of the transformer, in the order in which
#: sentence-transformers looks for them.
_SETTINGS = tuple(
    f"sentence_{family}_config.json"
    for family in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)

#: A tokenizer without a limit states 10**30 tokens.
_NO_LIMIT = 2**31

#: Files that only a directory with `modules.json` has.
_SIGNS = ("config_sentence_transformers.json", "sentence_bert_config.json", "1_Pooling")


@dataclass(frozen=True)
class Module:
    """A module of the model.

    Attributes
    ----------
    kind : str
        Name of the class, a key of `_MODULES`.
    folder : str
        Folder of its files, next to `modules.json`; "" for the directory itself.
    """

    kind: str
    folder: str


def settings_name(directory: Path) -> str:
    """Return the name of the file with the settings of the transformer, which may not exist."""
    return next((name for name in _SETTINGS if (directory / name).exists()), _SETTINGS[0])


def text_length(directory: Path, positions: int | UnsetType) -> int | UnsetType:
    """Return the maximum number of tokens of a text, with its special tokens; UNSET if unknown.

    Parameters
    ----------
    positions : int or UNSET
        The number of tokens for which the model has positions.
    """
    stated = read_optional_object(directory / settings_name(directory)).get("max_seq_length")
    if stated is None:
        stated = read_optional_object(directory / "tokenizer_config.json").get("model_max_length")
    limits = [positive_int(stated), positions]
    known = [limit for limit in limits if limit is not UNSET and limit < _NO_LIMIT]
    return min(known, default=UNSET)


def module_folders(directory: Path) -> list[str]:
    """Return the existing folders of the modules in a directory.

    Raises
    ------
    InvalidModelDirectory
        If `modules.json` is not a list of modules in folders next to it.
    """
    if not (directory / MODULES).exists():
        return []
    folders = [_folder(directory, entry) for entry in read_array(directory / MODULES)]
    return [folder for folder in folders if folder and (directory / folder).is_dir()]


def read_modules(directory: Path) -> list[Module] | None:
    """Return the modules after the transformer: the pooling first, then those of its vectors.

    Returns
    -------
    list of Module or None
        None if the directory has no files of sentence-transformers.

    Raises
    ------
    InvalidModelDirectory
        If a module or its files are missing, its class is not supported, or the modules are in
        another order.
    """
    if not (directory / MODULES).exists():
        _check_no_signs(directory)
        return None
    modules = [
        Module(_kind(directory, entry), _folder(directory, entry))
        for entry in read_array(directory / MODULES)
    ]
    if not modules or modules[0].kind != "Transformer":
        raise _invalid(directory, "does not begin with a Transformer")
    _check_layout(directory, modules[0])
    kinds = [module.kind for module in modules[1:]]
    if kinds[:1] != ["Pooling"] or "Pooling" in kinds[1:]:
        raise _invalid(directory, "does not have one Pooling behind the Transformer")
    for module in modules[1:]:
        _check_files(directory, module)
    return modules[1:]


def _kind(directory: Path, entry: Any) -> str:
    type_ = entry.get("type") if isinstance(entry, dict) else None
    package, _, kind = str(type_).rpartition(".")
    known = (*_MODULES, "Transformer")
    if package.partition(".")[0] != "sentence_transformers" or kind not in known:
        raise InvalidModelDirectory(
            f"The module {quoted(type_)} in {directory / MODULES} is not supported (supported: "
            f"{', '.join(known)} of sentence_transformers). Choose another model.",
            param="path",
        )
    return kind


def _folder(directory: Path, entry: Any) -> str:
    name = entry.get("path") if isinstance(entry, dict) else None
    if not isinstance(name, str) or len(PurePosixPath(name).parts) > 1 or name in (".", ".."):
        raise _invalid(directory, "lists a module that is not in a folder next to it")
    return name.rstrip("/")


def _check_layout(directory: Path, transformer: Module) -> None:
    if transformer.folder:
        raise InvalidModelDirectory(
            f"{directory} has the layout of sentence-transformers before version 2: its model is "
            f"in the folder {transformer.folder}. Save it in the current layout with "
            "SentenceTransformer(OLD_DIRECTORY).save_pretrained(NEW_DIRECTORY), and register that.",
            param="path",
        )


def _check_files(directory: Path, module: Module) -> None:
    needed = _MODULES[module.kind]
    for name in needed or ():
        path = directory / module.folder / name
        if not module.folder or not path.exists():
            pickled = path.with_name("pytorch_model.bin")
            hint = (
                f"It has {pickled.name}, a pickle, which can run arbitrary code. Save the model "
                "again with sentence-transformers, which writes safetensors"
                if name.endswith(".safetensors") and pickled.exists()
                else "Download the whole model"
            )
            raise InvalidModelDirectory(
                f"{directory} lacks {module.folder}/{name}, which {MODULES} needs for its module "
                f"{module.kind}. {hint}.",
                param="path",
            )


def _check_no_signs(directory: Path) -> None:
    for name in _SIGNS:
        if (directory / name).exists():
            raise InvalidModelDirectory(
                f"{directory} has {name} but not {MODULES}, so the pooling of its embeddings is "
                "unknown. Download the whole model.",
                param="path",
            )


def _invalid(directory: Path, reason: str) -> InvalidModelDirectory:
    return InvalidModelDirectory(
        f"{directory / MODULES} {reason}. Download the model again, or choose another model.",
        param="path",
    )
