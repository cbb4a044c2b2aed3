"""Writes names of columns and cells for messages."""

import shlex
from collections.abc import Sequence

from small_nets.config.grammar_quoting import in_quotes, quote

LONGEST = 60  # characters of a cell that are shown


def shown(cell: object) -> str:
    """A cell in quotes; a long one is cut."""
    text = repr(cell)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def typed_list(names: Sequence[str]) -> str:
    """A list of names in Hydra's grammar, such as [a,"sepal length (cm)"]."""
    plain = [name.isidentifier() and quote(name) is name for name in names]
    texts = [n if is_plain else in_quotes(n) for n, is_plain in zip(names, plain, strict=True)]
    return f"[{','.join(texts)}]"


def without(names: Sequence[str]) -> str:
    """The fix that removes columns from the inputs, as it is typed in a shell."""
    which = "it" if len(names) == 1 else "them"
    drop = shlex.quote(f"data.drop={typed_list(names)}")
    return f"data.inputs without {which} (with data.inputs=all: {drop})"
