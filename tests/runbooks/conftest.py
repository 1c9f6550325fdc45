"""What the tests of runbooks share: no kernel outlives its test, and a run means what it means at a desk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from blumeops.runbooks.running_folder import RunFolder, end_kernel


@pytest.fixture(autouse=True)
def _no_kernel_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    place = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    for address in [*place.glob("**/runs/*/kernel.json")] if place else []:
        end_kernel(RunFolder(address.parent))


@pytest.fixture(autouse=True)
def _at_a_desk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `CI` is set gates pass and no kernel is kept; the tests that are about that say so themselves."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("BLUMEOPS_YES", raising=False)
