"""The engines that a test goes over."""

import pytest


@pytest.fixture(params=["stacked", "fused"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which engine `together` trains with."""
    monkeypatch.setattr("tests.engines.parity.ENGINE", request.param)
    return request.param
