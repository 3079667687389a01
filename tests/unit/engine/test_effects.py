"""Every load parameter has an effect on each engine, or a note says that it has none."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.engine.effects import Runner, check_main_gpu, notes_on_effects

#: A value of each parameter other than its default.
VALUES: dict[str, Any] = {
    "isq": "HQQ4",
    "num_ctx": 512,
    "num_gpu": 7,
    "main_gpu": 0,
    "tensor_split": [1.0, 2.0],
    "num_batch": 64,
    "num_thread": 1,
    "num_parallel": 2,
    "flash_attention": False,
    "use_mlock": False,
    "use_mmap": False,
    "kv_cache_type": "f16",
    "chat_template": "{{ messages }}",
}
GPU_ONLY = {"num_gpu", "main_gpu", "tensor_split"}
LLAMA_CPP_ONLY = {
    "tensor_split", "num_batch", "flash_attention", "use_mlock", "use_mmap", "kv_cache_type",
}  # fmt: skip

#: What runs a model, number of GPUs, its kind -> parameters without effect.
WITHOUT: dict[tuple[Runner, int, str], set[str]] = {
    ("llama.cpp", 0, "generates"): GPU_ONLY,
    ("llama.cpp", 0, "causal"): GPU_ONLY | {"chat_template"},
    ("llama.cpp", 0, "encoder"): GPU_ONLY | {"num_batch", "kv_cache_type", "chat_template"},
    ("llama.cpp", 1, "generates"): {"tensor_split"},
    ("llama.cpp", 2, "generates"): set(),
    ("transformers", 0, "generates"): LLAMA_CPP_ONLY | GPU_ONLY,
    ("transformers", 2, "generates"): LLAMA_CPP_ONLY | {"num_gpu"},  # 7 layers mean all
    ("vision", 0, "generates"): LLAMA_CPP_ONLY | GPU_ONLY | {"num_parallel"},
    ("embeddings", 0, "generates"): LLAMA_CPP_ONLY | GPU_ONLY | {"num_parallel", "chat_template"},
}


@pytest.mark.parametrize("case", WITHOUT)
@pytest.mark.parametrize("name", LoadParameters.__struct_fields__)
def test_a_parameter_without_effect_is_noted(case: tuple[Runner, int, str], name: str) -> None:
    runner, gpus, kind = case
    parameters = LoadParameters(**{name: VALUES[name]})
    notes = notes_on_effects(
        parameters,
        runner,
        gpus=gpus,
        generates=kind == "generates",
        is_causal=kind != "encoder",
    )
    assert [note.split()[0] for note in notes] == ([name] if name in WITHOUT[case] else [])


def test_nothing_is_noted_without_parameters() -> None:
    for runner in get_args(Runner):
        assert notes_on_effects(LoadParameters(), runner, gpus=0, generates=False) == ()
    assert notes_on_effects(LoadParameters(num_gpu=0), "llama.cpp", gpus=0) == ()
    assert notes_on_effects(LoadParameters(num_gpu=-1), "transformers", gpus=1) == ()


def test_parameters_with_the_same_reason_share_a_note() -> None:
    parameters = LoadParameters(num_batch=8, use_mmap=True, num_gpu=1)
    assert notes_on_effects(parameters, "transformers", gpus=0) == (
        "num_batch, use_mmap have no effect on transformers.",
        "num_gpu has no effect without a GPU.",
    )


def test_the_main_gpu_must_exist() -> None:
    check_main_gpu(LoadParameters(main_gpu=1), 2)
    with pytest.raises(InvalidParameter, match="has 1 GPU,"):
        check_main_gpu(LoadParameters(main_gpu=1), 1)
