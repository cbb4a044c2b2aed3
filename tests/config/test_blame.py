"""Hydra's refusals are explained; a fault of this program keeps its traceback and exit code 1."""

from collections.abc import Callable
from typing import Any

import pytest
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError

from small_nets.config import check, hydra_errors
from small_nets.config.error_origin import is_of_input
from small_nets.config.errors import InputError
from small_nets.run.build import compose
from small_nets.run.build.compose import compose_settings
from tests.conftest import Swept
from tests.fuzz import answer

FAULTS: tuple[Callable[[], BaseException], ...] = (
    lambda: AttributeError("'NoneType' object has no attribute 'width'"),
    lambda: KeyError("val_fraction"),
    lambda: TypeError("unsupported operand"),
    lambda: ValueError("too many values to unpack"),
    lambda: AssertionError("what was built can be started"),
    lambda: ConfigAttributeError("Missing key maxruns"),
)
# A key that is typed in a wrong way for Hydra, beside which a fault of ours must not be explained.
TYPED = ("~description", "~seed", "+typo=1", "optimizer=adamm", "seed==1", "model.width=[5")


def raising(make: Callable[[], BaseException], depth: int = 0) -> Callable[..., Any]:
    def broken(*_: Any, **__: Any) -> Any:
        if depth:
            return raising(make, depth - 1)()
        raise make()

    # As if its code stood in ours: what counts is the file of the frame.
    code = broken.__code__.replace(co_filename=check.__file__)
    broken.__code__ = code
    return broken


@pytest.mark.parametrize("make", FAULTS, ids=lambda make: type(make()).__name__)
@pytest.mark.parametrize("word", TYPED)
def test_a_fault_of_ours_is_nobodys_key(word: str, make: Callable[[], BaseException]) -> None:
    for depth in (0, 3):
        with pytest.raises(type(make())) as caught:
            raising(make, depth)()
        assert isinstance(caught.value, Exception)
        assert hydra_errors.explain(caught.value, ["+experiment=sine", word]) is None


@pytest.mark.every(3)
@pytest.mark.parametrize("make", FAULTS[:3], ids=lambda make: type(make()).__name__)
@pytest.mark.parametrize(("where", "word"), [
    ("small_nets.run.build.preflight.refuse_removed", "~description"),
    ("small_nets.run.build.build.build", "++seed=3"),
    ("small_nets.sweep.session.make_plan", "-m"),
])  # fmt: skip
def test_the_command_keeps_the_traceback(
    where: str, word: str, make: Callable[[], BaseException], monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    import small_nets.commands.train  # noqa: F401, so that it can be replaced

    monkeypatch.setattr(where, raising(make))
    found = answer(["+experiment=xor", word])
    assert f"{type(make()).__name__}: " in found.fault
    assert "\nError: " not in f"\n{found.text}"


@pytest.mark.parametrize(
    "where", ["small_nets.sweep.session.make_plan", "small_nets.sweep.jobs.expand.settle"]
)
def test_a_sweep_keeps_the_traceback(
    where: str, monkeypatch: pytest.MonkeyPatch, sweep: Callable[..., Swept]
) -> None:
    monkeypatch.setattr(where, raising(lambda: KeyError("ours")))
    with pytest.raises(KeyError, match="ours"):
        sweep("+experiment=xor", "seed=1,2")


def test_a_notebook_keeps_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose, "settle", raising(lambda: TypeError("ours")))
    with pytest.raises(TypeError, match="ours"):
        compose_settings("+experiment=xor")


@pytest.mark.parametrize("word", ["+typo.x=1", "optimizer=adamm", "~nope", "seed=${nope}"])
def test_what_hydra_refuses_is_explained(word: str) -> None:
    with pytest.raises(InputError):
        compose_settings("+experiment=sine", word)


def test_what_omegaconf_refuses_of_ours_is_our_fault() -> None:
    """Read by code of ours: an attribute that is not there; not so a value that was typed."""

    def read(config: Any, key: str) -> Any:
        return getattr(config, key)

    read.__code__ = read.__code__.replace(co_filename=check.__file__)
    config = OmegaConf.create({"x": "${nope}"})
    OmegaConf.set_struct(config, True)
    with pytest.raises(ConfigAttributeError) as ours:
        read(config, "y")
    assert not is_of_input(ours.value)
    with pytest.raises(Exception, match="nope") as typed:
        read(config, "x")
    assert is_of_input(typed.value)
