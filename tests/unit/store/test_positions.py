"""Read how many tokens a model has positions for."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from a3s_power_jupyter.store.formats.positions import position_count


@pytest.mark.parametrize(
    ("config", "count"),
    [
        ({"model_type": "llama", "max_position_embeddings": 4096}, 4096),
        ({"model_type": "bert", "max_position_embeddings": 512, "pad_token_id": 0}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "xlm-roberta", "max_position_embeddings": 8194}, 8192),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 0}, 513),
        ({"model_type": "mpnet", "max_position_embeddings": 514, "pad_token_id": 0}, 512),
        ({"model_type": "gpt2", "n_positions": 1024, "n_ctx": 1024}, 1024),
        ({"model_type": "mpt", "max_seq_len": 2048}, 2048),
        ({"model_type": "t5", "n_positions": 512, "relative_attention_num_buckets": 32}, UNSET),
        ({"model_type": "xlnet", "max_position_embeddings": -1}, UNSET),
        ({"model_type": "roberta", "max_position_embeddings": 1}, UNSET),
        ({"model_type": "bloom"}, UNSET),
        ({"model_type": [], "max_position_embeddings": "many"}, UNSET),
    ],
)
def test_the_number_of_positions(config: dict[str, Any], count: object) -> None:
    assert position_count(config) == count
