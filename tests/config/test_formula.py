"""A typed formula: what is read, what is refused and where, and how it comes off a command line."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from small_nets.config.errors import InputError
from small_nets.config.formula import LONGEST, FormulaError, is_formula, parse, why_not
from small_nets.config.multirun_keys import as_typed, for_multirun
from small_nets.config.override_values import read
from small_nets.config.unquoted_values import in_quotes
from small_nets.run.build.compose import compose_settings

# Text -> the place that is marked (None: the whole), and words of the message.
BAD: dict[str, tuple[int | None, str]] = {
    "": (None, "it is empty"),
    "   ": (None, "it is empty"),
    "pi": (None, "it has no x"),
    "9**9**9": (None, "it has no x"),
    "abs(y)": (4, "it knows no y"),
    "z": (0, "it knows no z"),
    "foo(x)": (0, "it knows no function foo"),
    "1 + ln(x)": (4, "Did you mean log?"),
    "Sin(x)": (0, "Did you mean sin?"),
    "tnah(x)": (0, "Did you mean tanh?"),
    "sin x": (0, "sin is a function: sin(x)"),
    "x + sin": (4, "sin is a function: sin(x)"),
    "2x": (1, "a product needs its sign, *"),
    "2 sin(x)": (1, "a product needs"),
    "3(x+1)": (1, "a product needs"),
    "(x)(x)": (3, "a product needs"),
    "x(2)": (1, "a product needs"),
    "x y": (1, "a product needs"),
    "x^2": (1, "It is written **"),
    "x²": (1, "It is written **2"),
    "|x|": (0, "It is written abs(x)"),
    "\u2212x": (0, "It is written -"),
    "sin(x": (3, "this ( is not closed"),
    "x)": (1, "this ) closes nothing"),
    "x + ": (2, "missing at its end"),
    "x = 1": (2, "= is not allowed here"),
    "x == 1": (0, "compared by < <= > >="),
    "x if x > 0 else 0": (0, "A choice is a product"),
    "x > 0 and x < 1": (0, "as a product"),
    "x, 1": (0, "a sweep: -m"),
    "max(x)": (0, "max takes 2 to 10 numbers, not 1"),
    "abs(x, x)": (0, "abs takes 1 number, not 2"),
    "min(x, key=1)": (0, "numbers without names"),
    "max(*x, 1)": (4, "*x is not"),
    "np.sin(x)": (0, "Did you mean sin?"),
    "x.real": (0, "a name has no dot"),
    "x + x1": (4, "x1 stands beside x"),
    "x11": (0, "more than 10 inputs"),
    "x0": (0, "it knows no x0"),
    "1e999*x": (0, "more than a float64 holds"),
    "1j*x": (0, "not a decimal number"),
    "0x1*x": (0, "not a decimal number"),
    "1_0*x": (0, "not a decimal number"),
    "True*x": (0, "not a decimal number"),
    "'a'*x": (0, '"\'" is not allowed'),
    "[x]": (0, "'[' is not allowed"),
    "x\nx": (1, "is not allowed"),
    "lambda x": (0, "it knows no lambda"),
    "__import__(x)": (0, "no function __import__"),
    "x.__class__": (0, "a name has no dot"),
    "x" + "+x" * 300: (None, "601 characters, more than 500"),
    "(" * 200 + "x" + ")" * 200: (50, "more than 50 brackets in brackets"),
    "-" * 400 + "x": (50, "more than 50 expressions in one another"),
    "x**" * 150 + "x": (147, "more than 50 expressions"),
    "not " * 100 + "x": (0, "is not an expression"),
}


@pytest.mark.parametrize("text", BAD, ids=lambda text: text[:20])
def test_a_wrong_formula_is_answered_with_its_place(text: str) -> None:
    place, words = BAD[text]
    with pytest.raises(FormulaError) as caught:
        parse(text)
    assert caught.value.place == place
    assert words in why_not(text)
    assert not is_formula(text)
    if place is not None:
        marked, arrow = why_not(text).splitlines()[1:3]
        assert marked[arrow.index("^")] == text[place] or not text[place].isprintable()


@pytest.mark.parametrize("text", [
    "(" * 10_000 + "x" + ")" * 10_000, "-" * 100_000 + "x", "x*" * 10**6 + "x", "9" * 10**5,
    "9**" * 100 + "x", "x" * LONGEST, "((((" * 100, "max(" * 120, "1e" * 200, "not " * 120 + "x",
], ids=lambda text: text[:4])  # fmt: skip
def test_a_hostile_text_ends_at_once_with_a_message(text: str) -> None:
    began = time.process_time()
    assert why_not(text)
    assert len(why_not(text)) < 1000
    assert time.process_time() - began < 0.2


@given(st.text(st.sampled_from("x12.+-*/()<>=, eabsinpE_"), max_size=40))
def test_any_text_is_read_or_answered(text: str) -> None:
    """Without another error, and without a warning: these are errors here."""
    assert is_formula(text) == (why_not(text) == "")


@pytest.mark.parametrize(("text", "inputs"), [
    ("x", 1), (" abs( x ) ", 1), ("-1 < x <= 1", 1), ("x1*x2", 2), ("x2", 2), ("x10", 10),
    ("max(x, 0, -1e-3)", 1), ("+.5*x**-2.", 1), ("exp(-pi*x) + e", 1),
])  # fmt: skip
def test_what_is_a_formula(text: str, inputs: int) -> None:
    assert parse(text).inputs == inputs
    assert why_not(text) == ""


WORDS = {
    "data.formula=abs(x)": ["abs(x)"],
    "data.formula='abs(x)'": ["abs(x)"],
    'data.formula="abs(x)"': ["abs(x)"],
    "+data.formula=abs(x)": ["abs(x)"],
    "data.formula=x<0": ["x<0"],
    "data.formula=2*x + 1": ["2*x + 1"],
    "data.formula=abs(x),sin(x)": ["abs(x)", "sin(x)"],
    "data.formula=abs(x), max(x,0), x": ["abs(x)", "max(x,0)", "x"],
    "data.formula='abs(x)',max(x, 0)": ["abs(x)", "max(x, 0)"],
    "data.formula=choice('abs(x)','x')": ["abs(x)", "x"],
    "data.formula=3": ["3"],
    r"data.formula=max\(x\,0\)": ["max(x,0)"],  # as Hydra hands on a value of choice()
}


@pytest.mark.parametrize("word", WORDS)
def test_it_is_typed_without_quotes_of_its_own(word: str) -> None:
    found = read(word)
    assert found is not None
    value = found.value()
    values = value.list if found.is_sweep_override() else [value]  # type: ignore[union-attr]
    assert [getattr(v, "text", v) for v in values] == WORDS[word]


@pytest.mark.parametrize("word", [
    "data.formula=", "data.formula=null", "data.formula=???", "data.formula=${name}", "seed=3",
    "data.formulas=abs(x)", "model.width=5,[5,5]", "~data.formula", "data.formula",
])  # fmt: skip
def test_other_words_stay_as_they_are(word: str) -> None:
    assert in_quotes(word) == word


@pytest.mark.parametrize("formula", ["abs(x)", "max(x,0)", "x < 0.5", "2*x"])
def test_it_stands_beside_a_swept_experiment(formula: str) -> None:
    made = for_multirun(["+experiment=sine,dying_relu", in_quotes(f"data.formula={formula}")])
    assert made[1] == f"data.formula=choice('{formula}')"
    assert as_typed(made[1]) == f"data.formula='{formula}'"


TYPED: dict[tuple[str, ...], tuple[str, ...]] = {
    ("data.formula='ln(x)'",): (
        "data.formula='ln(x)' is not allowed: it knows no function ln", "Did you mean log?",
        "Allowed: numbers, x", "For example: data.formula='abs(x)'",
    ),
    ("data.formula=log(x)",): ("'log(x)' is not a number at x=-1 (200 of 400 points)", "data.low"),
    ("data.formula=log(x)", "data.low=0"): ("'log(x)' is -infinite at x=0.",),
    ("data.formula=1/x", "data.points=3"): ("'1/x' is infinite at x=0.",),
    ("data.formula=x**9**9", "data.high=2"): ("is infinite at x=1.",),
    ("data.formula=x1/x2", "data.points=9", "data.spacing=even"): ("at x1=-1, x2=0 (3 of 9",),
    ("data.formula=x1*x2", "data.points=10", "data.spacing=even"): (
        "no grid over 2 inputs", "data.points=9, data.points=16, or data.spacing=uniform",
    ),
    ("data.formula=x", "data.low=2"): ("data.low=2 data.high=1: the range is empty",),
    ("data.formula=x", "data.points=1"): ("data.points=1 is not allowed",),
    ("data.formula=x", "data.points=1e9"): ("data.points=1000000000 makes 2,000,000,000 numbers",),
    ("data.formula=x", "data.noise=-1"): ("data.noise=-1",),
    ("data.formula=x", "data.spacing=evn"): ("even, uniform", "Did you mean even?"),
    ("data.formula=x", "data.point=3"): ("data.point does not exist", "Did you mean points?"),
    (): ("data.formula has no value", "Fix: data.formula='abs(x)'"),
    ("data.formula=(((((((((((((((((((((((x)))))))))))))))))))))))",): ("brackets in brackets",),
}  # fmt: skip


@pytest.mark.parametrize("words", TYPED, ids=" ".join)
def test_the_message(words: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        compose_settings("data=formula", *words)
    for said in TYPED[words]:
        assert said in str(caught.value)
