"""What documents name is there, and their commands are found by tests/guides/run."""

import importlib.machinery
import importlib.util
import os
import pathlib
import re
import sys
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


def commands_in_lines():
    """(document, words) of each command in the middle of a text: the blocks are run by tests/guides/run, these are looked up."""
    for document in documents():
        for code in re.findall(r"`([^`\n]+)`", document.read_text()):
            words = [word for word in code.split() if not re.match(r"[A-Z_]+=", word)]
            if len(words) > 1 and (words[0] in ("make", "cargo") or re.match(r"(tools|tests)/", words[0])):
                yield document.relative_to(ROOT).as_posix(), words


def tool(name):
    loader = importlib.machinery.SourceFileLoader(name, str(ROOT / "tools" / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    sys.path.insert(0, str(ROOT / "tools"))
    loader.exec_module(module)
    return module


def packages():
    """The folder of each package of the workspace, by its name."""
    names = {path.parent: re.search(r'^name = "(.+)"', path.read_text(), re.M) for path in ROOT.glob("*/**/Cargo.toml")}
    return {name[1]: folder for folder, name in names.items() if name}


def modules(folder):
    """The paths of a package's modules, as the names of its tests begin."""
    found = set()
    for path in folder.glob("**/*.rs"):
        parts = [part for part in path.relative_to(folder).with_suffix("").parts if part not in ("src", "suite", "mod", "lib", "main")]
        found.add("::".join(parts) + "::")
    return found


def wrong(words):
    """What is wrong with a command, in words; nothing where it can be typed. Names in capitals stand for something."""
    program, *arguments = words
    arguments = [it for it in arguments if not re.fullmatch(r"[A-Z]{2,}…?", it)]
    if program == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M)
        return [it for it in arguments if it not in targets and not re.match(r"[A-Z]+=", it)]
    if program == "cargo":
        return wrong_test(arguments[1:]) if arguments[:1] == ["test"] else []
    path = ROOT / program
    if not os.access(path, os.X_OK):
        return [f"{program} cannot be run"]
    if program == "tools/check":
        return [it for it in arguments if it != "--list" and it not in tool("check").CHECKS]
    return [it for it in arguments if it.startswith("--") and it not in options(path)]


def options(path):
    """The options of a tool, by the text of what reads them."""
    text = path.read_text()
    if "import operator_invoke" in text:
        text += (ROOT / "tools" / "operator_invoke.py").read_text()
    found = set(re.findall(r"--[a-z][a-z-]*", text))
    if path.name == "load":
        fields = re.findall(r"#\[arg\(long.*\]\n    ([a-z_]+):", (ROOT / "tests" / "src" / "bin" / "load.rs").read_text())
        found |= {f"--{field.replace('_', '-')}" for field in fields}
    return found


def wrong_test(arguments):
    """Of `cargo test`: a package that there is, and filters that match modules of it."""
    package = arguments[arguments.index("-p") + 1] if "-p" in arguments else None
    folder = packages().get(package) if package else ROOT
    if folder is None:
        return [f"no package {package}"]
    known = modules(folder)
    filters = [it for it in arguments if not it.startswith("-") and it not in (package, "suite")]
    return [it for it in filters if not any(it in name for name in known)]


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

    def test_a_block_that_keeps_what_a_command_prints_is_one_of_commands(self):
        for line in ('KEY=$(curl --silent a)', 'KEY="$(curl a)"', 'A=1 KEY=$(tools/x)', 'A=1 curl b', 'eval "$(tools/exports)"'):
            self.assertTrue(guides().is_command(line), line)
        for line in ("{json: 1}", "KEY=value", "OpenAI(base_url=1)", "POST /a", "scrape_configs:"):
            self.assertFalse(guides().is_command(line), line)

    def test_commands_in_the_middle_of_a_text_can_be_typed(self):
        """B-23"""
        found = list(commands_in_lines())
        self.assertGreater(len(found), 30)
        self.assertEqual([(document, words, wrong(words)) for document, words in found if wrong(words)], [])

    def test_a_command_that_there_is_not_is_seen(self):
        for line in ("make nothing", "tools/check nothing", "tools/nothing FILE", "cargo test -p nobody", "cargo test -p tests nothing::", "tools/migrate up --backwards"):
            self.assertTrue(wrong(line.split()), line)

    def test_every_block_that_is_not_run_says_why(self):
        reasons = [reason for document in documents() for _, _, reason in guides().blocks(document.read_text()) if reason is not None]
        self.assertTrue(reasons)
        self.assertEqual([reason for reason in reasons if len(reason) < 10], [])


if __name__ == "__main__":
    unittest.main()
