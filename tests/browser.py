"""A headless Chromium, driven by its DevTools protocol over two pipes; no other library is needed for it."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Page:
    """A tab: what it did is in `requests` and `errors`."""

    def __init__(self, send, receive):
        self._send, self._receive, self._number, self._session = send, receive, 0, None
        self.requests, self.errors = [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        """One command of the protocol, and its answer."""
        self._number += 1
        session = {} if self._session is None else {"sessionId": self._session}
        self._send({"id": self._number, "method": method, "params": params, **session})
        while True:
            got = self._receive()
            if got.get("id") == self._number:
                if "error" in got:
                    raise RuntimeError(f"{method}: {got['error']}")
                return got["result"]
            self._noticed(got)

    def _noticed(self, got):
        params = got.get("params", {})
        match got.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Runtime.exceptionThrown":
                self.errors.append(params["exceptionDetails"])
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                self.errors.append(params["args"])
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                self.errors.append(params["entry"])

    def size(self, width, height, *, dark=False, ratio=1):
        """Of the window, in CSS pixels; and whether the person likes it dark."""
        mobile = width < 600
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=ratio, mobile=mobile
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, path, fragment=""):
        """A file, from an empty page."""
        self.call("Page.navigate", url="about:blank")
        self.requests.clear(), self.errors.clear()
        self.call("Page.navigate", url=f"{Path(path).resolve().as_uri()}{fragment}")

    def evaluate(self, expression):
        """The value of an expression of JavaScript, awaited, as plain values."""
        asked = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        found = self.call("Runtime.evaluate", **asked)
        if "exceptionDetails" in found:
            raise RuntimeError(f"{expression[:200]}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def wait_for(self, condition, seconds=120):
        """Until an expression is true."""
        waiting = f"""new Promise((yes, no) => {{
            const end = Date.now() + {1000 * seconds};
            const look = () => {{
                let found = false, why = new Error("not within {seconds} s");
                try {{ found = {condition}; }} catch (error) {{ why = error; }}
                if (found) yes(true); else if (Date.now() > end) no(why); else setTimeout(look, 20);
            }};
            look();
        }})"""
        return self.evaluate(waiting)

    def picture(self, path, whole=True):
        """A screenshot as PNG."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=whole, **self._clip(whole))
        Path(path).write_bytes(base64.b64decode(found["data"]))

    def _clip(self, whole):
        if not whole:
            return {}
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}


@contextlib.contextmanager
def opened():
    """A `Page` of a browser of its own, ended afterwards."""
    (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = (
            f"exec {CHROMIUM} --headless=new --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
            f"--disable-dev-shm-usage --remote-debugging-pipe --user-data-dir={profile} about:blank "
            f"3<&{theirs_in} 4>&{theirs_out}"
        )
        process = subprocess.Popen(
            ["bash", "-c", command], pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in), os.close(theirs_out)
        rest = bytearray()

        def send(message):
            os.write(ours_out, json.dumps(message).encode() + b"\0")

        def receive():
            while b"\0" not in rest:
                got = os.read(ours_in, 1 << 20)
                if not got:
                    raise RuntimeError("the browser has ended")
                rest.extend(got)
            message, _, left = bytes(rest).partition(b"\0")
            rest[:] = left
            return json.loads(message)

        try:
            yield Page(send, receive)
        finally:
            process.terminate()
            process.wait(20)
            os.close(ours_out), os.close(ours_in)
