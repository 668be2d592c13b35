"""Looking at finished markup: its texts, its elements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "link", "br", "img"}


@dataclass
class Node:
    """An element with what is inside."""

    name: str
    attributes: dict[str, str | None]
    content: list[Node | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text inside."""
        return "".join(part if isinstance(part, str) else part.text for part in self.content)

    @property
    def own_text(self) -> str:
        """Text that stands in no element inside."""
        return "".join(part for part in self.content if isinstance(part, str))

    @property
    def children(self) -> list[Node]:
        return [part for part in self.content if isinstance(part, Node)]

    @property
    def classes(self) -> list[str]:
        return (self.attributes.get("class") or "").split()

    def all(self, name: str, class_: str | None = None) -> Iterator[Node]:
        """Elements of a name, and class, at any depth."""
        for child in self.children:
            if child.name == name and (class_ is None or class_ in child.classes):
                yield child
            yield from child.all(name, class_)

    def one(self, name: str, class_: str | None = None) -> Node:
        return next(self.all(name, class_))

    def number(self, attribute: str) -> float:
        return float(self.attributes[attribute] or "nan")


class _Parser(HTMLParser):
    """Builds the tree; an end tag that fits no start is an error."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, dict(attrs))
        self._open[-1].content.append(node)
        if tag not in _VOID:
            self._open.append(node)

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].name == tag, f"</{tag}> closes <{self._open[-1].name}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].content.append(data)

    def finish(self) -> Node:
        self.close()
        assert self._open == [self.root], f"<{self._open[-1].name}> is not closed"
        return self.root


def parse(markup: str) -> Node:
    parser = _Parser()
    parser.feed(markup)
    return parser.finish()


def rows_of(table: Node) -> list[list[str]]:
    """Texts of all cells, heading included."""
    return [
        [cell.text for cell in row.children if cell.name in ("th", "td")] for row in table.all("tr")
    ]


def table_of(page: Node, caption: str) -> list[list[str]]:
    """Texts of the table under a caption."""
    return next(rows_of(t) for t in page.all("table") if t.one("caption").text == caption)


def figures(page: Node) -> dict[str, Node]:
    """Charts by their titles."""
    return {f.one("b").text: f for f in page.all("figure")}


def drawing_of(figure: Node) -> Node:
    """The chart itself, without its legend."""
    return next(s for s in figure.all("svg") if s.attributes.get("role") == "img")


def legend_of(figure: Node) -> list[str]:
    return [item.text for item in figure.one("ul", "legend").all("li")]


def places(line: Node) -> list[tuple[float, float]]:
    """Where the points of a line stand, x and y in units of the drawing."""
    pairs = (point.split(",") for point in (line.attributes["points"] or "").split())
    return [(float(x), float(y)) for x, y in pairs]
