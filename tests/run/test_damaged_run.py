"""The directory of a single run, damaged or made by a stranger: named, and not believed."""

import io
import json
import math
import random
import shutil
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from small_nets.commands import predict
from small_nets.config.errors import InputError
from small_nets.run.build.build import build
from small_nets.run.build.compose import compose_settings
from small_nets.run.fit import fit
from small_nets.run.outputs.result import read_result
from small_nets.run.outputs.tensor_files import read_tensors, seal_tensors, tensors_to_bytes
from small_nets.run.outputs.trajectory import load_trajectory
from small_nets.run.outputs.weights import load_weights
from small_nets.system.sealed_json import Changed, NotSealed, seal, unseal
from tests.conftest import quiet

SHORT = ("+experiment=temperature_mlp", "trainer.max_epochs=4", "logger=none", "optimizer=adam")
FILES = ("weights.safetensors", "result.json", ".hydra/config.yaml", "path.safetensors",
         "checkpoint.ckpt")  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("run") / "run"
    (directory / ".hydra").mkdir(parents=True)
    run = build(compose_settings(*SHORT)[0])
    (directory / ".hydra" / "config.yaml").write_text(json.dumps(run.config))
    fit(run, directory, quiet())
    return directory


def said(call: Callable[[], object]) -> str:
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        try:
            call()
        except SystemExit as error:
            print("exit code", error.code)
        except InputError as error:
            print("refused:", error)
    return " ".join(out.getvalue().split())


def predictions(directory: Path) -> str:
    return said(lambda: predict.main([str(directory)]))


def continued(directory: Path) -> str:
    more = ("trainer.max_epochs=8", f"ckpt={directory / 'checkpoint.ckpt'}")
    return said(lambda: build(compose_settings(*SHORT, *more)[0]))


def path_of(directory: Path) -> str:
    net = build(compose_settings(*SHORT)[0]).net
    return said(lambda: print(load_trajectory(directory / "path.safetensors", net).flat()))


@cache
def whole_of(reader: Callable[[Path], str], whole: Path) -> str:
    """What is said of the run before it is damaged."""
    return reader(whole)


@pytest.mark.more
@given(st.sampled_from(FILES), st.sampled_from(["bit", "bit", "bit", "cut"]), st.integers(0, 2**40))
@settings(max_examples=40, deadline=None)
def test_a_damaged_file(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, name: str, how: str, seed: int
) -> None:
    """The same as before, or the file is named."""
    directory = tmp_path_factory.mktemp("damaged") / "run"
    shutil.copytree(whole, directory)
    readers = {"checkpoint.ckpt": continued, "path.safetensors": path_of}
    reader = readers.get(name, predictions)
    before = whole_of(reader, whole)
    draw = random.Random(seed)
    content = bytearray((directory / name).read_bytes())
    if how == "bit":
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    else:
        del content[draw.randrange(len(content)) :]
    (directory / name).write_bytes(content)
    after = reader(directory)
    place = name if name != ".hydra/config.yaml" else str(directory)
    assert after == before or place in after, after
    assert "Traceback" not in after


NUMBERS = torch.ones(1, 1)
SEEN = json.dumps({"low": [0.0], "high": [1.0], "mean": [0.0]})
NORMALISER = json.dumps({"shift": [0.0], "factor": 1.0, "divisor": [1.0]})


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"input": NORMALISER}, "outputs"),
        ({"input": NORMALISER, "outputs": "x"}, "invalid literal"),
        ({"input": NORMALISER, "outputs": "-1"}, "-1 outputs"),
        ({"input": "[]", "outputs": "1"}, "not a complete weights file"),
        ({"input": "{}", "outputs": "1"}, "not a complete weights file"),
        ({"input": "[" * 10**5, "outputs": "1"}, "not a complete weights file"),
        ({"input": NORMALISER.replace("0.0", "NaN"), "outputs": "1"}, "one finite number"),
        ({"input": NORMALISER.replace("[0.0]", "[[0.0]]"), "outputs": "1"}, "one finite number"),
        ({"input": NORMALISER.replace("[0.0]", "[0.0, 0.0]"), "outputs": "1"}, "one finite number"),
        ({"input": NORMALISER.replace("1.0,", "1e999,"), "outputs": "1"}, "one finite number"),
        ({"input": NORMALISER, "target": NORMALISER, "outputs": "2"}, "2 outputs"),
        ({"input": NORMALISER, "outputs": "1", "table": "[1]"}, "not a mapping"),
        ({"input": NORMALISER, "outputs": "1", "table": "{"}, "not a complete weights file"),
        ({"input": NORMALISER, "outputs": "1", "seen": "{}"}, "not a complete weights file"),
        (
            {"input": NORMALISER, "outputs": "1", "seen": SEEN.replace("1.0", "NaN")},
            "training range",
        ),
        (
            {"input": NORMALISER, "outputs": "1", "seen": SEEN.replace("[0.0]", "[]")},
            "training range",
        ),
    ],
)
def test_what_weights_say_of_themselves(tmp_path: Path, about: dict[str, str], words: str) -> None:
    """Sealed, and still none of ours."""
    path, tensors = tmp_path / "weights.safetensors", {"w": NUMBERS}
    about = {"seen": SEEN} | about
    path.write_bytes(tensors_to_bytes(tensors, seal_tensors(tensors, about)))
    with pytest.raises(InputError) as caught:
        load_weights(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def resealed(whole: Path, to: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A run whose weights are others, under a digest that is right."""
    shutil.copytree(whole, to)
    tensors, about = read_tensors(to / "weights.safetensors")
    del about["digest"]
    change(tensors)
    content = tensors_to_bytes(tensors, seal_tensors(tensors, about))
    (to / "weights.safetensors").write_bytes(content)
    return to


def test_weights_of_another_network(whole: Path, tmp_path: Path) -> None:
    name = "hidden_linear.bias"
    changes = {
        "do not fit": lambda t: t.update({name: torch.ones(3)}),
        "is torch.float64": lambda t: t.update({name: t[name].double()}),
        "Missing key": lambda t: t.pop(name),
    }
    for i, (words, change) in enumerate(changes.items()):
        directory = resealed(whole, tmp_path / str(i), change)
        assert words in predictions(directory)


@pytest.mark.more
def test_a_checkpoint_that_does_not_go_with_the_run(whole: Path, tmp_path: Path) -> None:
    """By its shapes, its types, its numbers; of another run; not a checkpoint of ours at all."""
    content = torch.load(whole / "checkpoint.ckpt", weights_only=True)
    name = "net.hidden_linear.bias"

    def state(values: torch.Tensor) -> dict[str, Any]:
        return {"state_dict": content["state_dict"] | {name: values}}

    moments = {0: {"step": torch.tensor(4.0), "exp_avg": torch.full((8, 1), math.nan)}}
    wrong = {
        "another shape": state(torch.ones(3)),
        "torch.float64": state(torch.ones(8, dtype=torch.float64)),
        "not finite": state(torch.full((8,), math.nan)),
        "exp_avg holds": {"optimizer_states": [{"state": moments, "param_groups": []}]},
        "another network": {"state_dict": {}},
        "its state_dict is wrong": {"state_dict": None},
        "its curves is wrong": {"curves": [1]},
        "other settings": {"run_config": content["run_config"] | {"seed": 7}},
    }
    for words, change in wrong.items():
        torch.save(content | change, tmp_path / "checkpoint.ckpt")
        text = continued(tmp_path)
        assert words in text
        assert str(tmp_path / "checkpoint.ckpt") in text
    torch.save(content, tmp_path / "checkpoint.ckpt")
    assert continued(tmp_path) == ""


class TestSeal:
    def test_there_and_back(self) -> None:
        content = {"a": 1, "b": [1.5, None, "ü"], "digest of": {"digest": "x"}}
        for options in ({}, {"indent": 1}):
            assert unseal(seal(content, **options).encode()) == content

    @given(st.binary(max_size=60))
    def test_other_bytes(self, content: bytes) -> None:
        with pytest.raises(ValueError, match=r".+"):
            unseal(content)

    def test_whatever_is_changed(self) -> None:
        whole = seal({"seed": 3, "text": "abc"}).encode()
        for place in range(len(whole)):
            for bit in range(8):
                changed = bytearray(whole)
                changed[place] ^= 1 << bit
                with pytest.raises((Changed, NotSealed)):
                    unseal(bytes(changed))

    def test_a_depth_without_end(self) -> None:
        rest = b'"a": ' + b"[" * 10**5 + b"}"
        from small_nets.system.sealed_json import digest_of

        with pytest.raises(ValueError, match="nested too deep"):
            unseal(b'{"digest": "' + digest_of(rest).encode() + b'",' + rest)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": 3}, "its status"),
        ({"epochs": True}, "its epochs"),
        ({"kept": "x"}, "its kept"),
        ({"curves": {"step": [1], "train/loss": []}}, "different lengths"),
        ({"curves": {"step": ["a"]}}, "not lists of numbers"),
        ({"curves": {"step": 3}}, "not lists of numbers"),
        ({"curves": {}}, "different lengths"),
        ({"config": []}, "its config"),
        ({"metrics": {"val/loss": "<b>"}}, "a value of its metrics"),
        ({"baseline": {"val/loss": [1]}}, "a value of its baseline"),
        ({"predictions": {}}, "its predictions"),
        ({"seed": "3"}, "its seed"),
    ],
)
def test_a_result_with_other_types(
    whole: Path, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    path = tmp_path / "result.json"
    path.write_text(seal(vars(read_result(whole / "result.json")) | change))
    with pytest.raises(ValueError, match=words):
        read_result(path)
