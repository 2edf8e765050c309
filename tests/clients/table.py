"""The table of docs/clients.md, between its marks."""

import dataclasses
import difflib
import pathlib

import tap

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "clients.md"
BEGINS = "<!-- made by tests/clients/run.py --update -->\n"
ENDS = "<!-- until here -->\n"
TOLD = "| client | told by |\n|---|---|\n"
HEAD = "| client | version | mode | what was called | credential | what came back | usage |\n|---|---|---|---|---|---|---|\n"


@dataclasses.dataclass
class Line:
    """One row, as it went."""

    client: str
    version: str
    mode: object
    exchanges: list
    came: str
    usage: str

    def cells(self):
        exchanges = self.exchanges if self.mode.in_order else sorted(self.exchanges, key=lambda it: (it.method, it.path))
        called = "<br>".join(tap.told(exchanges))
        credential = "<br>".join(tap.credentials(self.exchanges))
        return (self.client, self.version, self.mode.name, called, credential, self.came, self.usage)


def settings(lines):
    """How the clients were told where the gateway is: the very variables of the run, and who took them."""
    alike = {}
    for line in lines:
        words = tuple(f"`{name}={value}`" for name, value in line.mode.settings.items())
        alike.setdefault(words, {}).setdefault(line.client)
    for words, clients in alike.items():
        yield (", ".join(clients), "<br>".join(words).replace("{", "<").replace("}", ">"))


def text(lines):
    """What is between the marks."""
    told = "".join(row(cells) for cells in settings(lines))
    return f"{TOLD}{told}\n{HEAD}{''.join(row(line.cells()) for line in lines)}"


def row(cells):
    return f"| {' | '.join(escaped(cell) for cell in cells)} |\n"


def escaped(cell):
    return cell.replace("|", "\\|").replace("\n", " ")


def parts():
    """The document before its table, the table, and what follows it."""
    before, rest = DOCUMENT.read_text().split(BEGINS)
    there, after = rest.split(ENDS)
    return before + BEGINS, there, ENDS + after


def write(lines):
    before, _, after = parts()
    DOCUMENT.write_text(before + text(lines) + after)


def difference(lines):
    """What the table says and what is, line by line where they differ."""
    _, there, _ = parts()
    return "\n".join(difflib.unified_diff(there.splitlines(), text(lines).splitlines(), "the table", "what is", "", "", 0, ""))
