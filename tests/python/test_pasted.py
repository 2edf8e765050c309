"""The lines that `make run` prints for pasting, pasted: each in a shell of its own, against the running gateway."""

import importlib.machinery
import importlib.util
import os
import pathlib
import subprocess
import sys
import unittest

from gateway import ready

ROOT = pathlib.Path(__file__).resolve().parents[2]
HAS_OPENAI = importlib.util.find_spec("openai") is not None


def printed():
    """The commands by their headline."""
    sys.path.insert(0, str(ROOT / "tools"))
    loader = importlib.machinery.SourceFileLoader("run", str(ROOT / "tools" / "run"))
    run = importlib.util.module_from_spec(importlib.util.spec_from_loader("run", loader))
    loader.exec_module(run)
    blocks = [block.strip() for block in run.CLIENTS.format(**ready(), body=run.BODY).split("\n\n")]
    return dict(block.removeprefix("# ").split("\n", 1) for block in blocks if block.startswith("#"))


@unittest.skipUnless(HAS_OPENAI, "the environment of the older Anthropic SDK has no other clients")
class Pasted(unittest.TestCase):
    def paste(self, commands):
        # The SDKs are those of the Python that runs this test.
        path = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(["bash", "-euc", commands], env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_every_line_but_those_of_claude_code_answers(self):
        said = {headline: self.paste(lines) for headline, lines in printed().items() if not headline.startswith("Claude Code")}
        of = {word: text for word in ("Anthropic SDK", "OpenAI SDK", "boto3", "curl", "what it has cost") for headline, text in said.items() if headline.startswith(word)}
        self.assertEqual(len(of), len(said))
        for word in ("Anthropic SDK", "OpenAI SDK"):
            self.assertTrue(of[word].strip(), word)
        self.assertIn('"stop_reason"', of["boto3"])
        self.assertIn("message_stop", of["curl"])
        self.assertIn('"cost_picodollars"', of["what it has cost"])
        self.assertIn('"dialect":"openai"', of["what it has cost"])


if __name__ == "__main__":
    unittest.main()
