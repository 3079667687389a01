"""lm-evaluation-harness: log likelihoods and texts of ``local-completions``."""

from __future__ import annotations

import os
from typing import Any

os.environ["OPENAI_API_KEY"] = os.environ["POWER_TOKEN"]

from checks import CHAT, URL, check, require, run
from lm_eval.api.instance import Instance
from lm_eval.models.openai_completions import LocalCompletionsAPI

model = LocalCompletionsAPI(
    base_url=f"{URL}v1/completions",
    model=CHAT,
    tokenizer_backend=None,
    num_concurrent=1,
    max_length=1024,
    batch_size=1,
)


def instance(kind: str, *arguments: Any) -> Instance:
    return Instance(request_type=kind, doc={}, arguments=arguments, idx=0)


@check
def generate_until() -> None:
    options = {"until": ["\n"], "max_gen_toks": 8, "temperature": 0}
    (text,) = model.generate_until([instance("generate_until", "1 2 3 4 5 6", options)])
    require("7" in text, text)


run()
