"""Test texts that are refused before they are tokenized, and which special tokens others get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import transformers
from tokenizers import AddedToken, Tokenizer, models, normalizers, processors

from a3s_power_jupyter.contract.errors import ContextLengthExceeded, PowerError
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Request,
)
from a3s_power_jupyter.engine.cancellation import cancellable
from a3s_power_jupyter.engine.checks import PIECE, TextLimit, check_pieces
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.engine.transformers import TransformersEngine
from a3s_power_jupyter.engine.transformers.tokenizer import text_limit
from support import tiny_gguf
from support.engine_runs import load_directory
from support.tiny_models import byte_level, make, spm_bpe

NUM_CTX = 256


@pytest.fixture(scope="module")
def llama_cpp(smollm2_path: Path) -> LlamaCppEngine:
    load = Load("gguf", (str(smollm2_path),), LoadParameters(num_ctx=NUM_CTX))
    return LlamaCppEngine.load(load, lambda _value: None)


@pytest.fixture(scope="module", params=[0, 1])
def transformers_engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> TransformersEngine:
    tokenizer = [byte_level("smollm"), spm_bpe(prefix=True)][request.param]
    directory = make(tmp_path_factory.mktemp("llama"), "LlamaConfig", tokenizer)
    return load_directory(TransformersEngine, directory, isq="none")


LONG = "<|" * 4_000_000  # tokenizing it takes over a minute


@pytest.mark.parametrize("request_", [
    CompletionRequest(LONG),
    ChatRequest([{"role": "user", "content": LONG}]),
    EmbeddingRequest([LONG]),
])  # fmt: skip
def test_a_long_text_is_refused_by_a_part_of_it(
    llama_cpp: LlamaCppEngine, request_: Request
) -> None:
    with pytest.raises(ContextLengthExceeded, match=r"bytes|characters|more than"):
        llama_cpp.prepare(1, request_)


def test_a_long_text_is_refused_by_its_bytes_on_transformers(
    transformers_engine: TransformersEngine,
) -> None:
    with pytest.raises(ContextLengthExceeded, match="8,000,000 bytes"):
        transformers_engine.prepare(1, CompletionRequest(LONG))


def test_the_longest_text_of_a_vocabulary_is_not_refused(llama_cpp: LlamaCppEngine) -> None:
    """It consists of the longest token only."""
    vocab = llama_cpp._vocab
    pieces = [vocab.render(token, special=True) for token in range(vocab.size)]
    longest = max(pieces, key=len).decode()
    for count in (NUM_CTX - 1, NUM_CTX):
        text = longest * count
        vocab.check_length(text, NUM_CTX)
        assert len(vocab.tokenize(text, add_special=False)) >= count
    with pytest.raises(ContextLengthExceeded, match="bytes"):
        vocab.check_length(text + "a", NUM_CTX)


def test_no_text_that_fits_is_refused_on_transformers(
    transformers_engine: TransformersEngine,
) -> None:
    """A token of a text may not cover more bytes than the limit says."""
    model = transformers_engine._model
    token_bytes = model.longest_text.token_bytes
    assert token_bytes is not None
    tokenizer = model.tokenizer
    for token in range(len(tokenizer)):
        text = tokenizer.convert_ids_to_tokens(token)
        assert len(text.encode()) <= token_bytes


class Counter:
    """Count one token for each eight characters, and remember how much was read."""

    def __init__(self) -> None:
        self.read = 0

    def __call__(self, text: str) -> int:
        self.read += len(text)
        return len(text) // 8


def test_a_text_is_read_only_until_it_has_too_many_tokens() -> None:
    count = Counter()
    with pytest.raises(ContextLengthExceeded) as caught:
        check_pieces("a" * 20_000_000, 30_000, count)
    assert count.read < 5 * PIECE
    message = caught.value.message
    assert "This model's maximum context length is 30000 tokens." in message  # litellm
    assert "prompt is too long" in message  # LangChain


@pytest.mark.parametrize("length", [PIECE, 8 * 30_000, 8 * 29_000 + PIECE])
def test_a_text_that_fits_is_not_refused(length: int) -> None:
    check_pieces("a" * length, 30_000, lambda text: len(text) // 16)


def test_no_more_is_tokenized_for_a_request_that_is_cancelled() -> None:
    count = Counter()
    with cancellable(lambda: count.read > 0), pytest.raises(PowerError, match="cancelled"):
        check_pieces("a" * 20_000_000, 300_000, count)
    assert count.read == PIECE


def test_a_vocabulary_with_long_tokens_reads_a_few_pieces(llama_cpp: LlamaCppEngine) -> None:
    """The longest token, of many spaces, would let 20 MB pass."""
    text = "The quick brown fox. " * 500_000
    llama_cpp._vocab.longest_text.check(text, 2**17)
    with pytest.raises(ContextLengthExceeded, match="the text has more than 1"):
        llama_cpp._vocab.check_length(text, 2**17)


def test_a_tokenizer_without_a_limit_reads_a_few_pieces(tmp_path: Path) -> None:
    tokenizer = byte_level("gpt-2")
    tokenizer.normalizer = normalizers.Replace("x", "")
    engine = load_directory(
        TransformersEngine, make(tmp_path / "m", "LlamaConfig", tokenizer), isq="none"
    )
    with pytest.raises(ContextLengthExceeded, match="the text has more than"):
        engine.prepare(1, CompletionRequest("The quick brown fox. " * 1_000_000))


# ---------------------------------------------------------------- special tokens


def test_a_prompt_has_one_start_and_no_end_on_llama_cpp(tmp_path: Path) -> None:
    path = tiny_gguf.gpt2(tmp_path / "m.gguf", 64, adds_special=True)
    load = Load("gguf", (str(path),), LoadParameters())
    engine = LlamaCppEngine.load(load, lambda _value: None)
    end = engine._vocab.size - 1
    plain = engine._vocab.tokenize("xyz", add_special=False)
    assert engine._vocab.tokenize("xyz", add_special=True) == [end, *plain, end]
    for text in ("xyz", "<|endoftext|>xyz"):
        assert prompt_of(engine, text) == [end, *plain]
    assert prompt_of(engine, "xyz<|endoftext|>") == [end, *plain, end]


def test_a_prompt_has_one_start_and_no_end_on_transformers(tmp_path: Path) -> None:
    tokenizer = byte_level("gpt-2")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    engine = load_directory(
        TransformersEngine, make(tmp_path / "m", "LlamaConfig", tokenizer), isq="none"
    )
    plain = engine._model.plain_tokens("xyz")
    assert engine._model.tokenizer("xyz")["input_ids"] == [1, *plain, 2]
    for text in ("xyz", "<s>xyz"):
        assert prompt_of(engine, text) == [1, *plain]
    assert prompt_of(engine, "xyz</s>") == [1, *plain, 2]


def prompt_of(engine: LlamaCppEngine | TransformersEngine, text: str) -> list[int]:
    return list(engine.prepare(1, CompletionRequest(text)).generation.prompt)


# ---------------------------------------------------------------- tokenizers


def fast(tokenizer: Tokenizer, **options: Any) -> Any:
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **options)


def test_a_tokenizer_that_drops_text_has_no_limit() -> None:
    unigram = Tokenizer(models.Unigram([("<unk>", 0.0), ("a", -1.0)], unk_id=0))
    wordpiece = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    incomplete = Tokenizer(models.BPE({"a": 0, "<unk>": 1}, [], unk_token="<unk>"))
    stripping = byte_level("gpt-2")
    stripping.normalizer = normalizers.Replace("x", "")
    for tokenizer in (unigram, wordpiece, incomplete, stripping):
        assert text_limit(fast(tokenizer)).token_bytes is None


def test_a_normalizer_may_make_a_text_shorter() -> None:
    tokenizer = byte_level("gpt-2")
    plain = text_limit(fast(tokenizer)).token_bytes
    assert plain is not None
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC()])
    assert text_limit(fast(tokenizer)).token_bytes == 3 * plain


def test_white_space_beside_a_stripping_token_is_not_counted() -> None:
    tokenizer = fast(byte_level("gpt-2"))
    tokenizer.add_tokens([AddedToken("<x>", rstrip=True)])
    limit = text_limit(tokenizer)
    assert limit.token_bytes is not None
    limit.check("<x>" + " " * limit.token_bytes * 10, 5)
    with pytest.raises(ContextLengthExceeded):
        TextLimit(limit.token_bytes).check("<x>" + " " * limit.token_bytes * 10, 5)
