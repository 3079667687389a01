"""lm-evaluation-harness: log likelihoods and texts of ``local-completions``."""

from __future__ import annotations

import os
from typing import Any

from checks import CHAT, TOKEN, URL, check, require, run
from lm_eval.api.instance import Instance
from lm_eval.models.openai_completions import LocalCompletionsAPI

os.environ["OPENAI_API_KEY"] = TOKEN
model = LocalCompletionsAPI(
    base_url=f"{URL}v1/completions",
    model=CHAT,
    tokenizer=os.environ["POWER_TOKENIZER"],
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


@check
def loglikelihood() -> None:
    """A likely ending has a higher probability, and is what the model itself would write."""
    likely, unlikely = model.loglikelihood(
        [
            instance("loglikelihood", "1, 2, 3, 4, 5, 6,", " 7"),
            instance("loglikelihood", "1, 2, 3, 4, 5, 6,", " zebra"),
        ]
    )
    require(likely[1] and not unlikely[1], (likely, unlikely))
    require(-1 < likely[0] < 0 and unlikely[0] < likely[0] - 3, (likely, unlikely))


@check
def loglikelihood_rolling() -> None:
    """The log probability of a text is the sum of those of its tokens."""
    whole = model.loglikelihood_rolling(
        [instance("loglikelihood_rolling", "The sky is blue and the grass is green.")]
    )[0]
    require(-60 < whole < -10, whole)


run()
