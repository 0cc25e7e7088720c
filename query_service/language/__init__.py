"""The language of statements: from the user's text to statements that know their place in it."""
