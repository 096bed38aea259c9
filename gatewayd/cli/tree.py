"""All commands as a tree: for completion scripts, the manual page, and tests that go through every command.

Rules: knows click and nothing of what the commands do. The module of every command is imported.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import click


@dataclass(frozen=True, slots=True)
class Node:
    """A command or a group: () is gatewayd itself, ("archive", "show") one of its commands."""

    path: tuple[str, ...]
    command: click.Command
    children: tuple["Node", ...] = ()

    @property
    def help(self) -> str:
        """What it says of itself, as it stands in the code."""
        return (self.command.help or "").strip()

    @property
    def options(self) -> list[click.Option]:
        """Without --help."""
        return [one for one in self.command.params if isinstance(one, click.Option) and not one.hidden]

    @property
    def arguments(self) -> list[click.Argument]:
        return [one for one in self.command.params if isinstance(one, click.Argument)]


def node(command: click.Command, path: tuple[str, ...] = ()) -> Node:
    """The tree below a command."""
    children: list[Node] = []
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                children.append(node(child, (*path, name)))
    return Node(path, command, tuple(children))


def nodes(command: click.Command) -> Iterator[Node]:
    """All of them, each before its commands."""

    def below(one: Node) -> Iterator[Node]:
        yield one
        for child in one.children:
            yield from below(child)

    yield from below(node(command))
