"""A real browser for the page at `/`; DISTILREC_SCREENSHOTS may name a folder for screenshots."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")

Open = Callable[..., Any]


def shot(page: Any, name: str) -> None:
    folder = os.environ.get("DISTILREC_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def until_status(page: Any, text: str | re.Pattern[str]) -> None:
    """Wait without evaluating a string in the page, which its policy forbids."""
    page.locator("#status").filter(has_text=text).wait_for()


CONTRAST = """() => {
  const parts = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = parts(color).map((v) => v / 255)
      .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor, alpha = parts(color)[3];
      if (alpha === undefined || alpha === 1) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const ratios = [...document.querySelectorAll("body *")]
    .filter((one) => one.checkVisibility() && !one.disabled
      && [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .filter((one) => !["SCRIPT", "STYLE"].includes(one.tagName))
    .map((one) => [light(getComputedStyle(one).color), light(behind(one))])
    .map(([a, b]) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
  return Math.min(...ratios);
}"""
