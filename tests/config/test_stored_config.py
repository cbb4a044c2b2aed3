"""Configs that were found in a directory: whatever they hold is checked before it is used."""

import copy
import json
import random
import time
import tracemalloc
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from small_nets.config import conf_files
from small_nets.config.errors import InputError
from small_nets.config.sizes import MOST_NUMBERS
from small_nets.config.stored_config import NotResolved, check_stored, read_yaml
from small_nets.run.build.build import build
from small_nets.run.build.compose import compose_settings

MOST = 64 * 2**20  # bytes that an answer may take
STRANGE: list[Any] = [
    None, True, False, 0, -1, 1, 10**9, 10**30, 0.0, -0.5, 1e308, float("nan"), float("inf"),
    "", "x", "${oc.env:HOME}", "${seed}", "???", "\x1b[31m", "a" * 10_000, [], [[]], [[[]]], {},
    {"a": 1}, {"_target_": "os.system"}, [None], [1, "a"], ["__import__('os')"], [[1, 2], [3]],
    [10**9, 10**9], [[10**9, 10**9]],
]  # fmt: skip


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, item in value.items():
            found += paths(item, (*path, key))
    return found


def changed(config: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """With a value, a key or a section that is another."""
    config = copy.deepcopy(config)
    *above, last = draw.choice(paths(config))
    section = config
    for key in above:
        section = section[key]
    how = draw.random()
    if how < 0.7:
        section[last] = draw.choice(STRANGE)
    elif how < 0.8:
        del section[last]
    elif how < 0.9:
        section[draw.choice(["x", "", "_target_", "dir", "__class__", "params"])] = draw.choice(
            STRANGE
        )
    else:
        other = draw.choice(paths(config))
        value: Any = config
        for key in other:
            value = value[key]
        section[last] = copy.deepcopy(value)
    return config


@cache
def known() -> list[dict[str, Any]]:
    """A config of each experiment."""
    return [
        compose_settings(f"+experiment={n}", "logger=none")[0] for n in conf_files.experiments()
    ]


@pytest.mark.more
def test_what_is_typed_is_allowed() -> None:
    for config in known():
        assert check_stored(copy.deepcopy(config), "here") == config


def test_null_is_what_an_example_means_by_it() -> None:
    config = copy.deepcopy(known()[0])
    names = {"normalize_target": "none", "input_name": "input", "target_name": "target"}
    config["data"] |= dict.fromkeys(names)
    found = check_stored(config, "here")
    assert found["data"].items() >= names.items()
    build(found | {"ckpt": None})


@given(st.integers(0, 2**40))
@example(87887868)
@settings(max_examples=150, deadline=None)
def test_any_change_is_answered(seed: int) -> None:
    """By a message, or by a run that can be built, at once and without the memory."""
    draw = random.Random(seed)
    config = draw.choice(known())
    for _ in range(draw.choice([1, 1, 2])):
        config = changed(config, draw)
    began = time.process_time()
    tracemalloc.start()
    said = ""
    try:
        found = check_stored(config, "the config in RUN")
        assert sum(layer(found)) <= MOST_NUMBERS
        if sum(layer(found)) < 10**5 and rows(found) < 10**5:
            build(found | {"ckpt": None})
    except InputError as error:
        said = str(error)
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert len(said) < 5_000
    assert time.process_time() - began < 2
    assert most < MOST


def layer(config: dict[str, Any]) -> list[int]:
    model = config["model"]
    width = model.get("width")
    widths = width if isinstance(width, list) else [width or 0]
    return [a * b for a, b in model.get("layers", [])] + widths


def rows(config: dict[str, Any]) -> int:
    source = config["data"]["source"]
    return source.get("points", source.get("rows", 0)) * source.get("features", 1)


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "\n".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "alias or an anchor"),
        ("seed: &x 3\nmodel: *x\n", "alias or an anchor"),
        ("seed: !!python/object/apply:os.system ['true']\n", "tag"),
        ("seed: !!int '3'\n", "tag"),
        ("[" * 100_000, "nested more than"),
        ("x: " + "{a: " * 40 + "1" + "}" * 40, "nested more than"),
        ("x" * 2**21, "bytes"),
        ("just: [text", "is not a config"),
        ("- 1\n- 2\n", "has no keys"),
        ("", "has no keys"),
        ("seed: " + "9" * 5_000, "is not a config"),
        ("\x00", "is not a config"),
        ("a: ${b}\nb: ${a}\n", "is not allowed in a stored config"),
        ("a: ${c}\n", "does not have"),
        ("a: ${b}\nb: {c: 1}\n", "refers to a section"),
    ],
    ids=range(15),
)
def test_a_text_that_is_no_config(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    began = time.process_time()
    with pytest.raises(InputError, match=words) as caught:
        read_yaml(path)
    assert str(path) in str(caught.value)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "text", ["${oc.env:SECRET}", "${oc.decode:'1'}", "x${seed}", "${oc.create:{a: 1}}", "${.seed}",
             "${hydra:runtime.cwd}", "${stamp:}", "${${seed}}"],
)  # fmt: skip
def test_nothing_is_resolved_that_acts(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "do not show")
    path = tmp_path / "config.yaml"
    path.write_text(f"seed: 1\nname: {json.dumps(text)}\n")
    with pytest.raises(NotResolved) as caught:
        read_yaml(path)
    assert "do not show" not in str(caught.value)


def test_what_is_read_is_what_omegaconf_reads(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("a: 1e-3\nb: 2020-01-01\nc: ${d.e}\nd: {e: [1], f: 5}\ng: ${d.f}\nh: 'no'\n")
    with pytest.raises(InputError, match="refers to a section"):
        read_yaml(path)
    path.write_text(path.read_text().replace("c: ${d.e}\n", ""))
    assert read_yaml(path) == {
        "a": 0.001, "b": "2020-01-01", "d": {"e": [1], "f": 5}, "g": 5, "h": "no",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("model.width", 10**9, "is a net of"),
        ("model.width", [10**5, 10**5], "is a net of"),
        ("model.width", [1] * 2_000, "layers"),
        ("model._target_", "os.system", "nothing was imported"),
        ("data.source._target_", "src.train.main", "nothing was imported"),
        ("optimizer.lr", "fast", "optimizer.lr=fast is not allowed"),
        ("optimizer.evil", 1, "optimizer.evil does not exist"),
        ("evil", 1, "evil does not exist"),
        ("data.digest", "$(rm -rf /)", "data.digest does not exist"),
        ("trainer", None, "is not a section"),
        ("model", [], "is not a section"),
    ],
)
def test_what_is_refused(path: str, value: Any, words: str) -> None:
    config: Any = copy.deepcopy(next(c for c in known() if c["name"] == "temperature_mlp"))
    *above, last = path.split(".")
    section = config
    for key in above:
        section = section[key]
    section[last] = value
    with pytest.raises(InputError, match="the config in RUN: ") as caught:
        check_stored(config, "the config in RUN")
    assert words in str(caught.value)


def test_rows_that_no_memory_holds() -> None:
    """A spectrum of n numbers is a matrix of n times n."""
    config = copy.deepcopy(next(c for c in known() if c["name"] == "sine"))
    config["data"]["source"]["points"] = MOST_NUMBERS
    with pytest.raises(InputError, match="numbers, more than"):
        check_stored(config, "here")
    config["data"]["source"] = {
        "_target_": "quadratic", "eigenvalues": [1.0] * 20_000,
    }  # fmt: skip
    with pytest.raises(InputError, match="numbers, more than"):
        check_stored(config, "here")


def test_each_reader_checks(finish: Callable[..., Any], tmp_path: Path) -> None:
    """predict and report: before anything is built."""
    from small_nets.commands.predict import read_run
    from small_nets.run.pictures.from_directory import teach
    from tests.conftest import quiet

    done = finish("+experiment=temperature_mlp", "trainer.max_epochs=2")
    config = done.run.config | {"model": done.run.config["model"] | {"width": 10**9}}
    (done.directory / ".hydra").mkdir(exist_ok=True)
    (done.directory / ".hydra" / "config.yaml").write_text(json.dumps(config))
    for reader in (lambda: read_run(done.directory), lambda: teach(done.directory, quiet())):
        with pytest.raises(InputError, match="is a net of"):
            reader()
