"""Nets that are drawn one after the other from one random stream, and which of them a run is.

A program that builds three nets under one seed draws the second one's weights where those of the
first one end. `model.draw_order` lists the widths of such nets, and `model.width` says which of
them the run trains. So one sweep over the width trains them all, and a list that was meant as the
widths of one net is refused, because the run's own net is not in it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from small_nets.config.errors import InputError
from small_nets.config.schema import show
from small_nets.system.shell_words import quote

Width = int | Sequence[int] | None  # as model.width: no hidden layer, one, or several


def drawn_before(width: Width, draw_order: Sequence[Width] | None) -> list[Width]:
    """The widths of the nets that are drawn before the one of this width, in their order.

    draw_order: the widths of all nets, with this one among them; None where it is drawn alone.
    Raises ValueError where it is not among them.
    """
    return [] if draw_order is None else list(draw_order[: list(draw_order).index(width)])


def check_draw_order(model: Mapping[str, Any]) -> None:
    """Raises InputError where it is not clear which net of `model.draw_order` a run is.

    model: the model section of a config whose values are allowed one by one.
    """
    order = model.get("draw_order")
    if order is None:
        return
    width = model["width"]
    count = order.count(width)
    if count == 1:
        return
    known = list(dict.fromkeys(map(show, order)))
    nets = f"{len(order)} nets, drawn one after the other, of the widths "
    nets = "one net, of the width " if len(order) == 1 else nets
    listed = f"model.draw_order={show(order)}: {nets}{' and '.join(map(show, order))}"
    if count > 1:
        raise InputError(
            f"model.width={show(width)} is {count} times in {listed}. It is not clear which of "
            f"them this run is.\nAllowed: each width once\nFix: {_typed(_once(order))}"
        )
    raise InputError(
        f"model.width={show(width)} is not in {listed}.\nAllowed: model.width={', '.join(known)}\n"
        f"Fix: {_typed([*_once(order), width])} draws this net after the others, "
        "model.draw_order=null draws it alone"
    )


def _typed(order: Sequence[Width]) -> str:
    return quote(f"model.draw_order={show(order)}")


def _once(order: Sequence[Width]) -> list[Width]:
    return [width for i, width in enumerate(order) if width not in order[:i]]


def model_numbers(model: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a checked model section that can change a number of the result.

    Nets that are drawn after the run's own change nothing, so that the first net is the same run
    in every order, and without one.
    """
    found = {key: value for key, value in model.items() if key != "draw_order"}
    order = model.get("draw_order") or []
    # A config that names another width is refused elsewhere.
    before = drawn_before(model["width"], order) if model.get("width") in order else order
    return found | ({"draw_order": before} if before else {})
