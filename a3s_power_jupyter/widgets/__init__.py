"""Displays of models, pulls and conversations that live: anywidget, with the same views as the
JupyterLab panel (``labextension/src``)."""

from __future__ import annotations

from .widgets import Chat, ModelTable, PowerWidget, PullProgress

__all__ = ["Chat", "ModelTable", "PowerWidget", "PullProgress"]
