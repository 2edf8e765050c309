"""What documents name is there, and their commands are found by tests/guides/run."""

import importlib.machinery
import importlib.util
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("functions", "shared", "tests", "docs", "tools", "localstack", "events")


def guides():
    loader = importlib.machinery.SourceFileLoader("guides", str(ROOT / "tests" / "guides" / "run"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("guides", loader))
    loader.exec_module(module)
    return module


def documents():
    return [path for pattern in guides().DOCUMENTS for path in ROOT.glob(pattern)]


def named_paths(text):
    """Paths of the project in code, with `{a,b}` spelt out."""
    start = re.compile(rf"(?:{'|'.join(FOLDERS)})/[\w./*{{}},-]*")
    for code in re.findall(r"`([^`]+)`", text):
        for word in code.split():
            found = start.match(word)
            if found:
                yield from spelt_out(found[0].rstrip("."))


def spelt_out(path):
    braces = re.match(r"(.*)\{(.*)\}(.*)", path)
    return [f"{braces[1]}{it}{braces[3]}" for it in braces[2].split(",")] if braces else [path.rstrip(",")]


class Documents(unittest.TestCase):
    def test_every_file_that_a_document_names_is_there(self):
        missing = [
            f"{document.relative_to(ROOT)}: {path}"
            for document in documents()
            for path in named_paths(document.read_text())
            if not any(ROOT.glob(path.rstrip("/")))
        ]
        self.assertEqual(missing, [])

    def test_a_wrong_file_name_is_seen(self):
        self.assertEqual(list(named_paths("see `shared/{a,b}.rs`, `tools/x y`, `target/z`")), ["shared/a.rs", "shared/b.rs", "tools/x"])

    def test_blocks_are_commands_and_say_why_they_are_not_run(self):
        text = "Text.\n\n    curl a \\\n      b\n    tools/c\n\n    {json: 1}\n\n<!-- not run: Docker -->\n\n    docker d\n\n```\nX=1 tools/e\n```\n"
        found = guides().blocks(text)
        self.assertEqual(found, [(3, "curl a \\\n  b\ntools/c", None), (11, "docker d", "Docker"), (14, "X=1 tools/e", None)])

    def test_every_block_that_is_not_run_says_why(self):
        reasons = [reason for document in documents() for _, _, reason in guides().blocks(document.read_text()) if reason is not None]
        self.assertTrue(reasons)
        self.assertEqual([reason for reason in reasons if len(reason) < 10], [])


if __name__ == "__main__":
    unittest.main()
