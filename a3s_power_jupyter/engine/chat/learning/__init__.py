"""Learn the syntax of a model's answers by rendering its chat template."""

from __future__ import annotations

from .learn import learn

__all__ = ["learn"]
