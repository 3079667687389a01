"""The details of a model in the panel: load options, defaults, code and template."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from support.lab_page import SECONDS, axe_violations, register, row

if TYPE_CHECKING:
    from conftest import Lab

pytestmark = pytest.mark.browser


def test_details(open_lab: Callable[..., Lab]) -> None:
    lab = open_lab("Light")
    page = lab.page
    with lab.server.api() as api:
        register(api, "smollm2")
        page.locator(".jp-LauncherCard").filter(has_text="Local Models").click(timeout=60 * SECONDS)
        panel = page.locator(".a3s-panel")
        memory, details = panel.locator(".a3s-memory"), panel.locator(".a3s-details")
        expect(memory).to_contain_text("other programs", timeout=30 * SECONDS)
        row(panel, "smollm2").get_by_role("button", name="Details of smollm2").click()
        expect(details).to_contain_text("8,192 tokens trained")

        details.get_by_text("Load options").click()
        verdict = details.locator(".a3s-estimate")
        expect(verdict).to_contain_text("cache 189 MB", timeout=30 * SECONDS)
        expect(memory).to_contain_text("smollm2 would take")
        context = details.get_by_label("Context", exact=True)
        context.fill("2048")
        expect(verdict).to_contain_text("cache 47.2 MB", timeout=30 * SECONDS)
        expect(details.get_by_role("button", name="Trained context: 8,192")).to_be_visible()
        context.fill("100000")
        expect(verdict).to_contain_text("trained with 8,192 tokens", timeout=30 * SECONDS)
        context.fill("4")
        expect(context).to_have_attribute("aria-invalid", "true", timeout=30 * SECONDS)
        expect(details).to_contain_text("num_ctx must be between 16 and")
        expect(memory).not_to_contain_text("would take")
        expect(verdict).not_to_contain_text("trained")
        context.fill("1024")
        # The error is gone at once, not after the next estimate.
        assert context.get_attribute("aria-invalid") is None
        expect(verdict).to_contain_text("Fits.", timeout=30 * SECONDS)
        details.get_by_role("button", name="Load with these options").click()
        expect(memory).to_contain_text("smollm2 ", timeout=60 * SECONDS)
        expect(details).to_contain_text("1,024 loaded")
        expect(memory).not_to_contain_text("would take")

        details.get_by_text("Default parameters", exact=True).click()
        details.get_by_label("Parameter to add").select_option("top_p")
        details.get_by_role("button", name="Add the chosen parameter").click()
        top_p = details.get_by_label("top_p", exact=True)
        expect(top_p).to_be_focused()
        top_p.fill("3")
        save = details.get_by_role("button", name="Save defaults")
        save.click()
        expect(top_p).to_have_attribute("aria-invalid", "true")
        expect(top_p).to_be_focused()
        top_p.fill("0.5")
        save.click()
        expect(details).to_contain_text("They apply from the next request on.")
        model = api.get("v1/models/smollm2").json()
        assert (model["default_parameters"], model["loaded"]) == ({"top_p": 0.5}, True)

        details.get_by_text("Use it in code").click()
        details.get_by_role("button", name="curl").click()
        code = details.locator(".a3s-code").first
        expect(code).to_contain_text(f"curl '{lab.server.url}v1/chat/completions'")
        expect(code).not_to_contain_text(lab.server.token)
        details.get_by_text("Chat template").click()
        expect(details).to_contain_text("{% for message in messages %}")
    assert axe_violations(page, ".a3s-panel") == []
