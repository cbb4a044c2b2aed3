"""One halved sweep: how many runs go on, and where the settings stood that were best at the end."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from small_nets.config.schema import show
from small_nets.run.figures.figure import GREY, LIGHT, PALETTE, caption, new_figure
from small_nets.sweep.halving.rungs import survivors
from tests.benchmarks.kept import LOSS, Finished, Replayed

TOP = 5


def halving_figure(whole: Finished, replayed: Replayed, example: str, seeds: int) -> Figure:
    """Left: runs that are trained, over epochs. Right: ranks at the rungs of the final best."""
    figure, (left, right) = new_figure(panels=2)
    _going(left, replayed, seeds)
    left.set(title=f"{example}: {100 * replayed.share:.0f} % of the whole sweep's epochs")
    _ranks(right, whole, replayed)
    figure.legend(loc="outside right upper", frameon=False, title=", ".join(whole.keys))
    caption(
        figure,
        "Right: the place by median validation loss among all settings, at each rung and at the "
        f"end, of the {TOP} that are best at the end; x: where halving stopped it; grey: how many "
        "go on.",
    )
    return figure


def _going(ax: Axes, replayed: Replayed, seeds: int) -> None:
    epochs = [epoch for epoch, _ in replayed.going] + [replayed.epochs]
    runs = [seeds * count for _, count in replayed.going]
    ax.stairs(runs, epochs, fill=True, color=PALETTE[0], alpha=0.6)
    for (epoch, count), height in zip(replayed.going, runs, strict=True):
        ax.annotate(
            f" {count} setting{'s' if count > 1 else ''}", (epoch, height), va="bottom", fontsize=9
        )
    ax.axhline(runs[0], color=GREY, linestyle=":")
    ax.set(xlabel="epoch", ylabel="runs that are trained", ylim=(0, 1.1 * runs[0]))


def _ranks(ax: Axes, whole: Finished, replayed: Replayed) -> None:
    epochs = [*replayed.ranks, replayed.epochs]
    places = [survivors(whole.at(epoch), 1, LOSS).of for epoch in epochs]
    counts = [ranks.count for ranks in replayed.ranks.values()]
    at = range(len(epochs))
    ax.plot(at[:-1], counts, color=LIGHT, linestyle="--", marker="_", markersize=16)
    for colour, setting in zip(PALETTE, list(places[-1])[:TOP], strict=False):
        ranks = [place[setting] for place in places]
        label = "  ".join(map(show, setting))
        ax.plot(at, ranks, color=colour, marker="o", label=label)
        stopped = [i for i, r in enumerate(replayed.ranks.values()) if setting not in r.going]
        if stopped:
            rung = stopped[0]
            ax.plot(rung, ranks[rung], color=colour, marker="x", markersize=12)
    ax.set(yscale="log", xlabel="epoch", ylabel="place", title="The final best")
    ax.set_xticks(at, [f"{epoch:,}" for epoch in epochs])
    ax.minorticks_off()
    ticks = [place for place in (1, 3, 10, 30, 100, 300) if place <= replayed.going[0][1]]
    ax.set_yticks(ticks, map(str, ticks))
    ax.set_ylim(replayed.going[0][1] * 1.2, 0.8)
