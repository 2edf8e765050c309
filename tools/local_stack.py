"""Starts the local stack for a tool, waits until it is ready, and ends it."""

import contextlib
import json
import pathlib
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def binary(name="local"):
    """A binary of the development build, wherever cargo puts it."""
    command = ["cargo", "metadata", "--no-deps", "--offline", "--format-version", "1"]
    metadata = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return pathlib.Path(json.loads(metadata.stdout)["target_directory"]) / "debug" / name


def wait_until_ready(path, process=None, timeout_seconds=30):
    """The contents of the ready file, once it is there. It is written whole or not at all."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        with contextlib.suppress(FileNotFoundError):
            return json.loads(pathlib.Path(path).read_text())
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"the local stack ended with {process.returncode} before it was ready")
        if time.monotonic() > deadline:
            raise RuntimeError(f"the local stack was not ready within {timeout_seconds} s")
        time.sleep(0.02)


@contextlib.contextmanager
def running(*arguments, log=None):
    """Yields (process, path of the ready file, its contents). `log` takes what the stack prints; without, it is shown."""
    with tempfile.TemporaryDirectory(prefix="tollgate-") as directory:
        ready_file = pathlib.Path(directory) / "ready.json"
        command = [binary(), "up", "--ready-file", ready_file, *arguments]
        # In a session of its own, so that Ctrl-C reaches this program alone, which then ends the stack in its own way.
        process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stdout=log, stderr=log)
        try:
            yield process, ready_file, wait_until_ready(ready_file, process)
        finally:
            stop(process)


def stop(process):
    """SIGTERM, with which the stack ends everything that it started."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
