"""The colours of the page can be told apart: by WCAG 2.2, 4.5:1 for text and 3:1 for lines."""

import re
from pathlib import Path

import pytest

from small_nets.page.write import HERE


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def read(name: str) -> str:
    return (Path(HERE) / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast(theme: str) -> None:
    blocks = re.findall(r":root(?:\[data-theme=\"dark\"\])? \{(.*?)\}", read("page.css"), re.DOTALL)
    css = dict(re.findall(r"--(\w+): (#\w{6});", blocks[theme == "dark"]))
    for ground in ("ground", "panel", "mark"):
        assert contrast(css["text"], css[ground]) >= 4.5
    for text in ("quiet", "link"):
        assert contrast(css[text], css["ground"]) >= 4.5
    assert contrast(css["quiet"], css["panel"]) >= 4.5  # the names of the tiles
    assert contrast(css["focus"], css["ground"]) >= 3
    found = re.search(rf"{theme}: \[(.*?)\]", read("charts.js"))
    assert found is not None
    lines = re.findall(r"#\w{6}", found[1])
    assert len(lines) == 6
    assert min(contrast(line, css["ground"]) for line in lines) >= 3
