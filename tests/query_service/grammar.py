"""A grammar of the dialect that makes statements by chance: right ones, nested ones, long ones, and ones with slips.

One file, which the tests and benchmarks/sql.py load by its path.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

TABLES = {
    "librispeech_train": ("audio_path", "text"),
    "librispeech_test": ("audio_path", "text"),
    "calls": ("id", "recording", "speaker", "minutes"),
    '"Old Calls"': ('"Path"',),
}
MODELS = ("my_model", "tutorial_audio_recognition", "My_Model", '"my_model"')
STRANGE_NAMES = (
    *("callz", "통화", '"통화 기록"', '""', '"a""b"', "select", "x" * 70, "é", "_", "public.calls", "a.b.c.d", "Ⅷ"),
    *('"\u200b"', "my-model", "1st", "'calls'", "table", "predict", "options", "information_schema.tables"),
)
TEXTS = (
    *("'anna'", "''", "'it''s'", "'한국어'", "'; DROP TABLE calls; --'", "'/*'", "E'\\n'", "$$a;b$$", "'🎧'", "'%x_'"),
    *("'2024-01-01'", "'{\"a\": [1]}'", "'calls.csv'", "'../../etc/passwd'"),
)
NUMBERS = ("0", "1", "-1", "42", "1.5", "1e-4", "1e400", "99999999999999999999", ".5", "007", "0x1F", "1_000")
FUNCTIONS = (
    *("upper", "lower", "length", "coalesce", "abs", "round", "wer", "cer", "concat", "substring", "replace", "md5"),
    *("now", "date_trunc", "json_extract_string", "regexp_replace", "list_transform", "greatest", "to_char", "nope"),
    *("read_csv", "pg_read_file", "getenv", "nextval", "thanosql_words", "thanosql_word_errors"),
)
AGGREGATES = ("count", "sum", "avg", "min", "max", "array_agg", "string_agg", "wer", "cer", "bool_and", "stddev")
OPERATORS = (
    *("=", "<>", "!=", "<", ">=", "+", "-", "*", "/", "%", "||", "AND", "OR", "LIKE", "ILIKE", "~", "->>", "@>", "&&"),
    *("IS DISTINCT FROM", "IS NOT DISTINCT FROM", "NOT LIKE", "SIMILAR TO", "AT TIME ZONE", "^", "#>>", "=="),
)
TYPES = ("text", "int", "bigint", "numeric(5,2)", "timestamptz", "date", "text[]", "json", "jsonb", "nope", "interval")
OPTIONS = (
    *("audio_col", "text_col", "epochs", "max_epochs", "batch_size", "learning_rate", "eval_fraction", "seed", "lora"),
    *("early_stopping", "augmentation", "devices", "language_model", "overwrite", "if_exists", "result_col", "cache"),
    *("column_name", "confidence_col", "words_col", "error_col", "on_error", "hotwords", "hotword_weight", "sheet"),
    *("model_name", "table_name", "epoch", "한글"),
)
VALUES = (
    *("True", "False", "'fail'", "'replace'", "'append'", "'null'", "audio_path", "recording", "'text'", '"text"'),
    *("['Anna', 'Kubernetes']", "[]", "[1, [2]]", "NULL", "yes"),
)
SPEECH = ("cache = False", "batch_size = 4", "on_error = 'null'", "hotwords = ['Anna']", "audio_col = 'audio_path'")
TRAINING = (
    "epochs = 1",
    "batch_size = 4",
    "overwrite = True",
    "audio_col = audio_path",
    "text_col = 'text'",
    "seed = 7",
)
PRINTING = ("audio_col = audio_path", "audio_col = recording")
COPYING = ("overwrite = True", "if_exists = 'replace'")
NAMING = ("overwrite = True", "overwrite = False")
STRAY = (
    *(
        "(",
        ")",
        "[",
        "]",
        ",",
        ",,",
        ";",
        "'",
        '"',
        "--",
        "/*",
        "*/",
        "$$",
        "$1",
        "?",
        ":x",
        "@y",
        "%s",
        "..",
        "::",
        "{",
    ),
    *("AS", "SELECT", "FROM", "WHERE", "OPTIONS", "USING", "NOT", "CASE", "END", "OVER", "FILTER", "LATERAL", "PIVOT"),
    *(
        "QUALIFY",
        "TABLESAMPLE",
        "COLLATE",
        "INTO",
        "FOR UPDATE",
        "‘",
        "，",
        "\u00a0",
        "\ufeff",
        "\0",
        "🎧",
        "\n#",
        "\\",
    ),
)
SPACES = (*(" ",) * 20, "\n", "\t", "  ", " -- a remark\n", " /* a /* nested */ remark */ ", "\n# a remark\n", "\r\n")


class Grammar:
    """Makes statements by chance; the same chance makes the same ones.

    Args:
        chance: What decides.
        slips: Share of the statements that have one slip or more.
        deepest: How deep queries and expressions may nest, but for the few that are made to be deep.
    """

    def __init__(self, chance: Random, *, slips: float = 0.4, deepest: int = 4) -> None:
        self._chance = chance
        self._slips = slips
        self._deepest = deepest
        self._depth = 0

    def script(self) -> str:
        """One statement, sometimes more."""
        count = self._chance.choice((1, 1, 1, 1, 1, 1, 1, 2, 3))
        return self._pick((";", ";\n", " ; ")).join(self.statement() for _ in range(count)) + self._maybe(";", 0.2)

    def statement(self) -> str:
        """A statement, in the user's many ways of spacing."""
        self._depth = 0
        words = self._statement().replace("Old Calls", "Old\x01Calls").split(" ")
        if self._chance.random() < self._slips:
            for _ in range(self._chance.choice((1, 1, 1, 2, 4))):
                self._slip(words)
        if self._chance.random() < 0.1:
            words = [self._pick((word.lower(), word.upper(), word)) for word in words]
        text = "".join(word + self._chance.choice(SPACES) for word in words).strip(" ")
        return text.replace("\x01", " ")

    # --- statements ---------------------------------------------------------------------------------------------------

    def _statement(self) -> str:
        table, model = self._name(TABLES), self._name(MODELS)
        make: Callable[[], str] = self._pick(
            (
                *(self._query,) * 6,
                *(self._predict,) * 4,
                *(self._evaluate,) * 2,
                lambda: f"PRINT AUDIO {self._options(PRINTING)} AS {self._rows()}",
                lambda: f"BUILD MODEL {self._new()} USING Wav2Vec2En {self._options(TRAINING)} AS {self._rows()}",
                lambda: f"FIT MODEL {model} USING {model} {self._options(TRAINING)} AS {self._rows()}",
                lambda: f"COPY {self._new()} {self._options(COPYING)} FROM {self._pick(TEXTS)}",
                lambda: f"CREATE TABLE {self._new()} AS {self._rows()}",
                lambda: f"CREATE TABLE {self._new()} AS {self._rows()}",
                lambda: f"INSERT INTO {table} {self._columns_in_parentheses()} {self._rows()}",
                lambda: f"INSERT INTO {table} VALUES {self._list(lambda: f'( {self._list(self._value)} )')}",
                lambda: (
                    f"UPDATE {table} SET {self._list(lambda: f'{self._column()} = {self._value()}')} {self._where()}"
                ),
                lambda: f"DELETE FROM {table} {self._where()}",
                lambda: f"DROP TABLE {self._maybe('IF EXISTS ')}{table}",
                lambda: f"ALTER TABLE {table} RENAME TO {self._new()}",
                lambda: f"ALTER TABLE {table} RENAME COLUMN {self._column()} TO {self._new()}",
                self._listing,
                lambda: f"DESCRIBE {self._pick((f'TABLE {table}', f'MODEL {model}', 'JOB 4f2e91ab'))}",
                lambda: f"GET THANOSQL {self._pick(('MODEL', 'DATASET'))} {self._new()} {self._options(NAMING)}",
                lambda: f"UPLOAD MODEL {self._new()} {self._options(NAMING)} FROM {self._pick(TEXTS)}",
                lambda: f"EXPORT MODEL {model} TO {self._pick(TEXTS)}",
                lambda: f"{self._pick(('DELETE', 'DROP'))} MODEL {self._maybe('IF EXISTS ')}{model}",
                lambda: (
                    f"{self._pick(('CANCEL', 'RESUME'))} JOB {self._pick(('4f2e91ab', '4f', '9', 'x-1', TEXTS[0]))}"
                ),
                lambda: f"EXPLAIN {self._statement() if self._depth < 3 else 'SELECT 1'}",
                self._deep,
                self._long,
            )
        )
        self._depth += 1
        return make()

    def _predict(self) -> str:
        return f"PREDICT USING {self._name(MODELS)} {self._options(SPEECH)} AS {self._rows()}"

    def _evaluate(self) -> str:
        return f"EVALUATE USING {self._name(MODELS)} {self._options(SPEECH)} AS {self._rows()}"

    def _listing(self) -> str:
        return f"LIST {self._pick(('TABLES', 'MODELS', 'BASE MODELS', 'JOBS', 'THANOSQL MODEL', 'THANOSQL DATASET'))}"

    def _options(self, usual: tuple[str, ...]) -> str:
        """Mostly what makes sense for the statement, so that what lies behind the options is reached too."""
        count = self._chance.choice((0, 0, 1, 1, 2))
        given = self._chance.sample(usual, count)
        if self._chance.random() < 0.1:
            given.append(f"{self._pick(OPTIONS)} = {self._pick((*VALUES, *NUMBERS))}")
        return f"OPTIONS ( {' , '.join(given)} )" if given else ""

    # --- queries ------------------------------------------------------------------------------------------------------

    def _rows(self) -> str:
        """What gives rows: a query, often simply of a table, or another statement."""
        simple = f"SELECT * FROM {self._pick(tuple(TABLES)[:2])}"
        return self._pick((lambda: simple, lambda: simple, self._query, lambda: f"( {self._query()} )", self._nested))()

    def _nested(self) -> str:
        if self._depth >= self._deepest:
            return "( LIST TABLES )"
        self._depth += 1
        inner = self._pick((self._predict, self._predict, self._evaluate, self._listing))()
        self._depth -= 1
        return f"( {inner} )" if self._chance.random() < 0.9 else inner

    def _query(self) -> str:
        self._depth += 1
        try:
            if self._depth > self._deepest:
                return f"SELECT {self._column()} FROM {self._name(TABLES)}"
            plain: Callable[[], str] = self._select
            return self._pick(
                (*(plain,) * 6, self._with, self._union, lambda: f"VALUES ( {self._list(self._value)} )")
            )()
        finally:
            self._depth -= 1

    def _with(self) -> str:
        names = self._list(lambda: f"{self._new()} AS ( {self._pick((self._query, self._predict))()} )", most=2)
        return f"WITH {self._maybe('RECURSIVE ', 0.1)}{names} {self._select()}"

    def _union(self) -> str:
        operation = self._pick(("UNION", "UNION ALL", "INTERSECT", "EXCEPT", "UNION BY NAME"))
        return f"{self._query()} {operation} {self._query()}"

    def _select(self) -> str:
        columns = self._pick((lambda: "*", lambda: self._list(self._output, most=4)))()
        order = f"ORDER BY {self._list(lambda: self._value() + self._maybe(' DESC'), most=2)}"
        parts = (
            f"SELECT {self._maybe('DISTINCT ', 0.1)}{columns}",
            f"FROM {self._from()}",
            self._where(),
            self._maybe(f"GROUP BY {self._list(self._column, most=2)}", 0.2),
            self._maybe(f"HAVING {self._condition()}", 0.1),
            self._maybe(order, 0.3),
            self._maybe(f"LIMIT {self._pick(NUMBERS)}", 0.3),
        )
        return " ".join(part for part in parts if part)

    def _output(self) -> str:
        value = self._pick((self._column, self._value, self._aggregate))()
        return value + self._maybe(f" AS {self._new()}", 0.3)

    def _from(self) -> str:
        items = self._item()
        for _ in range(self._chance.choice((0, 0, 0, 1, 2))):
            join = self._pick(
                ("JOIN", "LEFT JOIN", "FULL OUTER JOIN", "CROSS JOIN", "NATURAL JOIN", ",", "JOIN LATERAL")
            )
            condition = self._pick((f"ON {self._condition()}", "ON a.id = b.id", f"USING ( {self._column()} )"))
            if join in ("CROSS JOIN", "NATURAL JOIN", ","):
                condition = self._maybe(condition, 0.05)
            items += f" {join} {self._item()} {condition}"
        return items

    def _item(self) -> str:
        alias = self._maybe(f" AS {self._pick(('a', 'b', 'c', 't'))}", 0.5)
        if self._depth >= self._deepest or self._chance.random() < 0.6:
            return self._name(TABLES) + alias
        if self._chance.random() < 0.1:
            return self._pick(("unnest(ARRAY[1, 2])", "generate_series(1, 3)", "read_csv('x.csv')", "'x.csv'")) + alias
        return self._pick((self._nested, lambda: f"( {self._query()} )"))() + alias

    def _where(self) -> str:
        return self._maybe(f"WHERE {self._condition()}", 0.4)

    # --- expressions --------------------------------------------------------------------------------------------------

    def _condition(self) -> str:
        value = self._value()
        return self._pick(
            (
                lambda: f"{value} {self._pick(OPERATORS)} {self._value()}",
                lambda: f"{value} IS NULL",
                lambda: f"{value} BETWEEN {self._value()} AND {self._value()}",
                lambda: f"{value} IN ( {self._list(self._value)} )",
                lambda: f"{value} IN ( {self._query()} )",
                lambda: f"NOT {value} IN {self._nested()}",
                lambda: f"EXISTS ( {self._query()} )",
                lambda: f"predicted LIKE {self._pick(TEXTS)}",
            )
        )()

    def _value(self) -> str:
        self._depth += 1
        try:
            if self._depth > self._deepest:
                return self._pick((self._column, lambda: self._pick(NUMBERS), lambda: self._pick(TEXTS)))()
            return self._pick(
                (
                    *(self._column,) * 4,
                    lambda: self._pick(NUMBERS),
                    lambda: self._pick(TEXTS),
                    lambda: f"{self._value()} {self._pick(OPERATORS)} {self._value()}",
                    lambda: f"( {self._value()} )",
                    lambda: f"{self._pick(FUNCTIONS)} ( {self._list(self._value, most=3)} )",
                    self._aggregate,
                    lambda: f"CAST ( {self._value()} AS {self._pick(TYPES)} )",
                    lambda: f"{self._column()} :: {self._pick(TYPES)}",
                    lambda: f"CASE WHEN {self._condition()} THEN {self._value()} {self._maybe('ELSE NULL')} END",
                    lambda: f"( {self._query()} )",
                    lambda: f"ARRAY [ {self._list(self._value)} ]",
                    lambda: self._pick(
                        ("NULL", "TRUE", "INTERVAL '1 day'", "DATE '2024-01-01'", "current_date", "x -> x")
                    ),
                )
            )()
        finally:
            self._depth -= 1

    def _aggregate(self) -> str:
        name = self._pick(AGGREGATES)
        inside = self._pick((lambda: "*", self._column, lambda: f"DISTINCT {self._column()}", self._value))()
        if name in ("wer", "cer", "string_agg"):
            inside = f"{self._column()} , {self._column()}"
        after = self._pick(("", "", "", " OVER ( )", " OVER ( ORDER BY id )", " FILTER ( WHERE id > 1 )"))
        return f"{name} ( {inside} ){after}"

    def _column(self) -> str:
        columns = (*self._pick(tuple(TABLES.values())), "predicted", "confidence", "name", "value")
        column = self._pick(columns)
        return self._pick((column, column, column, f"a.{column}", f"calls.{column}", self._name(columns)))

    def _columns_in_parentheses(self) -> str:
        return self._maybe(f"( {self._list(self._column)} )", 0.4)

    # --- what is deep or long -----------------------------------------------------------------------------------------

    def _deep(self) -> str:
        depth = self._chance.choice((5, 25, 60, 150, 400, 1_000))
        opening, inside, closing = self._pick(
            (
                ("SELECT " + "( " * depth, "1", " )" * depth),
                ("SELECT " + "NOT " * depth, "TRUE", ""),
                ("SELECT " + "- " * depth, "1", ""),
                ("SELECT 1" + " + 1" * depth, "", ""),
                ("SELECT TRUE" + " AND TRUE" * depth, "", ""),
                ("SELECT " + "upper ( " * depth, "'a'", " )" * depth),
                ("SELECT " + "CASE WHEN TRUE THEN " * depth, "1", " END" * depth),
                ("SELECT * FROM ( " * depth, "SELECT 1 AS x", " ) t" * depth),
                (
                    "SELECT * FROM ( PREDICT USING my_model AS " * depth,
                    "SELECT * FROM librispeech_test",
                    " ) t" * depth,
                ),
                ("EXPLAIN " * depth, "SELECT 1", ""),
                ("SELECT " + "ARRAY[ " * depth, "1", " ]" * depth),
                ("SELECT 1" + " UNION ALL SELECT 1" * depth, "", ""),
            )
        )
        return f"{opening}{inside}{closing}"

    def _long(self) -> str:
        count = self._chance.choice((10, 100, 1_000, 4_000))
        return self._pick(
            (
                lambda: f"SELECT * FROM calls WHERE id IN ( {', '.join(map(str, range(count)))} )",
                lambda: "SELECT " + ", ".join(f"id + {i} AS c{i}" for i in range(count)) + " FROM calls",
                lambda: "VALUES " + ", ".join(f"({i}, 'x')" for i in range(count)),
                lambda: f"SELECT '{'한' * count * 10}'",
                lambda: (
                    "WITH "
                    + ", ".join(f"w{i} AS ( SELECT {i} AS x )" for i in range(count // 10))
                    + " SELECT * FROM w1"
                ),
                lambda: "SELECT * FROM calls WHERE " + " OR ".join(f"id = {i}" for i in range(count)),
                lambda: f"PREDICT USING my_model OPTIONS ( hotwords = [{', '.join(['word'] * count)}] ) AS SELECT 1",
                lambda: "; ".join(["LIST TABLES"] * count),
            )
        )()

    # --- chance -------------------------------------------------------------------------------------------------------

    def _slip(self, words: list[str]) -> None:
        """Something wrong: a word left out, twice, exchanged, mistyped, or a stray one."""
        at = self._chance.randrange(len(words))
        word = words[at]
        slip = self._chance.randrange(7)
        if slip == 0 and len(words) > 1:
            del words[at]
        elif slip == 1:
            words.insert(at, word)
        elif slip == 2:
            other = self._chance.randrange(len(words))
            words[at], words[other] = words[other], words[at]
        elif slip == 3 and len(word) > 2:
            cut = self._chance.randrange(1, len(word))
            words[at] = self._pick(
                (word[: cut - 1] + word[cut:], word[:cut] + word[cut - 1 :], word[cut:] + word[:cut])
            )
        elif slip == 4:
            words.insert(at, self._pick(STRAY))
        elif slip == 5:
            words[at] = self._pick(STRAY)
        else:
            del words[at:]
            words.append(self._pick(("", "SELECT", "(", "'")))

    def _pick(self, choices: tuple[Any, ...]) -> Any:
        return self._chance.choice(choices)

    def _maybe(self, text: str, share: float = 0.5) -> str:
        return text if self._chance.random() < share else ""

    def _name(self, names: tuple[str, ...] | dict[str, tuple[str, ...]]) -> str:
        return self._pick(STRANGE_NAMES) if self._chance.random() < 0.04 else self._pick(tuple(names))

    def _new(self) -> str:
        return (
            self._pick(("t", "new_one", "x1", "calls")) if self._chance.random() < 0.95 else self._pick(STRANGE_NAMES)
        )

    def _list(self, make: Callable[[], str], *, most: int = 3) -> str:
        return " , ".join(make() for _ in range(self._chance.randint(1, most)))
