"""A real browser: headless Chromium, driven over its pipe by the DevTools protocol. No library, no port."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
STARTS = 3


class Browser:
    """One tab of one browser."""

    def __init__(self, wire_in: int, wire_out: int) -> None:
        self._in, self._out = wire_in, wire_out
        self._left = b""
        self._n = 0
        self._session: str | None = None
        self.said: list[str] = []
        """What the page's console said, security violations included."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """One command and its answer; events on the way are heard."""
        self._n += 1
        message: dict[str, Any] = {"id": self._n, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._in, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._hear()
            if answer.get("id") == self._n:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    def show(
        self,
        url: str,
        *,
        width: int = 390,
        height: int = 844,
        dark: bool = False,
        scripts: bool = True,
        language: str = "zh-CN",
        scale: float = 2,
    ) -> None:
        """Open a page on a screen of that size, and wait until it is drawn."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 700,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="", features=[scheme])
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.call("Network.setExtraHTTPHeaders", headers={"Accept-Language": language})
        self.call("Page.navigate", url=url)
        self.hear("Page.loadEventFired")

    def hear(self, event: str) -> None:
        """Wait for an event of that name."""
        while self._hear().get("method") != event:
            pass

    def ask(self, expression: str) -> Any:  # noqa: ANN401  whatever the page answers
        """The value of an expression in the page; works with the page's own scripts disabled, too."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def picture(self, *, whole: bool = False) -> bytes:
        """A PNG of the screen, or of the whole page."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=whole, **self._clip(whole=whole))
        return base64.b64decode(data["data"])

    def _clip(self, *, whole: bool) -> dict[str, Any]:
        if not whole:
            return {}
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}

    def _hear(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            got = os.read(self._out, 1 << 20)
            if not got:
                raise RuntimeError("the browser ended")
            self._left += got
        line, self._left = self._left.split(b"\0", 1)
        message: dict[str, Any] = json.loads(line)
        if message.get("method") == "Log.entryAdded":
            self.said.append(message["params"]["entry"]["text"])
        if message.get("method") == "Runtime.consoleAPICalled":
            self.said.append(json.dumps(message["params"]["args"]))
        return message


@contextmanager
def browser() -> Iterator[Browser]:
    """A fresh browser with an empty profile; it is gone afterwards.

    Chromium on a crowded machine now and then ends while it starts; that says nothing of a page, so it is started
    again, `STARTS` times at most. Once it is there its end is a failure.
    """
    with ExitStack() as started:
        for start in range(1, STARTS + 1):
            wires = started.enter_context(_process())
            try:
                tab = Browser(*wires)
                break
            except (RuntimeError, BrokenPipeError):
                started.close()
                if start == STARTS:
                    raise
        yield tab


@contextmanager
def _process() -> Iterator[tuple[int, int]]:
    """The pipe of a Chromium of its own, in and out."""
    assert CHROMIUM is not None
    to_browser, our_in = os.pipe()
    our_out, from_browser = os.pipe()
    profile = tempfile.mkdtemp(prefix="chromium-")

    def wire() -> None:
        os.dup2(to_browser, 13)
        os.dup2(from_browser, 14)
        os.dup2(13, 3)
        os.dup2(14, 4)

    process = subprocess.Popen(
        [CHROMIUM, *FLAGS, f"--user-data-dir={profile}"],
        preexec_fn=wire,  # noqa: PLW1509  the pipe must be descriptors 3 and 4
        close_fds=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_browser)
    os.close(from_browser)
    try:
        yield our_in, our_out
    finally:
        os.close(our_in)
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()
        os.close(our_out)
        shutil.rmtree(profile, ignore_errors=True)


def save(path: Path, picture: bytes) -> None:
    """Keep a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture)
