"""Widgets for models, pulls and chats (anywidget), with the views in ``labextension/src``."""

from __future__ import annotations

from .widgets import Chat, ModelTable, PowerWidget, PullProgress

__all__ = ["Chat", "ModelTable", "PowerWidget", "PullProgress"]
