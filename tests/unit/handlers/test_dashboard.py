"""The Grafana dashboard in docs/examples shows the metrics that are exported."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import Counter, Gauge, Histogram

from a3s_power_jupyter.handlers import metrics
from support.paths import ROOT

DASHBOARD = json.loads((ROOT / "docs/examples/grafana-dashboard.json").read_text(encoding="utf-8"))

#: Suffixes of the series of each kind of metric.
SERIES = {Counter: ("_total",), Gauge: ("",), Histogram: ("_bucket", "_sum", "_count")}

METRICS: dict[str, Any] = {
    name: metric for name, metric in vars(metrics).items() if type(metric) in SERIES
}

#: Series -> its metric.
EXPORTED = {
    metric._name + suffix: metric for metric in METRICS.values() for suffix in SERIES[type(metric)]
}


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def queries() -> Iterator[str]:
    for panel in panels():
        yield from (target["expr"] for target in panel["targets"])
    yield from (v["definition"] for v in DASHBOARD["templating"]["list"] if v["type"] == "query")


def labels_of(query: str, series: str) -> set[str]:
    """Return the labels that `query` selects `series` by."""
    selectors = re.findall(rf"\b{series}\{{(.*?)\}}", query)
    return {name for selector in selectors for name in re.findall(r"(\w+)=~?", selector)}


@pytest.mark.parametrize("query", [*queries()])
def test_a_query_uses_exported_series_and_labels(query: str) -> None:
    used = re.findall(r"\bpower_\w+", query)
    assert used
    for series in used:
        labels = set(EXPORTED[series]._labelnames) | {"instance", "le"}
        grouped = re.findall(r"by \(([^)]*)\)", query)
        named = {name.strip() for names in grouped for name in names.split(",")}
        assert (labels_of(query, series) | named) <= labels


def test_every_metric_is_shown() -> None:
    shown = {EXPORTED[series] for query in queries() for series in re.findall(r"power_\w+", query)}
    assert shown == set(METRICS.values())


def test_the_documentation_lists_every_metric() -> None:
    text = (ROOT / "docs/monitoring.md").read_text(encoding="utf-8")
    for metric in METRICS.values():
        suffix = "_total" if isinstance(metric, Counter) else ""
        assert f"| `{metric._name}{suffix}` |" in text


def test_panels_do_not_overlap_and_have_titles() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert panel["title"]
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
