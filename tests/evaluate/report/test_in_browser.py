"""Pages in a browser: no errors, nothing wider than the screen, both themes."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from ladcli.recipe import load_recipe
from ladcli.stages.compare import CompareOptions, compare
from ladcli.stages.data_stats import StatsOptions, data_stats
from ladcli.stages.report import report
from tests.evaluate.report.runs import write_probe, write_run
from tests.stages.tiny import change_json, copy_of, cut_pixels

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
DARK, LIGHT = 0, 1
PAGES = ("run.html", "comparison.html", "data.html")

#: Measures a page in a frame of a given width, as a phone would show it; the outcome is the title.
MEASURE = """<!doctype html><title>none</title><iframe id="f" src="PAGE"></iframe><script>
const frame = document.getElementById('f');
frame.style = 'border:0;width:WIDTHpx;height:1000px';
frame.onload = () => {
  const page = frame.contentDocument, root = page.documentElement;
  page.querySelectorAll('details').forEach(d => d.open = true);
  const wide = [...page.querySelectorAll('body *')].filter(e => {
    const inner = e.closest('.scroll, svg, .unseen');
    return (!inner || inner === e) && e.getBoundingClientRect().right > WIDTH + 0.5;
  });
  document.title = JSON.stringify({
    width: root.scrollWidth,
    wide: wide.map(e => e.tagName + '.' + e.className).slice(0, 5),
    images: [...page.images].filter(i => !i.naturalWidth && i.loading !== 'lazy').length,
    background: page.defaultView.getComputedStyle(page.body).backgroundColor,
  });
};
</script>"""


@pytest.fixture(scope="module")
def browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        if os.environ.get("LAD_NEEDS_BROWSER"):
            pytest.fail("no chromium is installed, though LAD_NEEDS_BROWSER says so")
        pytest.skip("no chromium is installed")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def folder(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages of a run with two networks and of a comparison; with probes and odd, long names."""
    out = tmp_path_factory.mktemp("report")
    long = "a_name_without_any_break_" * 6
    notes = {"stage": "colad", "command": ["lad", "colad", long, "<script>throw 1</script>"]}
    run = write_run(out / "run", data, networks=("a", "b"), notes=notes)
    seeds = [write_run(out / f"seed{seed}", data) for seed in range(2)]
    for folder in (run, seeds[0]):
        for epoch in (0, 2):
            path = folder / f"probes/epoch_{epoch:03d}.npz"
            write_probe(path, epoch=epoch, names=("train_00000.jpg",))
    report([run], out=out / "run.html")
    given = [f"{long}={run}", *(f"<i>PAA</i>={seed}" for seed in seeds)]
    options = CompareOptions(network="b", all_intervals=True, resamples=50)
    compare(given, options, page=out / "comparison.html")
    write_data_page(data, out / "data.html", long)
    return out


def write_data_page(data: Path, page: Path, long: str) -> None:
    """The page of a data set with a long class name, a strange one, and a damaged image."""
    mine = copy_of(data, page.with_suffix(""))
    for split in ("train", "val"):
        change_json(
            mine / f"annotations/{split}.json",
            lambda content: [
                category.update(name=name)
                for category, name in zip(
                    content["categories"], (long, "<script>throw 1</script>"), strict=False
                )
            ],
        )
    cut_pixels(next((mine / "images").glob("val*")))
    data_stats(load_recipe(None, flags={"data.dir": str(mine)}), StatsOptions(page=page))


def run_browser(browser: str, folder: Path, page: str, theme: int, *options: str) -> str:
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
        "--enable-logging=stderr", "--hide-scrollbars", "--virtual-time-budget=5000",
        f"--user-data-dir={folder / 'profile'}", f"--blink-settings=preferredColorScheme={theme}",
        *options, (folder / page).as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    complaints = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    assert complaints == []
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize(
    ("theme", "background"), [(DARK, "rgb(18, 22, 27)"), (LIGHT, "rgb(255, 255, 255)")]
)
def test_page_fits_its_screen_in_both_themes(
    browser: str, folder: Path, page: str, width: int, theme: int, background: str
) -> None:
    frame = MEASURE.replace("WIDTH", str(width)).replace("PAGE", page)
    (folder / "measure.html").write_text(frame)
    dom = run_browser(browser, folder, "measure.html", theme, "--dump-dom")
    title = re.search(r"<title>(.*?)</title>", dom)
    assert title is not None
    found = json.loads(title[1])
    assert found == {"width": width, "wide": [], "images": 0, "background": background}


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_page_is_drawn(browser: str, folder: Path, page: str) -> None:
    shot = folder / "shot.png"
    size = "--window-size=1400,3000"
    run_browser(browser, folder, page, LIGHT, size, f"--screenshot={shot}")
    picture = Image.open(io.BytesIO(shot.read_bytes())).convert("RGB")
    colors = {color: count for count, color in picture.getcolors(1 << 24) or []}
    # White ground, and the blue of the first network in lines and bars.
    assert max(colors, key=lambda color: colors[color]) == (255, 255, 255)
    assert colors.get((31, 111, 181), 0) > 500
