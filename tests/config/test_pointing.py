"""What cannot be read is pointed at, with a fix that can be read."""

import random
import shlex
from collections.abc import Callable

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st

from small_nets.config.command_line import arrange
from small_nets.config.errors import InputError
from small_nets.config.grammar_quoting import in_quotes
from small_nets.config.override_repair import is_allowed
from small_nets.config.override_values import read
from small_nets.config.schema import FIELDS
from small_nets.config.syntax_errors import refuse_unreadable
from small_nets.run.build.compose import compose_settings
from tests.conftest import Swept
from tests.fuzz import WILD

Sweep = Callable[..., Swept]

# words -> the reason, the place in the first of them that is refused (None: not told), the fix
TABLE: dict[tuple[str, ...], tuple[str, int | None, str | None]] = {
    ("data.inputs=[sepal length (cm),größe]",): (
        "ö has to", 33, """'data.inputs=["sepal length (cm)","größe"]'"""),
    ("data.inputs=[größe]",): ("ö has to stand in quotes", 15, """'data.inputs=["größe"]'"""),
    ("data.target=Größe (cm)",): ("ö has to", 14, """'data.target="Größe (cm)"'"""),
    ("data.inputs=choice([a,größe],[b])",): (
        "ö", 24, """'data.inputs=choice([a,"größe"],[b])'"""),
    ("model.width=choice([5,5],[5",): ("]) is missing", 27, "'model.width=choice([5,5],[5])'"),
    ("model.width=[5,5",): ("] is missing at the end", 16, "'model.width=[5,5]'"),
    ("model.width=5]",): ("] does not fit", 13, "model.width=5"),
    ("model.width=[5,,5]",): (", does not fit", 15, "'model.width=[5,5]'"),
    ("model.width=[5;5]",): ("; has to", 14, "'model.width=[5,5]'"),
    ("data.inputs=(a,b)",): ("( does not fit", 12, "'data.inputs=[a,b]'"),
    ("optimizer.lr =0.1",): ("a blank in the key", 12, "optimizer.lr=0.1"),
    ("optimizer.lr", "=", "0.1"): ("has no =", 12, "optimizer.lr=0.1"),
    ("optimizer.lr", "=0.1"): ("has no =", 12, "optimizer.lr=0.1"),
    ("optimizer.lr=", "0.1"): ("has no =", 3, "optimizer.lr=0.1"),
    ("optimizer.lr", "0.1"): ("has no =", 12, "optimizer.lr=0.1"),
    ("optimizer", "adam"): ("has no =", 9, "optimizer=adam"),
    ("early_stop={patience:", "10}"): ("} is missing", 21, "'early_stop={patience: 10}'"),
    ("early_stop={patience:10,", "min_delta:0.1}"): (
        "} is missing", 24, "'early_stop={patience:10, min_delta:0.1}'"),
    ('early_stop={"patience": 10}',): ('" does not fit', 12, "'early_stop={patience: 10}'"),
    ("early_stop={patience=10}",): ("= does not fit", 20, "'early_stop={patience: 10}'"),
    ("data.inputs=[sepal length", "(cm),b]"): (
        "The shell has made 2 words", None, """'data.inputs=["sepal length (cm)",b]'"""),
    ("name=“sine”",): ("“ has to", 5, """'name="sine"'"""),
    ('name="sine',): ('the quote " is not closed', 5, """'name="sine"'"""),
    ("name='sine",): ("the quote ' is not closed", 5, """'name="sine"'"""),
    ('data.path="C:\\data\\"',): ("quote", 10, "data.path=C:/data/"),
    ("data.path=a=b.csv",): ("= does not fit", 11, """'data.path="a=b.csv"'"""),
    ("data.path=a(1).csv",): (". does not fit", 14, """'data.path="a(1).csv"'"""),
    ("data.path=größe.csv",): ("ö has to", 12, """'data.path="größe.csv"'"""),
    ("seed=range(10",): (") is missing", 13, "'seed=range(10)'"),
    ("seed==3",): ("= does not fit", 5, "seed=3"),
    ("seed=${oc.env:SEED",): ("{ does not fit", 6, "'seed=${oc.env:SEED}'"),
    ("seed:3",): ("has no =", 5, "seed=3"),
    ("seed 3",): ("has no =", 4, "seed=3"),
    ("~~seed",): ("a key has no ~", 1, "'~seed'"),
    ("+ seed=3",): ("a blank in the key", 1, "+seed=3"),
    ("optimizer..lr=3",): ("a key has no .", 9, "optimizer.lr=3"),
    ("sine",): ("has no =", 4, "+experiment=sine"),
    ("adam",): ("has no =", 4, "optimizer=adam"),
    ("=3",): ("no key in front of =", 0, None),
    ("seed=foo(10)",): ("Unknown function 'foo'", 5, None),
    ("seed=range()",): ("missing a required argument", 5, None),
    ("seed=1\n2",): ("␊ has to stand in quotes", 6, None),
    ("näme=x",): ("a key has no ä", 1, None),
    (f"seed={'9' * 5000}",): ("4300", 5, None),
    (f"data.inputs={'[' * 1000}",): ("", None, None),
}  # fmt: skip


def refused(words: tuple[str, ...] | list[str]) -> str:
    with pytest.raises(InputError) as caught:
        refuse_unreadable(list(words))
    return str(caught.value)


@pytest.mark.parametrize("words", TABLE, ids=lambda words: " ".join(words)[:40])
def test_the_place_and_the_fix(words: tuple[str, ...]) -> None:
    reason, at, fix = TABLE[words]
    message = refused(words)
    lines = message.splitlines()
    assert reason in message
    assert all(len(line) < 250 for line in lines)
    if at is not None:
        assert lines[2] == f"  {' ' * at}^"
    if fix is None:
        assert lines[3].startswith(("For example: ", "Fix: no blanks around ="))
    else:
        assert lines[-1] == f"Fix: {fix}"


def fixes(message: str) -> list[str]:
    """The words of every fix of a message, as the shell hands them over."""
    last = [line.partition(": ")[2] for line in message.splitlines() if line.startswith("Fix: ")]
    return [word for text in last if not text.startswith("no blanks") for word in shlex.split(text)]


@pytest.mark.parametrize("key", sorted(FIELDS))
def test_every_example_can_be_read_and_is_allowed(key: str) -> None:
    (word,) = shlex.split(f"{key}={FIELDS[key].example}")
    found = read(word)
    assert found is not None
    assert found.key_or_group == key
    assert is_allowed(word) or "${" in word


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(FIELDS)), st.one_of(st.sampled_from(WILD), st.text(max_size=12)))
def test_every_fix_can_be_read_and_is_allowed(key: str, value: str) -> None:
    word = f"{key}={value}"
    if read(word) is None:
        for fix in fixes(refused([word])):
            assert is_allowed(fix)
            assert fix.startswith(f"{key}=")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=20))
def test_a_text_in_quotes_is_that_text(text: str) -> None:
    found = read(f"x={in_quotes(text)}")
    assert found is not None
    assert found.value() == text


def test_columns_with_any_names_are_repaired() -> None:
    """A list of names whose quotes the shell has eaten comes back as that list."""
    draw = random.Random(0)
    for _ in range(100):
        names = ["".join(draw.choices("abü (%)#&", k=draw.randint(1, 8))).strip() or "x"
                 for _ in range(draw.randint(1, 3))]  # fmt: skip
        if any(name.count("(") != name.count(")") for name in names) or any(
            name.find(")") < name.find("(") for name in names
        ):
            continue  # where a name ends is not to be told
        word = f"data.inputs=[{','.join(names)}]"
        if read(word) is None:
            (fix,) = fixes(refused([word]))
            found = OverridesParser.create().parse_override(fix).value()
            assert (
                found == [" ".join(n.split()) if n.split() else n for n in names] or found == names
            )


# words of the command -> what is said
OPTIONS = {
    ("--seed", "3"): "Fix: seed=3",
    ("--seed=3",): "Fix: seed=3",
    ("--optimizer.lr", "0.1"): "Fix: optimizer.lr=0.1",
    ("--experiment", "sine"): "Fix: +experiment=sine",
    ("--log-every=5",): "Fix: log_every=5",
    ("--multirunn",): "Did you mean --multirun?",
    ("--model.width=[5,5]",): "Fix: 'model.width=[5,5]'",
}


@pytest.mark.parametrize("words", OPTIONS, ids=" ".join)
def test_an_option_that_is_none(words: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="is not an option") as caught:
        arrange(["+experiment=sine", *words])
    assert str(caught.value).splitlines()[-1].endswith(OPTIONS[words])


def test_options_go_in_front_wherever_they_stand() -> None:
    words = ["+experiment=sine", "--config-dir", "my", "seed=1", "-m", "optimizer=adam"]
    options, arranged = arrange(words)
    assert arranged == ["--config-dir", "my", "-m", "+experiment=sine", "seed=1", "optimizer=adam"]
    assert options.multirun
    assert options.overrides == ["+experiment=sine", "seed=1", "optimizer=adam"]


# several values without -m -> the fix
SEVERAL = {
    "optimizer.lr=0,05": "optimizer.lr=0.05; or -m",
    "data.inputs=a,b": "several columns are a list, in quotes: 'data.inputs=[a,b]'; or -m",
    "model.width=5,5": "a list, in quotes: 'model.width=[5,5]'; or -m",
    "description=a,b": """a text, in quotes: 'description="a,b"'; or -m""",
    "optimizer=sgd,adam": "Fix: -m in front of the overrides",
    "seed=range(3)": "Fix: -m in front of the overrides",
}


@pytest.mark.parametrize("word", SEVERAL)
def test_several_values_in_a_single_run(word: str) -> None:
    with pytest.raises(InputError, match="several values are a sweep") as caught:
        compose_settings("data=table" if "inputs" in word else "+experiment=sine", word)
    assert SEVERAL[word] in str(caught.value)


MIXED = ("+experiment=[sine,xor]", "optimizer=[sgd,adam]", "loss=[mse]", "data=[]")


@pytest.mark.parametrize("word", MIXED)
def test_a_mixture_is_refused(word: str) -> None:
    with pytest.raises(InputError, match="would merge these choices") as caught:
        compose_settings("data=sine", word)
    for fix in fixes(str(caught.value).partition(" for a run")[0].replace("Fix: -m ", "Fix: ")):
        assert read(fix) is not None


SWEPT = {
    "+experiment=circles,[moons]": "+experiment=circles,moons for a run of each",
    "optimizer=choice(adam,[sgd,adam])": "optimizer=adam,sgd for a run of each",
    "+hydra.sweeper.params.optimizer='[sgd],adam'": "optimizer=sgd,adam for a run of each",
}


@pytest.mark.parametrize("word", SWEPT)
@pytest.mark.parametrize("sweeper", ["hydra/sweeper=batched", "hydra/sweeper=search"])
def test_a_mixture_among_swept_choices_is_refused(word: str, sweeper: str, sweep: Sweep) -> None:
    with pytest.raises(InputError, match="would merge these choices") as caught:
        sweep("data=sine", word, sweeper)
    assert SWEPT[word] in str(caught.value)


# What is swept, and all its values where a fix lists them.
NESTED = {
    "seed=range(3),range(2,5)": "seed=0,1,2,3,4",
    "optimizer.lr=range(0.1,0.4,0.1),2": "optimizer.lr=0.1,0.2,0.3,0.4,2",
    "seed=choice(1,2),3": "seed=1,2,3",
    "seed=1,range(10000000)": "",
    "optimizer.lr=interval(0,1),2": "",
    "seed=range(0,1,0),2": "",
}


@pytest.mark.parametrize("word", NESTED)
def test_a_range_among_other_values_is_refused(word: str, sweep: Sweep) -> None:
    with pytest.raises(InputError, match="stands alone, not among other values") as caught:
        sweep("+experiment=sine", word)
    fix = f"{NESTED[word]}, or one of them alone" if NESTED[word] else "one of them alone"
    assert f"Fix: {fix}" in str(caught.value)


def test_a_list_from_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_WIDTH", "[5,5]")
    with pytest.raises(InputError, match="It is a text") as caught:
        compose_settings("+experiment=sine", "model.width=${oc.env:MY_WIDTH}")
    decoded = 'model.width="${oc.decode:${oc.env:MY_WIDTH}}"'
    assert f"From a variable: '{decoded.replace('MY_WIDTH', 'NAME')}'" in str(caught.value)
    assert compose_settings("+experiment=sine", decoded)[0]["model"]["width"] == [5, 5]


def test_a_variable_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_SEED", raising=False)
    with pytest.raises(InputError, match="the environment variable MY_SEED is not set") as caught:
        compose_settings("+experiment=sine", "seed=${oc.env:MY_SEED}")
    assert "'seed=${oc.env:MY_SEED,VALUE}'" in str(caught.value)
