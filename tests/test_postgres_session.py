"""The whole system over PostgreSQL: the tutorial's speech and the bundled model give what they give over DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

import thanosql
from thanosql import Session

# The model is made ready once more, since its state is another.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NESTED = (
    "SELECT audio_path, predicted, wer(text, predicted) AS wer FROM (PREDICT USING tutorial_audio_recognition "
    "OPTIONS (audio_col='audio_path') AS SELECT * FROM librispeech_test ORDER BY audio_path LIMIT 4) AS p "
    "ORDER BY audio_path"
)
EVALUATE = (
    "EVALUATE USING tutorial_audio_recognition OPTIONS (audio_col='audio_path', text_col='text') AS "
    "SELECT * FROM librispeech_test ORDER BY audio_path LIMIT 4"
)


@pytest.fixture(scope="module")
def over_postgres(
    workspace: Path, tmp_path_factory: pytest.TempPathFactory, postgres_database: Callable[[], sa.URL]
) -> Iterator[Session]:
    """A session whose tables and metadata are in PostgreSQL, with the tutorial's test table."""
    url = postgres_database().set(drivername="postgresql").render_as_string(hide_password=False)
    state = tmp_path_factory.mktemp("over_postgres")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("THANOSQL_CATALOG_TABLES", url)
        environment.setenv("THANOSQL_CATALOG_DATABASE", url)
        with thanosql.connect(workspace=workspace, state=state) as session:
            session.sql("COPY librispeech_test FROM 'tutorial_data/librispeech_data/librispeech_test.csv'")
            yield session


def test_transcripts_and_their_scores_are_the_same(session: Session, over_postgres: Session) -> None:
    rows = over_postgres.sql(NESTED).to_arrow().to_pylist()
    assert len(rows) == 4
    assert rows == session.sql(NESTED).to_arrow().to_pylist()
    assert over_postgres.sql(EVALUATE).to_arrow().to_pylist() == session.sql(EVALUATE).to_arrow().to_pylist()


def test_transcripts_become_a_table_whose_rate_is_that_of_evaluate(over_postgres: Session) -> None:
    inner = NESTED.partition(" FROM (")[2].partition(") AS p")[0]
    over_postgres.sql(f"CREATE OR REPLACE TABLE heard AS {inner}")
    rate = over_postgres.sql("SELECT wer(text, predicted) AS rate, count(*) AS n FROM heard").to_arrow().to_pylist()[0]
    evaluated = {row["metric"]: row["score"] for row in over_postgres.sql(EVALUATE).to_arrow().to_pylist()}
    assert rate == {"rate": pytest.approx(evaluated["wer"]), "n": 4}


def test_what_is_listed_says_the_rows_and_the_model(over_postgres: Session) -> None:
    tables = over_postgres.sql("LIST TABLE").to_arrow().to_pylist()
    assert ("librispeech_test", 20) in [(row["name"], row["rows"]) for row in tables]
    models = over_postgres.sql("SELECT name FROM (LIST MODEL) AS m").to_arrow().to_pylist()
    assert {"name": "tutorial_audio_recognition"} in models
