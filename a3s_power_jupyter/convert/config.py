"""Read a model's `config.json` strictly: unsupported settings raise `CannotConvert`."""

from __future__ import annotations

from typing import Any

from .exceptions import CannotConvert


class Config:
    """Typed access to the settings in ``config.json``."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    @property
    def family(self) -> str:
        return str(self.values.get("model_type"))

    def get(self, name: str, default: Any = None) -> Any:
        """Return a setting, or the default if it is missing or null."""
        value = self.values.get(name)
        return default if value is None else value

    def integer(self, name: str, default: int | None = None) -> int:
        """Return a positive integer, or the default if it is missing.

        Raises
        ------
        CannotConvert
            If it is missing without a default, or is not a positive 32-bit integer.
        """
        value = self.values.get(name)
        if value is None and default is not None:
            return default
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31:
            return value
        raise CannotConvert(f"config.json has no valid {name!r}")

    def number(self, name: str, default: float | None = None) -> float:
        """Return a number, or the default if it is missing.

        Raises
        ------
        CannotConvert
            If it is missing without a default, or is not a number.
        """
        value = self.values.get(name)
        if value is None and default is not None:
            return default
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        raise CannotConvert(f"config.json has no valid {name!r}")

    def require(self, name: str, *allowed: Any) -> None:
        """Check that a setting is missing or has one of the allowed values.

        Raises
        ------
        CannotConvert
            If it has any other value.
        """
        value = self.values.get(name)
        if value is not None and value not in allowed:
            raise CannotConvert(f"{name} is {value!r}, which is not supported for {self.family}")

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
    def hidden_size(self) -> int:
        return self.integer("hidden_size")

    @property
    def head_dim(self) -> int:
        return self.integer("head_dim", self.hidden_size // self.heads)

    def rope(self, layer_type: str | None = None) -> dict[str, Any]:
        """Return the parameters of the rotary embedding: ``rope_type``, ``rope_theta``, ...

        transformers 5 stores them as `rope_parameters`, by layer type if layers differ. Earlier
        versions have `rope_theta` and `rope_scaling`.
        """
        parameters = self.values.get("rope_parameters")
        if isinstance(parameters, dict):
            rope = parameters.get(layer_type, parameters) if layer_type else parameters
        else:
            rope = self.values.get("rope_scaling") or {}
            if layer_type == "sliding_attention":
                rope = {}
        theta = self.values.get("rope_theta", 10000.0)
        rope_type = rope.get("rope_type") or rope.get("type") or "default"
        return {"rope_theta": theta, **rope, "rope_type": rope_type}
