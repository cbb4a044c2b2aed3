"""The same hydra.run.dir again: refused, with the way to replace what is there."""

from pathlib import Path

import pytest

from small_nets.config.errors import InputError
from small_nets.run.build.preflight import refuse_used


def message(directory: Path) -> str:
    with pytest.raises(InputError) as caught:
        refuse_used(directory)
    return str(caught.value)


def test_a_run_can_be_replaced(tmp_path: Path) -> None:
    mine = tmp_path / "my run"
    (mine / ".hydra").mkdir(parents=True)
    (mine / "result.json").write_text('{"status": "completed"}')
    said = message(mine)
    assert f"To replace it: rm -r '{mine}', and the same command" in said
    assert (mine / "result.json").exists()


@pytest.mark.parametrize("other", ["another_run", "my.csv", "notes.png", "predicted.csv"])
def test_nothing_else_would_be_lost(other: str, tmp_path: Path) -> None:
    """Something of somebody's is there: no command that would remove it is named."""
    (tmp_path / ".hydra").mkdir()
    (tmp_path / "result.json").write_text('{"status": "completed"}')
    assert "rm -r" in message(tmp_path)
    (tmp_path / other).mkdir()
    assert "rm -r" not in message(tmp_path)


@pytest.mark.parametrize("text", ['{"status": "interrupted"}', "{", "[]", "{}"])
def test_a_checkpoint_to_go_on_from_would_be_lost(text: str, tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    (tmp_path / "result.json").write_text(text)
    assert "rm -r" not in message(tmp_path)


def test_a_sweep_is_not_to_be_removed(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text("{}")
    assert "rm -r" not in message(tmp_path)
