"""The stack of compose.yaml, run for real: the tutorial from outside, and what a restart and a crash leave."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import openai
import pytest
import soundfile

import thanosql
from tests.compose.stack import SERVICES, Stack, until_it_works
from thanosql import Result, Session, ThanoSQLError
from thanosql.tutorial import AFTER, BEFORE, STEPS, word_error_rate

# In their order: the stack is started once, and what one test made is what the next looks for after a crash.
pytestmark = [pytest.mark.compose, pytest.mark.timeout(1800)]

COPY, PREDICT = STEPS[0][1], STEPS[3][1]
ONE_ROW = (
    "PREDICT USING tutorial_audio_recognition OPTIONS (cache=False) "
    "AS SELECT audio_path FROM librispeech_test ORDER BY audio_path LIMIT 1"
)
BACKUP = """\
docker compose stop query trainer
docker compose exec -T postgres pg_dumpall --username postgres --clean --if-exists > $here/postgres.sql
docker compose exec -T catalog tar --directory /var/lib/thanosql --create files state > $here/files.tar
docker compose start trainer query
"""
RESTORE = """\
docker compose exec -T postgres psql --quiet --username postgres < $here/postgres.sql
docker compose run --rm --no-deps -T --entrypoint tar catalog --directory /var/lib/thanosql --extract < $here/files.tar
"""
SMALL_BUILD = (
    "BUILD MODEL after_{service} USING Wav2Vec2EnTiny OPTIONS (epochs=1) AS SELECT * FROM librispeech_train LIMIT 4"
)


@pytest.fixture(scope="module")
def started(stack: Stack) -> Stack:
    seconds = stack.start()
    print(f"\nup and healthy after {seconds:.1f} s")
    return stack


@pytest.fixture(scope="module")
def session(started: Stack) -> Iterator[Session]:
    with started.connect() as session:
        yield session


def run_tutorial(session: Session) -> dict[str, Result]:
    return {statement: session.sql(statement) for _, statement in STEPS}


@pytest.fixture(scope="module")
def results(session: Session) -> dict[str, Result]:
    """The tutorial in the containers, whose workspace is empty at first: the data come as a user has them come."""
    session.sql("GET THANOSQL DATASET librispeech_data")
    return run_tutorial(session)


@pytest.fixture(scope="module")
def local(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Result]]:
    """The tutorial in services of this process."""
    workspace = tmp_path_factory.mktemp("local")
    shutil.copytree(checkout / "tutorial_data", workspace / "tutorial_data")
    with thanosql.connect(workspace=workspace) as session:
        yield run_tutorial(session)


def predicted(result: Result) -> list[str]:
    texts: list[str] = result.to_arrow()["predicted"].to_pylist()
    return texts


def state_of(session: Session) -> dict[str, object]:
    """What has to be there after whatever happened: rows, models, transcripts."""
    return {
        "train": session.sql("SELECT * FROM librispeech_train ORDER BY audio_path").to_arrow().to_pydict(),
        "test": session.sql("SELECT * FROM librispeech_test ORDER BY audio_path").to_arrow().to_pydict(),
        "models": [(row.name, row.version) for row in session.sql("LIST MODEL")],
        "transcripts": predicted(session.sql(AFTER)),
    }


def test_every_statement_of_the_tutorial_succeeds(results: dict[str, Result]) -> None:
    assert (results[COPY].message, results[COPY].rows) == ("Success", 80)
    assert len(results[PREDICT]) == 80
    assert len(results[AFTER]) == len(results[BEFORE]) == 20


def test_print_audio_sends_the_recordings_that_the_checkout_has(results: dict[str, Result], checkout: Path) -> None:
    clips = results[STEPS[2][1]].clips
    assert len(clips) == 3
    for clip in clips:
        with soundfile.SoundFile(io.BytesIO(clip.audio)) as sent, soundfile.SoundFile(checkout / clip.path) as file:
            # The encoder pads by some thousand samples.
            assert sent.frames / sent.samplerate == pytest.approx(file.frames / file.samplerate, abs=0.2)


def test_the_pre_trained_model_says_the_same_as_in_local_mode(
    results: dict[str, Result], local: dict[str, Result]
) -> None:
    assert predicted(results[PREDICT]) == predicted(local[PREDICT])
    assert word_error_rate(results[BEFORE]) == word_error_rate(local[BEFORE])


def test_the_model_that_is_built_is_as_good_as_in_local_mode(
    results: dict[str, Result], local: dict[str, Result]
) -> None:
    there, here = word_error_rate(results[AFTER]), word_error_rate(local[AFTER])
    print(f"\nword error rate of the built model: {there:.4f} in the containers, {here:.4f} in local mode")
    assert there < word_error_rate(results[BEFORE])
    assert there == pytest.approx(here, abs=0.02)


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_has_no_rights_and_cannot_change_its_files(started: Stack, service: str) -> None:
    assert started.execute(service, "id -u").strip() != "0"
    assert "ok" not in started.execute(service, "touch /opt/x /usr/x /etc/x 2>/dev/null && echo ok", check=False)
    status = started.execute(service, "cat /proc/self/status")
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert started.inspect(service)["HostConfig"]["Memory"] > 0


def test_only_the_query_service_is_published(started: Stack) -> None:
    published = {
        service: {port: to for port, to in started.inspect(service)["NetworkSettings"]["Ports"].items() if to}
        for service in SERVICES
    }
    assert published.pop("query") == {"8470/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(started.port)}]}
    assert published == {service: {} for service in SERVICES if service != "query"}


def test_a_stranger_is_turned_away(started: Stack) -> None:
    with pytest.raises(thanosql.errors.Unauthenticated):
        thanosql.connect(f"127.0.0.1:{started.port}", token="wrong")


def test_the_gateway_hears_over_http_what_the_tutorial_hears(
    started: Stack, results: dict[str, Result], checkout: Path
) -> None:
    first = next(iter(results[PREDICT]))
    with started.gateway() as address, (checkout / first.audio_path).open("rb") as recording:
        client = openai.OpenAI(base_url=f"{address}/v1", api_key=started.token)
        heard = client.audio.transcriptions.create(model="tutorial_audio_recognition", file=recording)
        assert heard.text == first.predicted
        stranger = openai.OpenAI(base_url=f"{address}/v1", api_key="wrong")
        with pytest.raises(openai.AuthenticationError):
            stranger.models.list()


@pytest.mark.parametrize("end", ["restart", "kill"])
@pytest.mark.parametrize("service", SERVICES)
def test_everything_is_there_and_works_after(
    started: Stack, session: Session, results: dict[str, Result], end: str, service: str
) -> None:
    before = state_of(session)
    began = started.inspect(service)["State"]["StartedAt"]
    getattr(started, end)(service)
    until_it_works(lambda: _began_again(started, service, began))
    seconds = until_it_works(lambda: session.sql(ONE_ROW))
    started.wait_until_healthy()
    print(f"\n{service} after {end}: PREDICT works {seconds:.1f} s after the new process began")
    assert state_of(session) == before
    if service in ("catalog", "trainer"):
        built = session.sql(SMALL_BUILD.format(service=service))
        assert next(iter(built)).model == f"after_{service}"
        session.sql(f"DELETE MODEL after_{service}")


def _began_again(stack: Stack, service: str, began: str) -> None:
    if stack.inspect(service)["State"]["StartedAt"] == began:
        raise ThanoSQLError(f"{service} has not been started again")


def test_everything_is_there_when_the_containers_are_made_anew(
    started: Stack, session: Session, results: dict[str, Result]
) -> None:
    before = state_of(session)
    with suppress(ThanoSQLError):
        session.close()
    started.call("down")
    print(f"\nup again after {started.start():.1f} s")
    with started.connect() as again:
        assert state_of(again) == before


def test_a_backup_brings_back_everything_into_empty_volumes(
    started: Stack, results: dict[str, Result], tmp_path: Path
) -> None:
    with started.connect() as session:
        before = state_of(session)
    started.script(BACKUP, tmp_path)
    started.call("down", "--volumes")
    started.call("up", "--detach", "--no-build", "postgres")
    started.wait_until_healthy(["postgres"])
    started.script(RESTORE, tmp_path)
    started.start()
    with started.connect() as session:
        assert state_of(session) == before


def test_the_page_for_operators_tells_the_commands_that_are_tested_here(checkout: Path) -> None:
    page = (checkout / "docs" / "deploy.md").read_text("utf-8")
    for line in (BACKUP + RESTORE).replace("$here/", "").splitlines():
        assert line in page, line


def test_no_secret_stands_in_a_log(started: Stack, results: dict[str, Result]) -> None:
    logs = started.call("logs", "--no-color")
    assert "listening on" in logs
    for secret in ("token", "database_password", "postgres_password"):
        assert (started.secrets / secret).read_text("utf-8") not in logs, secret
