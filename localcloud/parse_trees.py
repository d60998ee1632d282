"""Keeps the parse trees of state machines: moto parses a definition anew for each execution, which takes seconds.

It knows nothing of what a definition says.
"""

from collections.abc import Callable
from typing import Any


def kept(parse: Callable[[Any], Any], _control: object) -> Callable[[Any], Any]:
    """Does what ``ASLParser.state_machine`` does, once for each text that has no errors."""
    trees: dict[str, Any] = {}

    def state_machine(parser: Any) -> Any:
        text: str = parser.getInputStream().tokenSource.inputStream.strdata
        if text in trees:
            return trees[text]
        tree = parse(parser)
        if parser.getNumberOfSyntaxErrors() == 0:
            trees[text] = tree
        return tree

    return state_machine
