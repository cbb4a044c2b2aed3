"""What lies in a directory that somebody sent: it starts nothing, cancels nothing, runs nothing."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from small_nets.config.errors import InputError
from small_nets.engines.fused import kernel_cache
from small_nets.sweep.executors import orphans, slurm_commands
from small_nets.system import private_files

SQUEUE = """#!/bin/sh
echo "squeue $*" >> {log}
case "$*" in *--me*--name={name}*) cat {answer};; esac
"""
SCANCEL = """#!/bin/sh
echo "scancel $*" >> {log}
printf '7|CANCELLED\\n8|COMPLETED\\n' > {answer}
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folders of his own, and nothing remembered of another's."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for function in (private_files._secret, kernel_cache._place, kernel_cache._private):
        function.cache_clear()
    return tmp_path


class TestJobs:
    """A sweep with a slurm/jobs.json."""

    @pytest.fixture
    def slurm(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
        """squeue and scancel that say what they were asked; two jobs of the name are there."""
        log, answer, programs = tmp_path / "log", tmp_path / "answer", tmp_path / "bin"
        monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        monkeypatch.setattr(orphans, "ASK", 0.01)

        def slurm(name: str) -> list[str]:
            programs.mkdir(exist_ok=True)
            answer.write_text("7|RUNNING\n8|COMPLETED\n--evil|RUNNING\n")
            for text, program in ((SQUEUE, "squeue"), (SCANCEL, "scancel")):
                path = programs / program
                path.write_text(text.format(log=log, name=name, answer=answer))
                path.chmod(0o755)
            log.touch()
            return log.read_text().splitlines()

        return slurm

    def note(self, sweep: Path, content: object) -> Path:
        path = sweep / "slurm" / "jobs.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
        return path

    @pytest.mark.parametrize(
        "content",
        ["my-thesis", "--user=root", "*", "", None, 7, [], {"name": "a"}, "a" * 100_000,
         "small-nets-2026-01-01_00-00-00-abcdef", [[[[]]]],
         f"small-nets-2026-01-01_00-00-00-abcdef-{'0' * 32}"],
    )  # fmt: skip
    def test_no_name_of_a_strangers_is_cancelled(
        self, content: object, slurm: Callable[[str], list[str]], tmp_path: Path
    ) -> None:
        slurm("my-thesis")
        path = self.note(tmp_path / "sweep", content)
        with pytest.raises(InputError, match="jobs that you have not started from this directory"):
            orphans.cancel_orphans(tmp_path / "sweep")
        assert slurm("my-thesis") == []
        assert path.exists()

    def test_a_name_of_another_directory(
        self, slurm: Callable[[str], list[str]], tmp_path: Path
    ) -> None:
        """Taken from a sweep of this very user."""
        name = orphans.new_name(tmp_path / "mine")
        slurm(name)
        self.note(tmp_path / "sent", name)
        with pytest.raises(InputError, match="none was cancelled"):
            orphans.cancel_orphans(tmp_path / "sent")
        assert slurm(name) == []

    def test_a_name_of_another_user(
        self, slurm: Callable[[str], list[str]], home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = orphans.new_name(home / "sweep")
        monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "of_another"))
        slurm(name)
        self.note(home / "sweep", name)
        with pytest.raises(InputError, match="none was cancelled"):
            orphans.cancel_orphans(home / "sweep")
        assert slurm(name) == []

    def test_ones_own_are_cancelled_by_their_numbers(
        self, slurm: Callable[[str], list[str]], tmp_path: Path
    ) -> None:
        sweep = tmp_path / "sweep"
        name = orphans.new_name(sweep)
        slurm(name)
        self.note(sweep, name)
        (sweep / "slurm" / "notes.txt").write_text("mine")
        orphans.cancel_orphans(sweep)
        asked = slurm(name)
        assert [line for line in asked if line.startswith("scancel")] == ["scancel 7"]
        assert all("--me" in line for line in asked if line.startswith("squeue"))
        assert [p.name for p in (sweep / "slurm").iterdir()] == ["notes.txt"]

    def test_a_link_is_not_followed(
        self, slurm: Callable[[str], list[str]], tmp_path: Path
    ) -> None:
        name = orphans.new_name(tmp_path / "sweep")
        slurm(name)
        mine = self.note(tmp_path / "elsewhere", name)
        (tmp_path / "sweep").mkdir()
        (tmp_path / "sweep" / "slurm").symlink_to(mine.parent)
        with pytest.raises(InputError, match="none was cancelled"):
            orphans.cancel_orphans(tmp_path / "sweep")
        assert mine.exists()
        orphans.remove_folder(tmp_path / "sweep" / "slurm")
        assert mine.exists()

    def test_only_numbers_are_jobs(self, slurm: Callable[[str], list[str]], tmp_path: Path) -> None:
        slurm("name")
        assert slurm_commands.states("name") == {"7": "RUNNING", "8": "COMPLETED"}


class TestKernels:
    """Machine code below the cache."""

    KEY = "0123456789abcdef"

    def test_it_is_kept(self) -> None:
        kernel_cache.store(kernel_cache.folder(), self.KEY, b"code")
        assert kernel_cache.stored(kernel_cache.folder(), self.KEY) == b"code"
        path = kernel_cache.folder() / f"{self.KEY}.o"
        assert path.stat().st_mode & 0o777 == 0o600
        assert kernel_cache.folder().stat().st_mode & 0o777 == 0o700

    def damage(self, how: str, path: Path, tmp_path: Path) -> None:
        content = path.read_bytes()
        if how == "linked":
            path.rename(tmp_path / "other.o")
            path.symlink_to(tmp_path / "other.o")
        elif how == "open":
            path.chmod(0o666)
        elif how == "a pipe":
            path.unlink()
            os.mkfifo(path)
        elif how == "of another name":
            other = vouched(b"evil", "another")
            path.write_bytes(other)
        else:
            text = {
                "empty": b"", "half": content[:-1], "foreign": b"evil" * 20,
                "without a secret": digest_alone(b"evil"), "changed": content[:-1] + b"X",
            }  # fmt: skip
            path.write_bytes(text[how])

    @pytest.mark.parametrize(
        "how",
        ["empty", "half", "foreign", "without a secret", "changed", "linked", "open", "a pipe",
         "of another name"],
    )  # fmt: skip
    def test_what_another_may_have_written_is_not_executed(self, how: str, tmp_path: Path) -> None:
        kernel_cache.store(kernel_cache.folder(), self.KEY, b"code")
        self.damage(how, kernel_cache.folder() / f"{self.KEY}.o", tmp_path)
        assert kernel_cache.stored(kernel_cache.folder(), self.KEY) is None
        kernel_cache.store(kernel_cache.folder(), self.KEY, b"code")
        assert kernel_cache.stored(kernel_cache.folder(), self.KEY) == b"code"

    @pytest.mark.parametrize("name", ["small-nets", "small-nets/kernels"])
    @pytest.mark.parametrize("how", ["group", "all", "link", "file"])
    def test_a_folder_of_others_is_not_used(
        self, how: str, name: str, home: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = home / "cache" / name
        path.parent.mkdir(parents=True, mode=0o700)
        if how == "link":
            (home / "elsewhere").mkdir(mode=0o700)
            path.symlink_to(home / "elsewhere")
        elif how == "file":
            path.touch()
        else:
            path.mkdir()
            path.chmod(0o770 if how == "group" else 0o777)
        for _ in range(2):
            kernel_cache.store(kernel_cache.folder(), self.KEY, b"code")
            assert kernel_cache.stored(kernel_cache.folder(), self.KEY) == b"code", (
                "as long as the process"
            )
        assert not list((home / "cache").rglob("*.o"))
        said = capsys.readouterr().err
        assert said.count("kernels are not kept on disk") == 1
        assert str(path) in said

    @pytest.mark.parametrize("value", ["", "relative/path"])
    def test_where_the_variable_says_nothing(
        self, value: str, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By the rules a relative path is none."""
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        monkeypatch.setenv("HOME", str(home / "me"))
        assert kernel_cache.folder() == home / "me" / ".cache" / "small-nets" / "kernels"

    def test_a_home_that_cannot_be_written_to(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (home / "file").touch()
        monkeypatch.setenv("XDG_CACHE_HOME", str(home / "file" / "cache"))
        kernel_cache.store(kernel_cache.folder(), self.KEY, b"code")
        assert kernel_cache.stored(kernel_cache.folder(), self.KEY) == b"code"
        assert re.search(r"compiled anew: .*Not a directory", capsys.readouterr().err)


def digest_alone(content: bytes) -> bytes:
    """As anybody can make it."""
    import hashlib

    return hashlib.sha256(content).digest() + content


def vouched(content: bytes, key: str) -> bytes:
    """A whole kernel of this user's, of another architecture."""
    secret = private_files.user_secret()
    assert secret is not None
    return private_files.vouch(secret, key.encode(), content) + content


def test_a_secret_that_others_can_read_is_none(home: Path) -> None:
    first = private_files.user_secret()
    assert first is not None
    path = home / "config" / "small-nets" / "secret"
    assert path.stat().st_mode & 0o777 == 0o600
    private_files._secret.cache_clear()
    assert private_files.user_secret() == first
    path.chmod(0o644)
    private_files._secret.cache_clear()
    assert private_files.user_secret() is None
