"""Recognize cross-encoders in model directories: classifiers with one label, for two texts.

The keys of config.json are those of transformers' ``PretrainedConfig``. Newer versions of
sentence-transformers add modules.json and config_sentence_transformers.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...contract.errors import InvalidModelDirectory
from .embedding_modules import MODULES
from .json_file import read_array, read_object, read_optional_object

_SETTINGS = "config_sentence_transformers.json"
#: The settings of the transformer, which newer versions write for all families.
_TRANSFORMER = "sentence_bert_config.json"


def label_count(config: dict[str, Any]) -> int | None:
    """Return the number of labels of a classifier of texts; None for other models.

    Parameters
    ----------
    config : dict
        Content of config.json.
    """
    names = config.get("architectures")
    if not isinstance(names, list) or not str(names[:1]).endswith("ForSequenceClassification']"):
        return None
    labels = config.get("id2label")
    if isinstance(labels, dict):
        return len(labels)
    count = config.get("num_labels", 2)  # the default of transformers
    return count if isinstance(count, int) else None


def no_cross_encoder(files: Mapping[str, Path]) -> str:
    """Return why a model cannot rank documents; "" if it can.

    Parameters
    ----------
    files : dict
        The files of the model directory by name.

    Returns
    -------
    str
        A sentence without its period.
    """
    labels = label_count(read_object(files["config.json"])) if "config.json" in files else None
    if labels is None or (MODULES in files and not _claims(files.get(_SETTINGS))):
        return "The model computes embeddings"
    if labels != 1:
        return f"The model has {labels} labels instead of one"
    if _has_template(files):
        return "The model has a chat template, into which a query and a document would belong"
    return ""


def _has_template(files: Mapping[str, Path]) -> bool:
    """Return whether sentence-transformers would put a pair into a chat template."""
    stated = _object(files.get(_TRANSFORMER)).get("modality_config")
    if MODULES in files and isinstance(stated, dict):
        return "message" in stated
    settings = _object(files.get("tokenizer_config.json"))
    return "chat_template.jinja" in files or bool(settings.get("chat_template"))


def check_cross_encoder(directory: Path) -> None:
    """Check a directory that sentence-transformers says is a cross-encoder.

    Raises
    ------
    InvalidModelDirectory
        If it has another number of labels than one, or modules besides the transformer.
    """
    if not (directory / MODULES).exists() or not _claims(directory / _SETTINGS):
        return
    kinds = [_kind(entry) for entry in read_array(directory / MODULES)]
    if kinds != ["Transformer"]:
        raise InvalidModelDirectory(
            f"{directory} is a cross-encoder with the modules {', '.join(kinds)}. Only those that "
            "consist of a Transformer are supported. Choose another model, or a GGUF file of it.",
            param="path",
        )
    labels = label_count(read_object(directory / "config.json"))
    if labels != 1:
        raise InvalidModelDirectory(
            f"{directory} is a cross-encoder with {labels or 'no'} labels. Only those with one "
            "label, the relevance of a text, are supported. Choose another model.",
            param="path",
        )


def _claims(settings: Path | None) -> bool:
    return _object(settings).get("model_type") == "CrossEncoder"


def _object(path: Path | None) -> dict[str, Any]:
    return {} if path is None else read_optional_object(path)


def _kind(entry: Any) -> str:
    type_ = entry.get("type") if isinstance(entry, dict) else None
    return str(type_).rpartition(".")[2]
