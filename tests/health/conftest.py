"""What the tests of the health system share."""

import pytest

from tests.health.graph_cases import EVERYTHING, Home


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Everything made once; tests leave what is published as it was."""
    made = Home(tmp_path_factory.mktemp("health"))
    made.load(EVERYTHING)
    return made
