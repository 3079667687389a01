"""Test the transformers engine with tiny random models, stepped in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer

from a3s_power_jupyter.contract.errors import (
    ContextLengthExceeded,
    InsufficientMemory,
    InvalidParameter,
    ModelLoadFailed,
    UnsupportedRequestFields,
)
from a3s_power_jupyter.contract.types import (
    ChatRequest,
    CompletionRequest,
    Constraint,
    Delta,
    EmbeddingRequest,
    Finished,
    Sampling,
    Started,
)
from a3s_power_jupyter.engine.transformers import TransformersEngine
from support.engine_runs import decoded, load_directory, run, text_of
from support.items import counts
from support.tiny_models import altered, byte_level, make, spm_bpe

GREEDY = Sampling(temperature=0.0, max_tokens=12)
PROMPTS = [[1, 5, 9], [1, *range(20, 60)], [1, 300, 7, 7, 7, 80, 12], [1, *range(90, 70, -1)]]
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", {}),
    "gemma3": (
        "Gemma3TextConfig",
        {"head_dim": 32, "sliding_window": 16, "num_hidden_layers": 7},
    ),
    "neox": ("GPTNeoXConfig", {}),
}


def load(directory: Path, **parameters: Any) -> TransformersEngine:
    parameters = {"num_thread": 1, "isq": "none", **parameters}
    return load_directory(TransformersEngine, directory, **parameters)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("llama"), "LlamaConfig", byte_level("gpt-2"))


@pytest.fixture(scope="module")
def engine(directory: Path) -> TransformersEngine:
    return load(directory)


def complete(prompt: list[int] | str, **sampling: Any) -> CompletionRequest:
    return CompletionRequest(prompt, Sampling(**{"temperature": 0.0, "max_tokens": 12, **sampling}))


@pytest.mark.parametrize("family", FAMILIES)
def test_parallel_and_single_requests_match_transformers(family: str, tmp_path: Path) -> None:
    """The prompts have different lengths, some longer than a sliding window, and end at different
    steps.
    """
    config, settings = FAMILIES[family]
    directory = make(tmp_path / "model", config, byte_level("gpt-2"), **settings)
    engine = load(directory)
    requests = [complete(p, max_tokens=4 + 4 * at) for at, p in enumerate(PROMPTS)]
    alone = [run(engine, request)[0] for request in requests]
    assert [text_of(items) for items in run(engine, *requests)] == [text_of(a) for a in alone]
    model = transformers.AutoModelForCausalLM.from_pretrained(directory)
    for request, items in zip(requests, alone, strict=True):
        prompt = torch.tensor([request.prompt])
        expected = model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=request.sampling.max_tokens,
            do_sample=False,
            pad_token_id=0,
        )[0, prompt.shape[1] :].tolist()
        pieces = b"".join(engine._model.token_to_piece(token) for token in expected)
        assert text_of(items) == decoded(pieces)


def test_requests_join_and_leave_between_steps(engine: TransformersEngine) -> None:
    requests = [complete(p, max_tokens=16) for p in PROMPTS]
    alone = [text_of(run(engine, request)[0]) for request in requests]
    outputs = []
    for id_, request in enumerate(requests):
        engine.submit(engine.prepare(id_, request))
        for _ in range(3):
            outputs += engine.step()
        if id_ == 1:
            engine.cancel(0)
    while not engine.idle:
        outputs += engine.step()
    for id_ in (1, 2, 3):
        assert text_of([item for at, item in outputs if at == id_]) == alone[id_]
    assert not any(isinstance(item, Finished) for at, item in outputs if at == 0)


def test_a_request_can_be_cancelled_during_prefill(engine: TransformersEngine) -> None:
    engine.submit(engine.prepare(7, complete([1] * 200)))
    assert engine.step() == []
    engine.cancel(7)
    assert engine.idle
    assert engine.step() == []


def test_tokens_are_counted(engine: TransformersEngine) -> None:
    [items] = run(engine, complete([1, 5, 9], max_tokens=5))
    assert items[0] == Started(3, 0)
    assert counts(items[-1]) == ("length", 3, 5, 0)


def test_a_stop_string_of_several_tokens_is_cut_off(engine: TransformersEngine) -> None:
    whole = text_of(run(engine, complete([1, 5, 9], max_tokens=30))[0])
    stop = whole[6:9]
    [items] = run(engine, complete([1, 5, 9], max_tokens=30, stop=(stop,)))
    assert text_of(items) == whole[: whole.index(stop)]
    assert items[-1].finish_reason == "stop"


def test_an_answer_ends_at_a_stop_token_but_not_before_min_tokens(
    engine: TransformersEngine,
) -> None:
    tokens = [1, 5, 9]
    for _ in range(4):
        tokens.append(int(logits_of(engine, tokens).argmax()))
    stopping = complete([1, 5, 9], stop_token_ids=(tokens[5],))
    assert counts(run(engine, stopping)[0][-1])[:3] == ("stop", 3, tokens[3:].index(tokens[5]))
    later = complete([1, 5, 9], stop_token_ids=(tokens[5],), min_tokens=6)
    assert counts(run(engine, later)[0][-1])[2] >= 6


def test_ignore_eos_never_ends_an_answer(engine: TransformersEngine) -> None:
    (end,) = engine._model.eos_token_ids
    biased = {"logit_bias": {end: 100.0}, "max_tokens": 9}
    assert counts(run(engine, complete([1, 5, 9], **biased))[0][-1]) == ("stop", 3, 0, 0)
    ignored = run(engine, complete([1, 5, 9], **biased, ignore_eos=True))[0][-1]
    assert counts(ignored)[:3] == ("length", 3, 9)


def test_a_stop_string_that_is_a_special_token_ends_an_answer(engine: TransformersEngine) -> None:
    tokenizer = engine._model.tokenizer
    special = next(t for t in tokenizer.all_special_ids if t not in engine._model.eos_token_ids)
    biased = {"logit_bias": {special: 100.0}, "max_tokens": 9}
    assert run(engine, complete([1, 5, 9], **biased))[0][-1].finish_reason == "length"
    stop = (tokenizer.convert_ids_to_tokens(special),)
    assert run(engine, complete([1, 5, 9], **biased, stop=stop))[0][-1].finish_reason == "stop"


def logits_of(engine: TransformersEngine, tokens: list[int]) -> Any:
    """Return the logits after the last token."""
    with torch.inference_mode():
        return engine._model.model(torch.tensor([tokens])).logits[0, -1]


def test_an_answer_ends_at_each_token_of_the_list(directory: Path, tmp_path: Path) -> None:
    """The list is in generation_config.json."""
    whole = run(load(directory), complete([1, 5, 9], max_tokens=6, logprobs=0))[0]
    text = text_of(whole)
    copy = altered(directory, tmp_path / "m")
    engine = load(directory)
    tokens = engine._model.model.generate(
        torch.tensor([[1, 5, 9]]), max_new_tokens=6, do_sample=False, pad_token_id=0
    )[0, 3:].tolist()
    ends = [2, tokens[4], 380]
    (copy / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))
    [items] = run(load(copy), complete([1, 5, 9], max_tokens=6))
    assert items[-1].finish_reason == "stop"
    assert text.startswith(text_of(items))
    assert items[-1].completion_tokens == tokens.index(tokens[4])


def test_a_chat_needs_a_template(engine: TransformersEngine, directory: Path) -> None:
    chat = ChatRequest([{"role": "user", "content": "hi"}], GREEDY)
    [items] = run(engine, chat)
    rendered = "<s>user\nhi</s><s>assistant"
    assert items[0].prompt_tokens == len(engine._model.tokenize(rendered))
    bare = load(directory)
    bare._template = None
    with pytest.raises(UnsupportedRequestFields, match="chat template"):
        bare.prepare(1, chat)


def test_output_follows_a_json_schema(engine: TransformersEngine) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 5}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    requests = [
        CompletionRequest(
            [1, 5], Sampling(seed=s, temperature=1.5, constraint=Constraint("json_schema", schema))
        )
        for s in range(3)
    ]
    for items in run(engine, *requests):
        if items[-1].finish_reason == "stop":
            assert set(json.loads(text_of(items))) == {"name", "age"}
        else:  # an integer may have any number of digits
            assert text_of(items).lstrip().startswith("{")
    with pytest.raises(InvalidParameter) as caught:
        engine.prepare(1, complete([1], constraint=Constraint("json_schema", {"type": "nothing"})))
    assert caught.value.param == "response_format#/type"


def test_seeds_and_logprobs(engine: TransformersEngine) -> None:
    sampled = [complete([1, 5], temperature=1.0, seed=s) for s in (3, 3, 4)]
    first, second, third = (text_of(run(engine, one)[0]) for one in sampled)
    assert first == second != third
    [items] = run(engine, complete([1, 5], max_tokens=1, logprobs=3))
    given = [lp for item in items if isinstance(item, Delta) for lp in item.logprobs or []]
    logits = engine._model.model(torch.tensor([[1, 5]])).logits[0, -1].detach()
    expected = torch.log_softmax(logits, -1)
    assert given[0].logprob == pytest.approx(float(expected.max()), abs=1e-4)
    assert [top[2] for top in given[0].top] == pytest.approx(
        expected.topk(3).values.tolist(), abs=1e-4
    )


def test_logit_bias_and_penalties(engine: TransformersEngine) -> None:
    [items] = run(engine, complete([1, 5], max_tokens=3, logit_bias={70: 1000.0}))
    assert text_of(items) == engine._model.token_to_piece(70).decode() * 3
    [items] = run(
        engine, complete([1, 5], max_tokens=3, logit_bias={70: 30.0}, repeat_penalty=10.0)
    )
    assert text_of(items).count(engine._model.token_to_piece(70).decode()) < 3


def test_invalid_requests_are_refused(engine: TransformersEngine) -> None:
    for request, error in (
        (complete([1] * 256), ContextLengthExceeded),
        (complete([]), InvalidParameter),
        (complete([10**6]), InvalidParameter),
        (complete([1], logit_bias={10**6: 1.0}), InvalidParameter),
        (EmbeddingRequest(["a"]), UnsupportedRequestFields),
    ):
        with pytest.raises(error):
            engine.prepare(1, request)
    assert engine.idle


def test_running_out_of_memory_ends_the_request(
    engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward(*_arguments: Any) -> torch.Tensor:
        raise MemoryError

    monkeypatch.setattr(engine._model, "forward", forward)
    engine.submit(engine.prepare(1, complete([1, 5, 9])))
    [(id_, error)] = engine.step()
    assert id_ == 1
    assert isinstance(error, InsufficientMemory)
    assert "MemoryError" in error.message
    assert engine.idle


@pytest.mark.parametrize("tokenizer", [byte_level("gpt-2"), spm_bpe(prefix=True)])
def test_pieces_add_up_to_the_text(tokenizer: Tokenizer, tmp_path: Path) -> None:
    engine = load(make(tmp_path / "m", "LlamaConfig", tokenizer))
    words = "Größe 🙂 and\n\ttabs, 你好  spaces"
    tokens = engine._model.tokenizer(words, add_special_tokens=False)["input_ids"]
    assert b"".join(map(engine._model.token_to_piece, tokens)).decode().strip() == words


@pytest.mark.parametrize(("kind", "cosine"), [("HQQ8", 0.999), ("HQQ4", 0.8), ("Q6K", 0.999)])
def test_hqq_approximates_the_model(directory: Path, kind: str, cosine: float) -> None:
    plain, quantized = load(directory), load(directory, isq=kind)
    prompt = {"input_ids": torch.tensor([PROMPTS[1]])}
    expected, actual = (
        e._model.model(**prompt).logits[0].detach().numpy() for e in (plain, quantized)
    )
    assert (expected * actual).sum() / np.linalg.norm(expected) / np.linalg.norm(actual) > cosine
    kinds = [type(module).__name__ for module in quantized._model.model.modules()]
    assert kinds.count("HQQLinear") == 12  # of 14; rows of 96 are not a multiple of 64
    assert bool(quantized.info.notes) == (kind == "Q6K")


@pytest.mark.parametrize(
    ("config", "settings"),
    [
        ("MambaConfig", {"state_size": 8}),
        ("Lfm2Config", {"layer_types": ["conv", "full_attention"]}),
        ("Qwen3NextConfig", {"layer_types": ["linear_attention", "full_attention"]}),
    ],
)
def test_recurrent_and_hybrid_models_are_refused(
    config: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    """Their states cannot be joined into a batch, and not be cut for the next turn."""
    directory = make(tmp_path / "model", config, byte_level("gpt-2"), **settings)
    with pytest.raises(ModelLoadFailed, match="keys and values"):
        load(directory)


def test_the_models_own_code_is_never_run(directory: Path, tmp_path: Path) -> None:
    poisoned = tmp_path / "poisoned"
    poisoned.mkdir()
    for path in directory.iterdir():
        (poisoned / path.name).write_bytes(path.read_bytes())
    trace = tmp_path / "ran"
    (poisoned / "modeling_evil.py").write_text(f"open({str(trace)!r}, 'w')")
    config = json.loads((poisoned / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoModelForCausalLM": "modeling_evil.Evil"}}
    (poisoned / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelLoadFailed, match="never run"):
        load(poisoned)
    assert not trace.exists()


def test_each_layer_sends_a_heartbeat(engine: TransformersEngine, heartbeats: list[float]) -> None:
    engine.submit(engine.prepare(1, complete([1, 5, 9])))
    engine.step()
    layers = engine._model.config.num_hidden_layers
    assert len(heartbeats) == layers
    engine.cancel(1)
