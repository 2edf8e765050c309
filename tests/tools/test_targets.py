"""What is compiled for tests, and how often. Targets without tests are not built as test programs (`test = false`, `doctest = false`), for
each would be linked with all of the SDKs: so no test may stand in one. And builds and tests share what they depend on."""

import pathlib
import re
import subprocess
import tomllib
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEST = re.compile(r"#\[(?:\w+::)*test\b|#\[cfg\(test\)\]")
EXAMPLE = re.compile(r"^\s*//[/!] ```", re.MULTILINE)


def targets(folder):
    """Libraries and binaries of the package in `folder`: what is said of each, and its files."""
    said = tomllib.loads((folder / "Cargo.toml").read_text())
    files = set((folder / "src").rglob("*.rs"))
    programs = {folder / it["path"]: it for it in said.get("bin", [])}
    yield said.get("lib", {}), files - {folder / "src/main.rs"} - set((folder / "src/bin").glob("*.rs"))
    for program in {folder / "src/main.rs", *(folder / "src/bin").glob("*.rs")} & files:
        yield programs.get(program, {}), {program}


class Targets(unittest.TestCase):
    def test_no_test_stands_in_a_target_whose_tests_are_not_run(self):
        members = [path.parent for path in ROOT.glob("*/Cargo.toml")] + [path.parent for path in ROOT.glob("*/*/Cargo.toml")]
        self.assertGreater(len(members), 9)
        for folder in members:
            for said, files in targets(folder):
                for file in files:
                    text = file.read_text()
                    if said.get("test", True) is False:
                        self.assertIsNone(TEST.search(text), file)
                    if said.get("doctest", True) is False:
                        self.assertIsNone(EXAMPLE.search(text), file)

    def test_builds_and_tests_share_their_dependencies(self):
        """A feature that only a test asks for has everything above its crate compiled twice."""
        builds, tests = features("normal,build"), features("normal,build,dev")
        self.assertGreater(len(builds), 100)
        self.assertEqual({name: tests[name] for name in builds}, builds)


def features(edges):
    """The features that each crate has, by its name and version."""
    command = ["cargo", "tree", "--locked", "--offline", "--workspace", f"--edges={edges},features", "--prefix=none", "--format={p}={f}"]
    told = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    crates = (line.removesuffix(" (*)").split("=") for line in told.splitlines() if "=" in line)
    return {crate: features for crate, features in crates}


if __name__ == "__main__":
    unittest.main()
