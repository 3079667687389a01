"""Compare the list of recommended models with the hub: ``python -m support.check_recommended``.

Run it in ``tests``. It starts a server, or uses the running one, which must reach the hub.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import a3s_power_jupyter as power
from a3s_power_jupyter.client.client import Client
from a3s_power_jupyter.contract.errors import PowerError
from a3s_power_jupyter.contract.types import RecommendedModel

#: Largest difference between the list and the hub, as a share: the list has three digits.
TOLERANCE = 0.02


def differences(client: Client, model: RecommendedModel) -> Iterator[str]:
    """Yield what the hub says differently about a model of the list."""
    repository = model.reference.rpartition(":")[0]
    try:
        found = client.repository(repository)
    except PowerError as error:
        yield f"{repository}: {error}"
        return
    if found.license != model.license:
        yield f"{repository}: the license is {found.license}, not {model.license}"
    on_hub = {variant.label: variant for variant in found.variants}
    for variant in model.variants:
        actual = on_hub.get(variant.label)
        if actual is None:
            yield f"{variant.reference}: not there; it has {', '.join(on_hub)}"
            continue
        for key in ("size_bytes", "memory_bytes"):
            listed, true = getattr(variant, key), getattr(actual, key)
            if isinstance(true, int) and abs(listed / true - 1) > TOLERANCE:
                yield f"{variant.reference}: {key} is {true:,}, not {listed:,}"


def main() -> int:
    with power.connect() as client:
        models = client.recommended()
        found = [line for model in models for line in differences(client, model)]
    lines = found or [f"All {len(models)} models are as on the hub."]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
