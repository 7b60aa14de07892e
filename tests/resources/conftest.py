"""What tests of resources share: a scripted server, and a model behind it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_cases import model_at

from cs_apps.scripted_model.server import ScriptedModel
from cs_resources.language_model import LanguageModel


@pytest.fixture
def server() -> Iterator[ScriptedModel]:
    """A scripted server."""
    with ScriptedModel(gateway_token="gate") as model:
        yield model


@pytest.fixture
def model(server: ScriptedModel, tmp_path: Path) -> Iterator[LanguageModel]:
    """A model that asks it."""
    with model_at(server.base_url, tmp_path) as made:
        yield made
