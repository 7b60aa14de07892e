"""Files that people write: what they say is read, what is wrong with them is named."""

from datetime import date
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from cs_assets.yaml_files import YamlFileError, load_yaml, name_differences
from cs_resources.errors import ConfigurationError


class Step(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1)
    weight: int = Field(0, ge=0)
    since: date | None = None


class Plan(BaseModel):
    model_config = ConfigDict(extra="forbid")
    steps: tuple[Step, ...]
    words: dict[str, int] = {}


class PlanError(ConfigurationError):
    pass


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plan.yaml"


def test_what_a_file_says_is_read(path: Path) -> None:
    text = "steps:\n- &a {name: 甲, weight: 1}\n- {<<: *a, name: 乙}\n- {<<: *a, weight: 3}\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert [(step.name, step.weight) for step in load_yaml(path, Plan).steps] == [
        ("甲", 1),
        ("乙", 1),
        ("甲", 3),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps: []\nwords: {a: 1}\nsteps: []", "'steps' stands in line 1 and again in line 3"),
        ("steps: []\nwords:\n  a: 1\n  b: 1\n  'a': 2", "'a' stands in line 3 and again in line 5"),
        ("steps: [{name: a, weight: -1}]", "steps[1].weight: must be greater than or equal to 0"),
        ("steps: [{name: a}, {weight: 1}]", "steps[2].name: is missing; add it"),
        ("steps: [{name: a, wieght: 1}]", "steps[1].wieght: unknown key; remove it or correct"),
        ("steps: [{name: 12}]", "steps[1].name: must be text; put it in quotes (it is 12)"),
        ("steps: [{name: ''}]", "steps[1].name: is empty; write it"),
        ("steps: {name: a}", "steps: must be a list"),
        ("steps: []\nwords: {a: b}", "words.a: must be a valid integer"),
        ("steps: []\nwords: {1: 1}", "words.1: must be text; put it in quotes (it is 1)"),
        ("steps: [{name: a, since: 2025-13-01}]", "is not good YAML: month must be in 1..12"),
        ("steps: [", "is not good YAML: "),
        ("steps: !!python/object:os.system {}", "is not good YAML: "),
        ("", "file: must be keys with values (key: value)"),
    ],
)
def test_what_is_wrong_is_named_with_place_and_remedy(path: Path, text: str, said: str) -> None:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(YamlFileError) as caught:
        load_yaml(path, Plan)
    assert any(
        line.startswith(f"{path}: ") and said in line for line in str(caught.value).split("\n")
    )


def test_every_mistake_has_a_line_of_its_own_and_a_file_to_learn_from(path: Path) -> None:
    path.write_text("steps: [{}, {}]")
    with pytest.raises(PlanError) as caught:
        load_yaml(path, Plan, PlanError, Path("packaged/plan_zh.yaml"))
    assert str(caught.value).split("\n") == [
        f"{path}: steps[{place}].name: is missing; add it as in the packaged plan_zh.yaml"
        for place in (1, 2)
    ]


def test_what_cannot_be_read_is_named(path: Path) -> None:
    with pytest.raises(
        YamlFileError, match=r"plan\.yaml: cannot be read: No such file .*; correct"
    ):
        load_yaml(path, Plan)
    path.write_bytes("步: 甲".encode("gb18030"))
    with pytest.raises(PlanError, match=r"byte 0: is not UTF-8; save it as UTF-8"):
        load_yaml(path, Plan, PlanError)


def test_names_that_differ_are_told() -> None:
    assert name_differences(["a", "x"], ["a", "b", "c"]) == "add b, c, remove x"
    assert name_differences("ba", "ab") == ""
