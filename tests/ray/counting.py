"""An application for Ray Serve that counts in a stream, with a replica on each node."""

import asyncio
import os
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.responses import StreamingResponse

from ray import serve

api = FastAPI()


@serve.deployment(
    num_replicas=2,
    max_replicas_per_node=1,
    ray_actor_options={"num_cpus": 0.1},
    health_check_period_s=1,
)
@serve.ingress(api)
class Counting:
    @api.get("/count")
    async def count(self, until: int) -> StreamingResponse:
        return StreamingResponse(self._numbers(until), media_type="text/event-stream")

    async def _numbers(self, until: int) -> AsyncIterator[str]:
        for i in range(until):
            yield f"data: {os.getpid()} {i}\n\n"
            await asyncio.sleep(0.2)


app = Counting.bind()
