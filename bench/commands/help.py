"""How help looks: every option with its default, in groups, and examples as they are written."""

import argparse


class Help(argparse.RawDescriptionHelpFormatter):
    """Adds the default to what is said of an option, unless that speaks of it."""

    def __init__(self, prog: str, **given: int) -> None:
        super().__init__(prog, max_help_position=28, **given)

    def _get_help_string(self, action: argparse.Action) -> str:
        said = action.help or ""
        if action.required or "default" in said or not has_default(action):
            return said
        default = action.default
        text = repr(default) if isinstance(default, str) and not default.isprintable() else str(default)
        return f"{said} (default: {text.replace('%', '%%')})"


def has_default(action: argparse.Action) -> bool:
    """Whether an option stands for a value where it is not given; a switch that is off, or a list, does not."""
    default = action.default
    return not (default is None or default is False or default == [] or default == argparse.SUPPRESS)
