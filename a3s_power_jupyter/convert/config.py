"""`config.json` of a model, read with care: what a family does not know makes it refuse."""

from __future__ import annotations

from typing import Any

from .exceptions import CannotConvert

_MISSING = object()


class Config:
    """The settings of a language model, with the errors of conversion."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    @property
    def family(self) -> str:
        return str(self.values.get("model_type"))

    def get(self, name: str, default: Any = None) -> Any:
        value = self.values.get(name)
        return default if value is None else value

    def integer(self, name: str, default: int | None = None) -> int:
        """A positive number; `default`, if any, where it is not there."""
        value = self.values.get(name)
        if value is None and default is not None:
            return default
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31:
            return value
        raise CannotConvert(f"config.json has no usable {name!r}")

    def number(self, name: str, default: float | None = None) -> float:
        value = self.values.get(name)
        if value is None and default is not None:
            return default
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        raise CannotConvert(f"config.json has no usable {name!r}")

    def require(self, name: str, *allowed: Any) -> None:
        """Refuse the model unless `name` is not there or has one of the values.

        Raises
        ------
        CannotConvert
        """
        value = self.values.get(name)
        if value is not None and value not in allowed:
            raise CannotConvert(f"{name} is {value!r}, which is not known for {self.family}")

    @property
    def layers(self) -> int:
        return self.integer("num_hidden_layers")

    @property
    def heads(self) -> int:
        return self.integer("num_attention_heads")

    @property
    def kv_heads(self) -> int:
        return self.integer("num_key_value_heads", self.heads)

    @property
    def width(self) -> int:
        return self.integer("hidden_size")

    @property
    def head_dim(self) -> int:
        return self.integer("head_dim", self.width // self.heads)

    def rope(self, layer_type: str | None = None) -> dict[str, Any]:
        """The rotary embedding's parameters: ``rope_type``, ``rope_theta``, ``factor``, ...

        transformers 5 has them as `rope_parameters`, by type of layer where layers differ; before
        that they were `rope_theta` and `rope_scaling`.
        """
        given = self.values.get("rope_parameters")
        if isinstance(given, dict):
            rope = given.get(layer_type, given) if layer_type else given
        else:
            rope = self.values.get("rope_scaling") or {}
            if layer_type == "sliding_attention":
                rope = {}
        theta = self.values.get("rope_theta", 10000.0)
        kind = rope.get("rope_type") or rope.get("type") or "default"
        return {"rope_theta": theta, **rope, "rope_type": kind}
