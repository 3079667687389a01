"""The steps before and after the model, as configured in its sentence-transformers files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import UNSET
from torch import Tensor

from ...contract.errors import ModelLoadFailed
from ...store.formats.description import positive_int
from ...store.formats.embedding_modules import MODULES, read_modules, settings_name
from ...store.formats.json_file import read_object, read_optional_object
from .modules import Pooling, Step, normalize, read_pooling, read_step

#: Settings of the transformer, and the values of each that mean what this engine computes.
_SUPPORTED: dict[str, tuple[Any, ...]] = {
    "transformer_task": (None, "feature-extraction"),
    "module_output_name": (None, "token_embeddings"),
    "processing_kwargs": (None, {}),
    "tokenizer_name_or_path": (None, ""),
}


@dataclass
class Pipeline:
    """The steps before and after the model.

    Attributes
    ----------
    steps : list of callable
        Applied to the pooled vectors, in this order.
    max_length : int or None
        Maximum number of tokens of a text.
    prompts : dict
        Text to put in front of the input, by name.
    notes : tuple of str
        Messages for the user.
    """

    pooling: Pooling = field(default_factory=Pooling)
    steps: list[Step] = field(default_factory=list)
    max_length: int | None = None
    lower_case: bool = False
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    notes: tuple[str, ...] = ()

    def pool(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return the vectors of texts, L2-normalized.

        Parameters
        ----------
        tokens : Tensor
            Hidden states; shape (texts, tokens, size).
        mask : Tensor
            1 for each token that counts in the pooling; shape (texts, tokens).
        """
        vectors = self.pooling(tokens.float(), mask)
        for step in self.steps:
            vectors = step(vectors)
        return normalize(vectors)


def read_pipeline(directory: Path) -> Pipeline:
    """Read the pipeline of a directory.

    Raises
    ------
    ModelLoadFailed
        If a module or setting is not supported.
    InvalidModelDirectory
        If a module or its files are missing.
    """
    pipeline = Pipeline()
    modules = read_modules(directory)
    if modules is None:
        pipeline.pooling = _default_pooling(directory)
        [mode] = pipeline.pooling.modes
        pipeline.notes = (f"There is no {MODULES}, so the pooling is {mode}.",)
    else:
        pipeline.pooling = read_pooling(directory, modules[0])
        steps = [read_step(directory, module) for module in modules[1:]]
        pipeline.steps = [step for step in steps if step is not None]
    _read_settings(pipeline, directory)
    _read_prompts(pipeline, directory)
    return pipeline


def _default_pooling(directory: Path) -> Pooling:
    """Return the pooling that sentence-transformers uses for a directory without its files."""
    config = read_object(directory / "config.json")
    architectures = config.get("architectures")
    causal = isinstance(architectures, list) and str(architectures[:1]).endswith("ForCausalLM']")
    return Pooling(("lasttoken",) if causal and config.get("is_causal", True) else ("mean",))


def _read_settings(pipeline: Pipeline, directory: Path) -> None:
    config, name = read_settings(directory, _SUPPORTED)
    _check_modality(name, config.get("modality_config"))
    pipeline.max_length = read_max_length(config, name)
    pipeline.lower_case = bool(config.get("do_lower_case"))


def read_settings(
    directory: Path, supported: Mapping[str, tuple[Any, ...]]
) -> tuple[dict[str, Any], str]:
    """Return the settings of a model's first module, and the name of their file.

    Raises
    ------
    ModelLoadFailed
        If a setting in `supported` has none of its values there.
    """
    name = settings_name(directory)
    config = read_optional_object(directory / name)
    for key, values in supported.items():
        if config.get(key) not in values:
            raise ModelLoadFailed(
                f"The setting {key} = {config[key]!r} in {name} is not supported."
            )
    return config, name


def read_max_length(config: dict[str, Any], name: str) -> int | None:
    """Return the maximum number of tokens of a text in a file of settings; None if it has none.

    Raises
    ------
    ModelLoadFailed
        If it is not a number of tokens.
    """
    length = config.get("max_seq_length")
    if length is not None and positive_int(length) is UNSET:
        raise ModelLoadFailed(f"max_seq_length = {length!r} in {name} is not a number of tokens.")
    return length


def _check_modality(name: str, config: Any) -> None:
    """Check that a text is the input of the model itself, and not put into a chat template."""
    if config is None:
        return
    text = config.get("text") if isinstance(config, dict) else None
    expected = {"method": "forward", "method_output_name": "last_hidden_state"}
    if text != expected or "message" in config:
        raise ModelLoadFailed(f"The modality_config in {name} is not supported: {config}.")


def _read_prompts(pipeline: Pipeline, directory: Path) -> None:
    name = "config_sentence_transformers.json"
    config = read_optional_object(directory / name)
    if config.get("model_type", "SentenceTransformer") != "SentenceTransformer":
        raise ModelLoadFailed(
            f"The model is a {config['model_type']} of sentence-transformers, which computes no "
            "single vector per text."
        )
    prompts = config.get("prompts") or {}
    values = prompts.values() if isinstance(prompts, dict) else [0]
    if not all(value is None or isinstance(value, str) for value in values):
        raise ModelLoadFailed(f"The prompts in {name} are not texts.")
    pipeline.prompts = {prompt: text or "" for prompt, text in prompts.items()}
    pipeline.default_prompt = config.get("default_prompt_name")
    if pipeline.default_prompt not in (None, *pipeline.prompts):
        raise ModelLoadFailed(
            f"The default_prompt_name {pipeline.default_prompt!r} in {name} is none of its prompts "
            f"({', '.join(sorted(pipeline.prompts)) or 'none'})."
        )
