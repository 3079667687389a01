"""Errors of computations with torch."""

from __future__ import annotations

import logging

import torch

from ...contract.errors import InsufficientMemory, ModelLoadFailed, PowerError
from ..base import first_line
from .devices import Placement

log = logging.getLogger("a3s_power_jupyter.worker")


def computation_error(error: Exception, placement: Placement, *, advice: str) -> PowerError:
    """Return the error that ends the requests of a failed computation, and log it.

    Parameters
    ----------
    advice : str
        A sentence that tells the user what to do.

    Raises
    ------
    RuntimeError
        If the GPU no longer responds, so that no other request can be computed either.
    """
    log.error("a computation failed", exc_info=error)
    placement.synchronize()
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return InsufficientMemory(
            f"There was not enough memory for the computation: {first_line(error)}. {advice}"
        )
    return ModelLoadFailed(f"The computation failed: {first_line(error)}. {advice}")
