"""What stands between the statements of a script."""

from __future__ import annotations

from thanosql.shell.script import pieces


def test_commands_stand_between_statements_and_not_in_them():
    text = "SELECT 1;\nSELECT 2;\n\\x on\nSELECT '\n\\d';\n\\q"
    assert [(each.text.strip(), each.line, each.is_command) for each in pieces(text)] == [
        ("SELECT 1;\nSELECT 2;", 1, False),
        ("\\x on", 3, True),
        ("SELECT '\n\\d';", 4, False),
        ("\\q", 6, True),
    ]
