"""One Chromium for the tests that look at a notebook; it ends with this folder's tests."""

from __future__ import annotations

from tests.site.browser.conftest import browser

__all__ = ["browser"]
