"""The README's pictures, made by its own commands: python -m tests.pictures (about a minute)."""

import os
import shlex
import shutil
import tempfile
from pathlib import Path

from small_nets.commands import report
from small_nets.notebook import sweep
from tests.browser import open_page, start_browser
from tests.conftest import ROOT

PICTURES = ROOT / ".github" / "pictures"
MARGIN = 16  # pixels
# The map and the lines, and not what follows in their section, nor the bar that stays in sight.
WITHOUT_THE_REST = """() => {
  const effects = document.getElementById("effects");
  for (const place of [effects, effects.previousElementSibling]) place.style.display = "none";
  document.getElementById("controls").style.position = "static";
}"""


def train(directory: str) -> Path:
    """Run the README's sweep into this directory, as it is printed."""
    text = (ROOT / "README.md").read_text()
    (line,) = (x for x in text.splitlines() if f"sweep.dir={directory}" in x)
    sweep(*shlex.split(line)[4:])
    return Path(directory)


def main() -> None:
    """Write widths.png and report.png in place of older ones."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        shutil.copy(train("outputs/my_widths") / "fit.png", PICTURES / "widths.png")
        directory = train("outputs/my_sweep")
        report.main([str(directory)])
        address = (directory / "report.html").resolve().as_uri()
        with start_browser() as browser, open_page(browser, address, width=1100) as page:
            page.evaluate(WITHOUT_THE_REST)
            box = page.locator("#compare").bounding_box()
            assert box is not None
            page.screenshot(
                path=PICTURES / "report.png",
                full_page=True,
                clip={"x": 0, "y": box["y"], "width": 1100, "height": box["height"] + MARGIN},
            )
        os.chdir(ROOT)


if __name__ == "__main__":
    main()
