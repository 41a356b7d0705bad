"""The live lab's engine in Chromium against the same network in torch: `python -m benchmarks.live` prints it.

Passes take turns, so that all meet the same load of the machine. Throttling slows a page's main thread and
not its worker, so for such a pass the page runs the network itself.
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from playwright.sync_api import Browser, Page, sync_playwright

from helpers import load_classifier, load_image
from tools import live

SCRIPTS = Path(__file__).parents[1] / "_static" / "live"
ROUNDS = 20
THROTTLING = 4
NO_WORKER = "delete globalThis.Worker;"
NO_WEBASSEMBLY = "delete globalThis.WebAssembly;"
# What a reader waits for after a click: everything from nothing to the first answer.
BEGIN = """async () => {
  const begun = performance.now();
  globalThis.engine = await Live.start({ base: "weights/" });
  globalThis.pixels = Live.resize(await Live.decode(await Live.loadPhoto("weights/", "mastiff")));
  await engine.run(pixels);
  return performance.now() - begun;
}"""
RESIZE = """async () => {
  const picture = await Live.decode(await Live.loadPhoto("weights/", "china"));
  const begun = performance.now();
  Live.resize(picture);
  return performance.now() - begun;
}"""


def page_in(folder: Path) -> Path:
    """An empty page with the engine's scripts and the data that they load."""
    for name in ("pillow", "kernels", "network"):
        shutil.copy(SCRIPTS / f"{name}.js", folder)
    live.write(folder / "weights")
    page = folder / "page.html"
    scripts = "".join(f'<script src="{name}.js"></script>' for name in ("pillow", "kernels", "network"))
    page.write_text(
        f'<!doctype html><meta charset="utf-8"><title>live</title>{scripts}', encoding="utf-8", newline="\n"
    )
    return page


def opened(browser: Browser, page_file: Path, before: str = "", throttling: int = 1) -> Page:
    """The page in a fresh profile, without what a script takes away `before` it is read."""
    page = browser.new_context().new_page()
    page.add_init_script(before)
    page.goto(page_file.as_uri())
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": throttling})
    return page


def torch_pass() -> Callable[[], float]:
    """One pass of the same network on one thread, in milliseconds."""
    torch.set_num_threads(1)
    clf = load_classifier()
    x = clf.preprocess(load_image("mastiff"))[None]

    def run() -> float:
        begun = time.perf_counter()
        with torch.no_grad():
            clf.model(x)
        return 1000 * (time.perf_counter() - begun)

    return run


def measure(rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Milliseconds of everything that is measured, by what it is: one number for each round."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox", "--disable-gpu"],
        )
        page_file = page_in(Path(folder))
        pages = {
            "pass": opened(browser, page_file),
            "pass without WebAssembly": opened(browser, page_file, NO_WORKER + NO_WEBASSEMBLY),
            f"pass, throttled {THROTTLING}×": opened(browser, page_file, NO_WORKER, THROTTLING),
        }
        passes = {"torch, one thread": torch_pass()}
        for name, page in pages.items():
            page.evaluate(BEGIN)
            passes[name] = lambda page=page: page.evaluate("engine.run(pixels).then(({ ms }) => ms)")
        passes["resizing 640 × 427"] = lambda: pages["pass"].evaluate(RESIZE)
        for one in passes.values():
            for _ in range(3):
                one()
        for _ in range(rounds):
            for name, one in passes.items():
                found.setdefault(name, []).append(one())
        for page in pages.values():
            page.context.close()
        for name, throttling in (("cold start", 1), (f"cold start, throttled {THROTTLING}×", THROTTLING)):
            for _ in range(5):
                page = opened(browser, page_file, throttling=throttling)
                found.setdefault(name, []).append(page.evaluate(BEGIN))
                page.context.close()
        browser.close()
    return found


def main() -> None:
    """Measure everything and print it as a table."""
    found = measure()
    unit = statistics.median(found["torch, one thread"])
    print(f"{'':28}{'median ms':>10}{'least ms':>10}{'× torch':>10}")
    for name, times in found.items():
        median = statistics.median(times)
        share = f"{median / unit:.2f}" if "pass" in name or "torch" in name else ""
        print(f"{name:28}{median:10.1f}{min(times):10.1f}{share:>10}")


if __name__ == "__main__":
    main()
