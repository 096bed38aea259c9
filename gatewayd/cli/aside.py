"""What is told beside the result: on standard error."""

import click


def aside(text: str) -> None:
    """A line of it."""
    click.echo(text, err=True)
