"""Estimate what a load of a model would take, and whether there is room for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Literal

import msgspec
from msgspec import UNSET

from ..contract.errors import InvalidParameter, from_wire
from ..contract.parameters import LoadParameters
from ..contract.types import Device, Estimate, Geometry, MemoryUse
from ..engine.estimate import context_length, estimate
from ..engine.protocol import Command, LoadFailed, Measure, Measured, Reply
from ..engine.registry import require_engine
from ..runtime import policy
from ..runtime.interfaces import LoadPlan
from ..runtime.scheduler import Scheduler
from .catalog import Catalog
from .load_plan import LoadPlanner

#: Sends a command to a new worker, and returns its reply, or why there is none.
Ask = Callable[[Command, str], Awaitable[Reply | str]]

#: Tokens between the context lengths that are tried, and the longest of a model that does not state
#: one.
_CONTEXT_STEP = 256
_MAX_CONTEXT = 1 << 20


class Estimates:
    """Answers what loads would take. Nothing is loaded, converted or unloaded.

    Parameters
    ----------
    measured : callable
        Called with the devices, as llama.cpp has just seen them.
    """

    def __init__(
        self,
        catalog: Catalog,
        planner: LoadPlanner,
        scheduler: Scheduler,
        ask: Ask,
        measured: Callable[[list[Device]], None],
    ) -> None:
        self._catalog = catalog
        self._measured = measured
        self._planner = planner
        self._scheduler = scheduler
        self._ask = ask

    async def estimate(self, name: str, parameters: LoadParameters) -> Estimate:
        """Return what a load of a model with these parameters would take.

        llama.cpp computes the sizes of a GGUF model in a process of its own, which takes up to a
        second. If it cannot, the sizes are computed from the header.

        Raises
        ------
        PowerError
            If there is no such model, or it cannot be loaded like this.
        """
        manifest = await self._catalog.manifest(name)
        if manifest.format == "remote":
            raise InvalidParameter("A remote model takes no memory here: its upstream loads it.")
        require_engine(manifest.format)
        plan, geometry = await self._planner.estimated(manifest, parameters)
        use = estimate(manifest, geometry, plan.parameters)
        before = use.total
        measured = await self._measure(plan)
        source: Literal["llama.cpp", "header"] = "header"
        if measured is not None:
            source = "llama.cpp"
            # llama.cpp counts neither the projector nor the worker process.
            use = replace_sizes(use, measured.use, projector=geometry.projector)
        plan = replace(plan, need=plan.need + use.total - before)
        decision, free = self._scheduler.preview(plan)
        gpus = tuple(d for d in measured.devices if d.kind == "gpu") if measured else ()
        return Estimate(
            id=name,
            num_ctx=context_length(manifest, geometry, plan.parameters),
            **msgspec.structs.asdict(use),
            total=use.total,
            gpu=plan.gpu_need,
            source=source,
            free=free,
            fits=not isinstance(decision, policy.Refuse),
            evicts=decision.names if isinstance(decision, policy.Evict) else (),
            waits=isinstance(decision, policy.Wait),
            largest_num_ctx=self._largest_context(plan, geometry) or UNSET,
            context_length=geometry.context_length or UNSET,
            devices=gpus,
            gpu_layers=measured.gpu_layers if measured and gpus else UNSET,
        )

    async def _measure(self, plan: LoadPlan) -> Measured | None:
        """Return what llama.cpp computes; None if it does not run the model or cannot tell."""
        if not plan.manifest.generates:
            return None  # its context is as long as the longest text of a request
        load = await self._planner.header_load(plan.manifest, plan.parameters)
        if load is None:
            return None
        reply = await self._ask(Measure(load), f"the estimate of {plan.name}")
        if isinstance(reply, LoadFailed):
            raise from_wire(reply.error)
        if not isinstance(reply, Measured):
            return None
        self._measured(reply.devices)
        return reply

    def _largest_context(self, plan: LoadPlan, geometry: Geometry) -> int:
        """Return the largest context length that fits, in tokens; 0 if none does."""
        capacity = plan.gpu_capacity
        difference = plan.need - self._planner.needs(plan, geometry, plan.parameters, capacity)[0]

        def fits(num_ctx: int) -> bool:
            parameters = msgspec.structs.replace(plan.parameters, num_ctx=num_ctx)
            need, gpu_need = self._planner.needs(plan, geometry, parameters, capacity)
            larger = replace(plan, need=need + difference, gpu_need=gpu_need)
            decision, _ = self._scheduler.preview(larger)
            return not isinstance(decision, policy.Refuse)

        longest = geometry.context_length or _MAX_CONTEXT
        if fits(longest):
            return longest
        least, most = 0, -(-longest // _CONTEXT_STEP)  # in steps; `most` does not fit
        while most - least > 1:
            middle = (least + most) // 2
            least, most = (middle, most) if fits(middle * _CONTEXT_STEP) else (least, middle)
        return least * _CONTEXT_STEP


def replace_sizes(use: MemoryUse, exact: MemoryUse, *, projector: int) -> MemoryUse:
    """Return `use` with the sizes that llama.cpp computed."""
    return MemoryUse(
        weights=exact.weights + projector,
        cache=exact.cache,
        buffers=exact.buffers,
        other=use.other,
    )
