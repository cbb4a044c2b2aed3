"""`predict --export`: the trained net as a file for other programs."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from small_nets.commands import predict
from small_nets.notebook import Outcome, load, run, sweep
from small_nets.system.command_names import install_command
from tests.conftest import Answer

TEMPERATURE = ("+experiment=temperature_mlp", "trainer.max_epochs=30", "logger=none")
NETS = {
    "float32": (*TEMPERATURE, "data.normalize_target=standardize"),
    "float64": (*TEMPERATURE, "precision=64", "model.width=[3,4]"),
    "classes": ("+experiment=moons", "trainer.max_epochs=3", "logger=none"),
    "without_target": ("+experiment=feedforward",),
    "side_by_side": ("+experiment=weather",),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for name, words in NETS.items():
        run(*words, f"hydra.run.dir={folder / name}")
    return folder


def rows_of(found: Outcome) -> torch.Tensor:
    features = len(found.stored.weights.input.shift)
    return torch.randn(7, features, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", NETS)
def test_tensors_by_name(
    name: str, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Loaded without this program, by the formula that src/README.md says."""
    out = tmp_path / "net.pt"
    predict.main([str(runs / name), "--export", "state_dict", "--out", str(out)])
    assert f"{out}: (rows, " in capsys.readouterr().out
    state, found = torch.load(out, weights_only=True), load(runs / name)
    assert type(state) is dict
    assert all(type(values) is torch.Tensor for values in state.values())
    rows = rows_of(found)
    dtype = torch.float64 if name == "float64" else torch.float32
    given = (rows - state["input.shift"]) * state["input.factor"] / state["input.divisor"]
    net = {n.removeprefix("net."): v for n, v in state.items() if n.startswith("net.")}
    with torch.no_grad():
        output = torch.func.functional_call(found.net.net, net, (given.to(dtype),)).double()
        if "target.shift" in state:
            output = output * state["target.divisor"] / state["target.factor"]
            output = output + state["target.shift"]
        assert torch.equal(output, found.net(rows))
    assert ("target.shift" in state) == (found.net.target is not None)


@pytest.mark.every(3)
@pytest.mark.parametrize("name", NETS)
def test_onnx_gives_the_same_numbers(
    name: str, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    out = tmp_path / "net.onnx"
    predict.main([str(runs / name), "--export", "onnx", "--out", str(out)])
    said = capsys.readouterr()
    assert said.err == ""
    assert len(said.out.splitlines()) == 2, "torch's own messages are not ours"
    for place in (str(Path(torch.__file__).parent), str(Path(predict.__file__).parents[2])):
        assert place.encode() not in out.read_bytes()
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    found = load(runs / name)
    (input,), (output,) = session.get_inputs(), session.get_outputs()
    assert (input.name, input.type) == ("input", "tensor(double)")
    assert (output.name, output.type) == ("prediction", "tensor(double)")
    for count in (1, 2, 7):
        rows = rows_of(found)[:count]
        (mine,) = session.run(None, {"input": rows.numpy()})
        bound = 1e-12 if name == "float64" else 1e-5
        torch.testing.assert_close(
            torch.from_numpy(mine), found.net(rows).detach(), rtol=bound, atol=bound
        )


def test_a_run_of_a_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sweep(*TEMPERATURE, "seed=range(2)", "sweep.dir=s")
    shutil.rmtree("s/1")
    predict.main(["s/1", "--export", "state_dict", "--out", "net.pt"])
    state, mine = torch.load("net.pt", weights_only=True), load("s/1").net.state_dict()
    assert state.keys() == mine.keys()
    assert all(torch.equal(state[name], mine[name]) for name in mine)


def test_inputs_are_named_and_a_diverged_run_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("city,size,price\n" + "Rome,5,1\nOslo,6,2\n" * 10)
    run("data=table", "data.path=t.csv", "data.inputs=all", "data.target=price", "logger=none",
        "trainer.max_epochs=2", "hydra.run.dir=here")  # fmt: skip
    predict.main(["here", "--export", "state_dict", "--out", "here.pt"])
    assert "inputs: city=Oslo, city=Rome, size" in capsys.readouterr().out
    run("+experiment=temperature_linear", "optimizer.lr=0.1", "logger=none", "hydra.run.dir=lost")
    predict.main(["lost", "--export", "state_dict", "--out", "lost.pt"])
    assert "Warning: this run diverged" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "said"), [
    (("--export", "onnx"), ("--export onnx needs a file", "--out net.onnx")),
    (("--export", "state_dict"), ("needs a file", "--out net.pt")),
    (("--export", "onnx", "--out", "net.pt"), ("--out net.pt", "Allowed: .onnx")),
    (("--export", "state_dict", "--out", "net.csv"), ("--out net.csv", "Allowed: .pt")),
    (("--export", "state_dict", "--out", "there.pt"), ("--out there.pt exists already",)),
    (("--export", "state_dict", "--out", "no/net.pt"), ("no does not exist",)),
    (("--export", "state_dict", "--out", "net.pt", "--inputs", "[[1]]"),
     ("--export state_dict and --inputs do not go together", "one at a time")),
    (("--export", "pickle", "--out", "net.pt"), ("invalid choice: 'pickle'", "onnx")),
])  # fmt: skip
def test_what_cannot_be_exported_is_refused_before_any_work(
    words: tuple[str, ...], said: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """No run is there to be read at all."""
    monkeypatch.chdir(tmp_path)
    Path("there.pt").write_bytes(b"mine")
    with pytest.raises(SystemExit) as caught:
        predict.main(["nowhere", *words])
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert all(word in message for word in said), message
    assert "nowhere" not in message
    assert [path.name for path in tmp_path.iterdir()] == ["there.pt"]


def test_without_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(predict, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        predict.main(["nowhere", "--export", "onnx", "--out", "net.onnx"])
    message = capsys.readouterr().err
    assert "needs onnx and onnxscript, not installed here" in message
    assert f"Fix: {install_command('onnx')}" in message


def test_the_command(runs: Path, command: Callable[..., Answer]) -> None:
    answer = command(
        "src.predict", str(runs / "float32"), "--export", "state_dict", "--out", "n.pt"
    )
    assert (answer.code, answer.err) == (0, "")
