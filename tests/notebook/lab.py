"""A notebook in JupyterLab in a headless Chromium, as its reader sees it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.notebook.jupyter import Jupyter

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1100, 900
"""Of the window: CSS pixels."""
OPENS_WITHIN = 120_000
RUNS_WITHIN = 1_500_000
"""Milliseconds."""

# What a player is once it has been told to load: `preload` is "none", so that a page of many players opens at once.
DECODE = """async (players) => await Promise.all(players.map((player) => new Promise((done) => {
    const tell = () => done({seconds: player.duration, ready: player.readyState, error: player.error?.message ?? null});
    player.oncanplay = player.onerror = tell;
    player.load();
    setTimeout(tell, 20000);
})))"""
COUNT_WAITING = """() => document.querySelectorAll('.jp-CodeCell .jp-InputPrompt').values()
    .filter((prompt) => prompt.textContent.includes('*')).toArray().length"""
IDLE = f"() => ({COUNT_WAITING})() === 0"

# Cells come onto the page one after the other, the outputs of each with it.
OPEN = """() => {
    const widget = window.jupyterapp?.shell.currentWidget;
    return widget?.context?.isReady && widget.content.widgets.every((cell) => cell.inViewport !== undefined
        && cell.isPlaceholder() === false && (cell.model.type !== 'code' || cell.model.outputs.length === 0
            || cell.node.querySelector('.jp-OutputArea-child') !== null));
}"""
KERNEL_IDLE = """() => {
    const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
    return context?.isReady && context.session?.kernel?.status === 'idle';
}"""


@contextmanager
def chromium(scheme: str = "light") -> Iterator[Any]:
    """A window of Debian's Chromium, or of another that is installed; skips the test where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("needs a browser: apt-get install chromium")
    with playwright.sync_playwright() as running:
        # Chromium's own sandbox refuses to work for root, as in a container.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = running.chromium.launch(executable_path=program, args=arguments)
        window = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme)
        try:
            yield window.new_page()
        finally:
            browser.close()


class Notebook:
    """A notebook that is open."""

    def __init__(self, page: Any, jupyter: Jupyter, name: str) -> None:
        self.page = page
        page.goto(jupyter.page(name))
        page.wait_for_function(OPEN, timeout=OPENS_WITHIN)

    def wait_for_kernel(self) -> None:
        """Until its kernel waits for cells."""
        self.page.wait_for_function(KERNEL_IDLE, timeout=OPENS_WITHIN)

    def command(self, name: str) -> None:
        """Carries out a command of JupyterLab's menus; returns when it is begun."""
        self.page.evaluate("(name) => { window.jupyterapp.commands.execute(name) }", name)

    def run_all(self) -> None:
        """Runs every cell, and waits for the last."""
        self.command("notebook:run-all-cells")
        self.page.wait_for_function(f"() => ({COUNT_WAITING})() > 0", timeout=OPENS_WITHIN)
        self.wait_until_run()

    def run(self, text: str, *, wait: bool = True) -> None:
        """Runs the code cell whose source has `text`, and waits for it."""
        self.cell(text).locator(".cm-content").click()
        self.command("notebook:run-cell")
        self.page.wait_for_timeout(500)
        if wait:
            self.wait_until_run()

    def wait_until_run(self, within: int = RUNS_WITHIN) -> None:
        """Until no cell runs or waits."""
        self.page.wait_for_function(IDLE, timeout=within, polling=100)

    def save(self) -> None:
        """Writes it to its file, and waits for that."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")

    def cell(self, text: str) -> Any:
        """The code cell whose source has `text`."""
        return self.page.locator(".jp-CodeCell").filter(has=self.page.locator(".cm-content", has_text=text)).first

    def output(self, text: str) -> Any:
        """What stands under that cell."""
        return self.cell(text).locator(".jp-Cell-outputArea")

    def prompts(self) -> list[str]:
        """What stands beside each code cell: [1]:, [ ]:, …"""
        found: list[str] = self.page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()
        return [text.strip() for text in found]

    def players(self) -> list[dict[str, Any]]:
        """Of each player: the seconds that it plays, how ready it is (4: it can play to the end), what went wrong."""
        found: list[dict[str, Any]] = self.page.locator("audio").evaluate_all(DECODE)
        return found

    def picture(self, file: Path, *texts: str) -> Path:
        """A screenshot of the cells that have the texts, from the first to the last of them."""
        boxes = []
        # The cells stand at their places only when all above them are drawn.
        for _ in range(2):
            self.page.set_viewport_size({"width": WIDTH, "height": self._height()})
            self.page.evaluate("() => { document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0 }")
            self.page.wait_for_timeout(300)
        for text in texts:
            box = self.cell(text).bounding_box()
            assert box is not None, f"no cell with {text!r} is on the page"
            boxes.append(box)
        top, bottom = min(box["y"] for box in boxes), max(box["y"] + box["height"] for box in boxes)
        left, right = boxes[0]["x"], boxes[0]["x"] + boxes[0]["width"]
        clip = {"x": left, "y": top, "width": right - left, "height": bottom - top}
        self.page.screenshot(path=str(file), clip=clip, animations="disabled")
        self.page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
        return file

    def _height(self) -> int:
        """Of a window that has the whole notebook in it."""
        height: float = self.page.evaluate(
            "() => { const all = document.querySelector('.jp-WindowedPanel-outer');"
            " return all.scrollHeight - all.clientHeight + window.innerHeight }"
        )
        return min(int(height) + 20, 12_000)
