"""The feature file: what it may hold."""

from pathlib import Path

import pytest

from cs_assets.health.features import FeatureError, Features
from tests.health.measure_cases import TIERS, features


def test_the_packaged_features_load_and_differ_by_fingerprint(tmp_path: Path) -> None:
    packaged, own = Features.load(), features(tmp_path)
    assert all(packaged.tiers.values())
    assert own.tiers == {
        "core": ("reports", "search"),
        "advanced": ("automation", "forecasts", "segments"),
        "integration": (),
    }
    assert packaged.fingerprint != own.fingerprint
    assert own.fingerprint == features(tmp_path, TIERS).fingerprint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "core: [a]\nadvanced: [b]",
            "integration: is missing; add it as in the packaged features.yaml",
        ),
        ("core: [a]\nadvanced: [b]\nintegration: [a]", "stand twice: a; keep each once"),
        (
            "core: [a]\nadvanced: [b]\nintegration: []\nextra: []",
            "extra: unknown key; remove it or correct its spelling",
        ),
        ("core: [1]\nadvanced: [b]\nintegration: []", r"core\[1\]: must be text; put it in quotes"),
        ("core: [' a']\nadvanced: [b]\nintegration: []", "begin or end with a space"),
        ("core: [", "is not good YAML"),
    ],
)
def test_a_bad_feature_file_says_place_and_remedy(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(FeatureError, match=said):
        features(tmp_path, text)


def test_a_feature_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match="cannot be read"):
        Features.load(tmp_path / "none.yaml")
