"""The full part of a table of which some cells are empty."""

import numpy as np
from numpy.typing import NDArray


def full_part(is_known: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """Of each axis of the table the places that are left, so that all cells of the rest are known.

    Again and again the level goes that lacks the largest share of its cells; of equal ones that of
    the longest axis, and of it the last. What is left need not be the largest full part.
    """
    left = [np.arange(n) for n in is_known.shape]
    while not (known := is_known[np.ix_(*left)]).all():
        worst: tuple[float, int, int, int] | None = None
        for axis, places in enumerate(left):
            others = tuple(i for i in range(known.ndim) if i != axis)
            lacks = 1 - known.mean(axis=others)
            level = len(places) - 1 - int(lacks[::-1].argmax())
            found = (float(lacks[level]), len(places), -axis, level)
            worst = found if worst is None or found[:3] > worst[:3] else worst
        assert worst is not None
        _, _, axis, level = worst
        left[-axis] = np.delete(left[-axis], level)
    return left
