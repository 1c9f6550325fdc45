"""What the tests of runbooks share: no kernel that a failed run has kept for `resume` outlives its test."""

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
