"""Command lines by a seeded generator, and what the command makes of each, in this process.

python -m tests.fuzz 10000 [FIRST SEED]: so many of them; prints what is no clean answer.
"""

import contextlib
import importlib
import io
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from small_nets.config import conf_files
from small_nets.config.schema import FIELDS
from small_nets.config.sections import GROUPS, keys_of

SECONDS = 30  # a command; it is another machine's load that takes them
EXPERIMENTS = sorted(conf_files.experiments())
COMMON = ("seed", "optimizer.lr", "model.width", "trainer.max_epochs", "data.val_fraction",
          "log_every", "precision", "sweep.verify", "metrics")  # fmt: skip
KEYS = sorted(
    {*FIELDS, *conf_files.root()}
    | {f"{g}.{k}" for g in GROUPS for c in conf_files.choices(g)
       for k in keys_of(g, conf_files.section(g, c))}
)  # fmt: skip
WILD = (
    *("", " ", "null", "true", "-1", "0", "1", "0.5", "1e-3", "1e400", "-inf", "nan", "07", "1_0"),
    *("???", "9" * 400, "9" * 5000, "1" + "0" * 13, "[]", "{}", "[[]]", "[[[[]]]]", "{a: 1}"),
    *("[1,2]", "[a,b]", "[1,[2,{b: 3}]]", "größe", "日本", "🎉", "a b", "a=b", "a:b", "“x”"),
    *("'x'", '"x', "x'", "\\", "\\\\", "C:\\a", "a\tb", "a\nb", "\x00", "\x1b[31m", "\u202e"),
    *("${seed}", "${nope}", "${oc.env:NOPE}", "${oc.env:HOME}", "${base:data}", "${base:nope}"),
    *("${stamp:}", "${experiments:}", "${hydra:job.num}", "${oc.create:[1]}", "${${seed}}", "${"),
    *("$", "%", "~", "..", "../x", "/", "*", "a,b", "1,2", "1,nan", "[1],[2]", ",", "1,"),
    *("range(3)", "range(0)", "range(3,1)", "range(0,1,0)", "choice(1,2)", "choice()"),
    *("choice([1],[2])", "interval(0,1)", "tag(log,interval(1e-4,1))", "int(interval(1,5))"),
    *("glob(*)", "sort(3,1)", "shuffle(1,2)", "int(a)", "foo(1)", "range(", "[" * 50, "str(1)"),
)  # fmt: skip
NOISE = "=+~[]{}(),:;.\"'\\$ \t\n€é-_@/%&|<>*?!#"
HYDRA = (
    "hydra/launcher", "hydra/sweeper", "hydra/job_logging", "hydra/hydra_logging", "hydra/help",
    "hydra/output", "hydra/env", "hydra/hydra_help", "hydra/callbacks", "hydra.mode",
    "hydra.callbacks", "hydra.callbacks.check", "hydra.callbacks.check._target_",
    "hydra.searchpath", "hydra.launcher", "hydra.launcher._target_", "hydra.sweeper",
    "hydra.sweeper._target_", "hydra.sweeper.params", "hydra.sweeper.params.seed",
    "hydra.sweeper.max_batch_size", "hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir",
    "hydra.job.name", "hydra.job.num", "hydra.job.chdir", "hydra.job.env_copy",
    "hydra.job.env_set", "hydra.job.config", "hydra.output_subdir", "hydra.verbose",
    "hydra.help.template", "hydra.help", "hydra.overrides.task", "hydra.runtime",
    "hydra.runtime.choices", "hydra.job_logging", "hydra", "hydra.typo", "hydra/typo",
)  # fmt: skip
CHOSEN = {
    "hydra/launcher": ("batched", "basic", "10e0", "[]"),
    "hydra/sweeper": ("batched", "basic", "search", "[[]]"),
    "hydra/job_logging": ("none", "default", "disabled", "${base:data}"),
    "hydra.mode": ("RUN", "MULTIRUN", "run"),
    "hydra.run.dir": ("mine", "a/b", "${seed}"),
    "hydra.sweep.dir": ("mine", "${name}"),
    "hydra.sweeper.params": ("{seed: 3}", "{seed: 'range(2)'}", "{x: 1}"),
    "hydra.job.chdir": ("true", "false"),
}
OPTIONS = (
    ("-m",), ("--multirun",), ("--cfg", "job"), ("--cfg", "hydra"), ("--cfg", "all"),
    ("--cfg", "job", "--resolve"), ("--cfg", "nope"), ("--cfg",), ("--info",), ("--info", "all"),
    ("--info", "config"), ("--info", "searchpath"), ("--info", "defaults-tree"), ("--resolve",),
    ("--package", "model"), ("--run",), ("--help",), ("--hydra-help",), ("--version",), ("--seed",),
    ("--seed", "3"), ("--seed=3",), ("-x",), ("--",), ("--config-dir", "nope"),
    ("--config-dir", "."), ("--config-name", "nope"), ("--config-path", "nope"), ("--multi",),
    ("-m", "--cfg", "job"), ("-m", "--info"),
)  # fmt: skip


def command_line(seed: int) -> list[str]:
    """The words of one command line, without the program's name."""
    draw = random.Random(seed)
    words = [_word(draw) for _ in range(draw.choice((0, 1, 1, 2, 2, 3, 4)))]
    if draw.random() < 0.3:  # nothing but one word that is Hydra's, so that it is reached
        words = [_of_hydra(draw)]
    if draw.random() < 0.8:
        words.insert(0, f"+experiment={draw.choice(EXPERIMENTS)}")
    if draw.random() < 0.35:
        words += draw.choice([("-m",), ("-m", "hydra/sweeper=search", "search.trials=2")])
    if draw.random() < 0.15:
        at = draw.randint(0, len(words))
        words[at:at] = draw.choice(OPTIONS)
    return words


def _word(draw: random.Random) -> str:
    """Mostly a real key with a value that it may have or not; at times noise."""
    kind = draw.random() * draw.choice((0.6, 1))  # every second line has little noise
    if kind < 0.45:
        key = draw.choice(draw.choice((KEYS, COMMON)))
        value = _example(draw, key) if draw.random() < 0.8 else draw.choice(WILD)
    elif kind < 0.65:
        key = draw.choice((*GROUPS, "experiment", "sweep"))
        names = conf_files.choices(key)
        value = ",".join(draw.choices(names, k=draw.choice((1, 1, 2, 3))))
        value = value if draw.random() < 0.8 else draw.choice((f"[{value}]", *WILD))
    elif kind < 0.85:
        return _of_hydra(draw)
    elif kind < 0.93:
        return _noise(draw, f"{draw.choice(KEYS)}={draw.choice(WILD)}")
    else:
        key = f"{draw.choice(KEYS)}{draw.choice(('.x', 'x', '@y', '/z', '..', ':', ' '))}"
        value = draw.choice(WILD)
    sign = draw.choices(("", "+", "++", "~", "~~"), (12, 2, 1, 1, 0.1))[0]
    return f"{sign}{key}" if sign == "~" and draw.random() < 0.7 else f"{sign}{key}={value}"


def _of_hydra(draw: random.Random) -> str:
    key = draw.choice(HYDRA)
    value = draw.choice(CHOSEN.get(key, WILD) if draw.random() < 0.6 else WILD)
    sign = draw.choices(("", "+", "++", "~"), (8, 1, 1, 1))[0]
    return f"{sign}{key}" if sign == "~" and draw.random() < 0.7 else f"{sign}{key}={value}"


def _example(draw: random.Random, key: str) -> str:
    field = FIELDS.get(key)
    if field is None:
        return draw.choice(WILD)
    return draw.choice([field.example.strip("'"), *map(str, field.names)])


def _noise(draw: random.Random, word: str) -> str:
    """A word with a few characters changed."""
    letters = list(word)
    for _ in range(draw.randint(1, 3)):
        at = draw.randrange(len(letters) + 1)
        letters[at : at + draw.randint(0, 1)] = draw.choice(
            "=+~[]{}(),:;.\"'\\$ \t\n€é-_@/%&|<>*?!#"
        )
    return "".join(letters)


@dataclass
class Answered:
    """What a command answered. fault: a traceback, or what else may not be; else ""."""

    code: int | None
    text: str
    fault: str = ""


class _TooLong(BaseException):
    pass


def answer(words: list[str]) -> Answered:
    """The command in an empty folder that is the present one; nothing is trained."""
    train = importlib.import_module("small_nets.commands.train")
    out, code, fault = io.StringIO(), 0, ""
    logs = list(logging.getLogger().handlers)
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(sys, "argv", ["train.py", *words]))
        # As if it was __main__, which Hydra finds its config folder by.
        stack.enter_context(mock.patch(
            "hydra._internal.utils.detect_calling_file_or_module_from_task_function",
            return_value=(str(train.__file__), None),
        ))  # fmt: skip
        stack.enter_context(mock.patch.dict(os.environ))
        os.environ.pop("HYDRA_FULL_ERROR", None)
        if not any("hydra" in word for word in words):
            # Hydra composes all of it once more to look for hydra.mode: not where there is none.
            stack.enter_context(
                mock.patch("hydra._internal.hydra.Hydra.get_mode", return_value=None)
            )
        stack.enter_context(_nothing_trains())
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(out))
        caught = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        stack.enter_context(_limited())
        try:
            train.main()
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        except _TooLong:
            fault = f"more than {SECONDS} s\n{traceback.format_exc()}"
        except BaseException:
            fault = traceback.format_exc()
    GlobalHydra.instance().clear()
    HydraConfig.instance().cfg = None
    logging.getLogger().handlers[:] = logs
    text = out.getvalue()
    broken = [str(w.message) for w in caught if "raised" in str(w.message)]
    fault = fault or (text if "Traceback" in text else "") or "\n".join(broken)
    if not fault and code not in (0, 1, 2):
        fault = f"exit code {code}\n{text}"
    return Answered(code, text, fault)


@contextlib.contextmanager
def _nothing_trains() -> Iterator[None]:
    import small_nets.run.fit
    import small_nets.sweep.session

    section = small_nets.sweep.session.section

    def dry(master: Any, name: str) -> dict[str, Any]:
        return section(master, name) | ({"dry_run": True} if name == "sweep" else {})

    done: Any = SimpleNamespace(status="completed", metrics={})
    with (
        mock.patch("small_nets.run.fit.fit", return_value=done),
        mock.patch("small_nets.run.fit.final_loss", return_value=0.0),
        mock.patch("small_nets.sweep.session.section", dry),
    ):
        yield


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def tried(seed: int, folder: Path, run: Callable[[list[str]], Answered] = answer) -> Answered:
    """The answer to a seed's command line; one that was refused leaves nothing behind."""
    found = run(command_line(seed))
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    if found.code == 2 and left and not found.fault:
        found.fault = f"left behind: {left}\n{found.text}"
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    return found


def main() -> None:
    count, first = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    codes: dict[Any, int] = {}
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for seed in range(first, first + count):
            found = tried(seed, Path(folder))
            codes[found.code] = codes.get(found.code, 0) + 1
            if found.fault:
                print(f"--- {seed}: {command_line(seed)}\n{found.fault[-1500:]}", flush=True)
    print(f"{count} command lines in {time.monotonic() - started:.0f} s; exit codes {codes}")


if __name__ == "__main__":
    main()
