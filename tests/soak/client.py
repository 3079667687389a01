"""A client with random numbers of its own, and the requests for text that it makes."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Any

from .world import CHATS, World

WORDS = ["once", "upon", "a", "time", "there", "was", "a", "small", "model", "with", "clients"]


@dataclass
class Client:
    """One client: the world, and its own random numbers."""

    world: World
    rng: random.Random

    def pause(self, mean: float, most: float) -> None:
        time.sleep(min(most, self.rng.expovariate(1 / mean)))

    def text(self, most: int = 60) -> str:
        return " ".join(self.rng.choices(WORDS, k=self.rng.randint(1, most)))

    def generation(self) -> tuple[str, dict[str, Any]]:
        """Return the route and the body of a random request for text."""
        rng = self.rng
        body: dict[str, Any] = {
            "model": rng.choices(CHATS, (6, 4, 1, 4))[0],
            "max_tokens": rng.choice((1, 5, 20, 60)),
            "temperature": rng.choice((0, 0.7, 1.5)),
        }
        if rng.random() < 0.2:
            body["n"] = rng.choice((2, 5, 20))
        if rng.random() < 0.1:
            body["seed"] = rng.randint(0, 99)
        if rng.random() < 0.1:
            body["keep_alive"] = rng.choice((0, 1, "5m"))
        if rng.random() < 0.1:
            body["stop"] = ["a", "the"]
        if rng.random() < 0.3:
            prompts = rng.choice((1, 1, 3, 12)) if "n" not in body else 1
            return "v1/completions", {
                **body,
                "prompt": [self.text() for _ in range(prompts)],
                "logprobs": rng.choice((None, 3)),
            }
        if rng.random() < 0.1:
            body["response_format"] = {"type": "json_object"}
        messages = [{"role": "user", "content": self.text()}]
        return "v1/chat/completions", {**body, "messages": messages}
