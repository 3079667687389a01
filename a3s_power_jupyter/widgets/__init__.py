"""Widgets for models, pulls and chats (anywidget). Their views are in ``labextension/src``."""

from __future__ import annotations

from .widgets import Chat, ModelTable, PowerWidget, PullProgress

__all__ = ["Chat", "ModelTable", "PowerWidget", "PullProgress"]
