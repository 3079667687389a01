"""What the handlers need of the server they run in."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..service.service import PowerService

#: Where the tornado settings have the `Context`.
SETTING = "a3s_power"


@dataclass
class Context:
    """One server, as its handlers see it.

    Attributes
    ----------
    kernel_key : the secret of the runtime file; it opens our routes and nothing else.
    max_request_bytes : largest body of a request.
    problems : mistakes in the configuration that the server started in spite of.
    last_request : when somebody who may last asked something, on the monotonic clock.
    """

    service: PowerService
    kernel_key: str
    max_request_bytes: int
    problems: list[str]
    last_request: float = field(default_factory=time.monotonic)

    def touch(self) -> None:
        self.last_request = time.monotonic()
