"""`thanosql tutorial`."""

from __future__ import annotations

import argparse


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the command."""
    parser.description = "Transcribes and fine-tunes on the tutorial's speech data."


def run(_options: argparse.Namespace) -> int:
    """Runs the tutorial."""
    from thanosql.tutorial import run as run_tutorial

    return run_tutorial()
