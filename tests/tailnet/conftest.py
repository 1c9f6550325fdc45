"""One control plane for the tests of this folder; each test gets it as a new tailnet has it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.tailnet_plane import Plane, running


@pytest.fixture(scope="session")
def shared_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A control plane that every test here uses."""
    with running(tmp_path_factory.mktemp("plane")) as plane:
        yield plane


@pytest.fixture
def plane(shared_plane: Plane) -> Plane:
    """The shared control plane, without what the test before it did."""
    shared_plane.reset()
    return shared_plane
