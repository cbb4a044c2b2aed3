"""What the best settings are worth under fresh seeds, as the page shows it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from small_nets.page.numbers import number
from small_nets.sweep.confirmation.confirm import known_confirmed, said_of_confirmed
from small_nets.sweep.results.ranking import Ranked, setting_text
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.results.words import interval_text, said_of_best
from small_nets.sweep.store.store import Store


def confirmed(store: Store, ranked: Sequence[Ranked], standard: Standard) -> dict[str, Any] | None:
    """Rows of the confirmed settings, the best first, and what is said of them; None without any.

    ranked: the sweep's settings. A row has the setting, its number when chosen and confirmed, the
    interval of the latter, the runs, and how many of them succeeded.
    """
    found = known_confirmed(store, ranked, standard)
    if not found:
        return None
    rows = [
        [setting_text(c.chosen.setting), number(c.chosen.worth), number(c.confirmed.worth),
         interval_text(c.confirmed.interval), c.confirmed.n, c.confirmed.succeeded]
        for c in found
    ]  # fmt: skip
    return {
        "rows": rows,
        "said": [
            *said_of_confirmed(store, found, standard),
            *said_of_best([c.confirmed for c in found], replace(standard, race=None)),
        ],
    }
