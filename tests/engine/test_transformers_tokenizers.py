"""Test directories whose tokenizer has no fast form, no vocabulary, or cannot be read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import transformers
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

from a3s_power_jupyter.contract.errors import ModelLoadFailed
from a3s_power_jupyter.engine.transformers.tokenizer import read_tokenizer
from support.tiny_embeddings import SMALL, load, tiny
from support.tiny_models import TEXT

VOCABULARY = "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "world"])


def directory(path: Path, family: str, settings: dict[str, object], **files: str) -> Path:
    path.mkdir()
    (path / "config.json").write_text(json.dumps({"model_type": family}))
    (path / "tokenizer_config.json").write_text(json.dumps(settings))
    for name, text in files.items():
        (path / name.replace("__", ".")).write_text(text)
    return path


def test_a_vocabulary_of_bert_is_converted(tmp_path: Path) -> None:
    path = directory(tmp_path / "m", "bert", {}, vocab__txt=VOCABULARY)
    assert read_tokenizer(path)("hello world")["input_ids"] == [2, 5, 6, 3]


def test_a_sentencepiece_model_is_converted(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("\n".join(TEXT))
    SentencePieceTrainer.train(
        input=str(tmp_path / "text"), model_prefix=str(tmp_path / "spm"), vocab_size=120,
        hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    path = directory(tmp_path / "m", "t5", {"tokenizer_class": "T5Tokenizer"})
    shutil.copy(tmp_path / "spm.model", path / "spiece.model")
    text = "The quick brown fox"
    expected = SentencePieceProcessor(model_file=str(tmp_path / "spm.model")).encode(text)
    tokens = read_tokenizer(path)(text, add_special_tokens=False)["input_ids"]
    assert tokens == expected


@pytest.mark.parametrize(
    ("family", "settings", "files", "message"),
    [
        ("bert", {}, {}, r"no vocabulary.*vocab\.txt"),
        ("bert", {}, {"vocab__json": "{}"}, r"no vocabulary.*vocab\.txt"),
        ("canine", {}, {}, r"written in Python.*tokenizer\.json"),
        ("gpt2", {}, {"vocab__json": '{"a": 0}'}, r"cannot load the model's tokenizer"),
        ("llama", {}, {"tokenizer__json": "{}"}, r"KeyError.*tokenizer\.json"),
        ("llama", {}, {"tokenizer__model": "not a model"}, r"cannot load the model's tokenizer"),
        (
            "llama",
            {"tokenizer_class": "Mine", "auto_map": {"AutoTokenizer": ["mine.Mine", None]}},
            {"vocab__json": "{}"},
            "never run",
        ),
    ],
)
def test_tokenizers_that_are_refused(
    tmp_path: Path, family: str, settings: dict[str, object], files: dict[str, str], message: str
) -> None:
    path = directory(tmp_path / "m", family, settings, **files)
    with pytest.raises(ModelLoadFailed, match=message) as caught:
        read_tokenizer(path)
    assert str(tmp_path) not in caught.value.message


def test_an_embedding_model_needs_its_vocabulary(tmp_path: Path) -> None:
    """Without it, BERT's tokenizer would make every word unknown."""
    pooling = {"pooling_mode_mean_tokens": True}
    path = tiny(tmp_path / "m", transformers.BertConfig(**SMALL), pooling=pooling)
    (path / "tokenizer.json").unlink()
    (path / "tokenizer_config.json").unlink()
    with pytest.raises(ModelLoadFailed, match="no vocabulary"):
        load(path)
