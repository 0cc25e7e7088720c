"""Files that are sent into a workspace, over real gRPC."""

from __future__ import annotations

import os
import stat
import threading
import time
import unicodedata
from contextlib import suppress

import pytest

from query_service.uploading import underway
from query_service.uploading.rules import key_of
from tests.query_service.uploading.sending import describe, requests
from thanosql.errors import InvalidOption, Overloaded, ThanoSQLError
from thanosql.types import UploadOutcome, UploadStart

SPEECH = bytes(range(256)) * 4


def test_a_file_stands_in_its_place_with_the_bytes_that_were_sent(receiver):
    ended = receiver.send("calls/2026/first.wav", SPEECH)
    assert (ended.outcome, ended.path, ended.size) == (UploadOutcome.PLACED, "calls/2026/first.wav", 1_024)
    assert (receiver.workspace / "calls/2026/first.wav").read_bytes() == SPEECH
    assert receiver.unfinished() == []


def test_several_files_come_in_one_stream_and_are_answered_in_order(receiver):
    files = {f"calls/{number}.wav": SPEECH[:number] for number in range(20)}  # the first is empty
    sent = [each for path, content in files.items() for each in requests(describe(path, content), content)]
    assert [each.path for each in receiver.client.upload(sent)] == list(files)
    assert {path: (receiver.workspace / path).read_bytes() for path in files} == files


def test_others_may_read_a_file_as_the_umask_says_and_nobody_may_run_it(receiver):
    before = os.umask(0o027)
    try:
        receiver.send("calls/a.wav", SPEECH)
    finally:
        os.umask(before)
    assert stat.S_IMODE((receiver.workspace / "calls/a.wav").stat().st_mode) == 0o640
    assert stat.S_IMODE((receiver.workspace / "calls").stat().st_mode) == 0o750


def test_a_file_of_other_bytes_is_not_replaced_unless_that_is_wished(receiver):
    receiver.send("a.wav", SPEECH)
    refused = receiver.send("a.wav", SPEECH[::-1])
    assert refused.outcome is UploadOutcome.REFUSED
    assert "another file stands at 'a.wav'" in refused.problem
    assert "another file stands at 'a.wav'" in receiver.find("a.wav", SPEECH[::-1]).problem
    assert (receiver.workspace / "a.wav").read_bytes() == SPEECH
    assert receiver.send("a.wav", SPEECH[::-1], overwrite=True).outcome is UploadOutcome.PLACED
    assert (receiver.workspace / "a.wav").read_bytes() == SPEECH[::-1]


def test_the_same_bytes_are_there_already_however_they_came(receiver):
    (receiver.workspace / "a.wav").write_bytes(SPEECH)
    assert receiver.find("a.wav", SPEECH).is_there
    assert receiver.find("a.wav", SPEECH, overwrite=True).is_there
    assert receiver.send("a.wav", SPEECH).outcome is UploadOutcome.IS_THERE


def test_what_broke_off_is_gone_on_with(receiver):
    broken = list(requests(describe("a.wav", SPEECH), SPEECH))[:51]
    (ended,) = receiver.client.upload(broken)
    assert (ended.outcome, ended.problem) == (UploadOutcome.INCOMPLETE, "500 of 1,024 bytes came")
    assert not (receiver.workspace / "a.wav").exists()
    assert receiver.find("a.wav", SPEECH).received == 500
    assert receiver.find("b.wav", SPEECH).received == 0
    assert receiver.send("a.wav", SPEECH, offset=500).outcome is UploadOutcome.PLACED
    assert (receiver.workspace / "a.wav").read_bytes() == SPEECH
    assert receiver.unfinished() == []


def test_a_client_that_dies_leaves_what_it_has_sent(receiver):
    came = threading.Event()

    def dying():
        yield from list(requests(describe("a.wav", SPEECH), SPEECH))[:21]
        came.wait(30)

    def follow():
        with suppress(ThanoSQLError):
            list(receiver.client.upload(dying()))

    client = threading.Thread(target=follow)
    client.start()
    wait_until(lambda: receiver.find("a.wav", SPEECH).received == 200)
    assert receiver.find("a.wav", SPEECH).is_underway
    receiver.close()
    client.join()
    came.set()
    again = receiver.another()
    assert again.find("a.wav", SPEECH).received == 200
    assert again.send("a.wav", SPEECH, offset=200).outcome is UploadOutcome.PLACED


def test_a_start_in_the_midst_of_another_file_ends_that_one_for_now(receiver):
    sent = [*list(requests(describe("a.wav", SPEECH), SPEECH))[:11], *requests(describe("b.wav", SPEECH), SPEECH)]
    outcomes = [(each.path, each.outcome) for each in receiver.client.upload(sent)]
    assert outcomes == [("a.wav", UploadOutcome.INCOMPLETE), ("b.wav", UploadOutcome.PLACED)]
    assert receiver.find("a.wav", SPEECH).received == 100


def test_an_offset_behind_what_is_there_is_not_taken(receiver):
    assert receiver.send("a.wav", SPEECH, offset=500).outcome is UploadOutcome.INCOMPLETE
    assert not (receiver.workspace / "a.wav").exists()


def test_damaged_bytes_are_refused_and_not_kept(receiver):
    damaged = SPEECH[:700] + b"!" + SPEECH[701:]
    ended = receiver.send_as(describe("a.wav", SPEECH), damaged)
    assert ended.outcome is UploadOutcome.DAMAGED
    assert not (receiver.workspace / "a.wav").exists()
    assert receiver.unfinished() == []


def test_unfinished_bytes_that_the_disk_has_damaged_are_found_out(receiver):
    list(receiver.client.upload(list(requests(describe("a.wav", SPEECH), SPEECH))[:51]))
    (unfinished,) = receiver.unfinished()
    unfinished.write_bytes(bytes(500))
    assert receiver.send("a.wav", SPEECH, offset=500).outcome is UploadOutcome.DAMAGED
    assert receiver.find("a.wav", SPEECH).received == 0


def test_more_bytes_than_announced_are_refused(receiver):
    ended = receiver.send_as(describe("a.wav", SPEECH[:100]), SPEECH, chunk=64)
    assert ended.outcome is UploadOutcome.DAMAGED
    assert not (receiver.workspace / "a.wav").exists()


@pytest.mark.parametrize(
    "path",
    ["../a.wav", "/tmp/a.wav", "calls/../../a.wav", ".thanosql/catalog.db", "a\0.wav", "x" * 256, "", "file:///tmp/a"],
)
def test_a_path_that_is_not_plainly_one_of_the_workspace_is_refused(receiver, path):
    ended = receiver.send(path, SPEECH)
    assert (ended.outcome, ended.path) == (UploadOutcome.REFUSED, path)
    assert receiver.find(path, SPEECH).problem == ended.problem != ""
    assert everything_below(receiver.workspace.parent) == []


def test_an_encoded_path_is_not_decoded(receiver):
    assert receiver.send("%2e%2e/%2fa.wav", SPEECH).outcome is UploadOutcome.PLACED
    assert (receiver.workspace / "%2e%2e" / "%2fa.wav").read_bytes() == SPEECH


def test_a_link_that_leads_out_of_the_workspace_is_not_followed(receiver, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (receiver.workspace / "folder").symlink_to(outside)
    (receiver.workspace / "file.wav").symlink_to(outside / "not yet there.wav")
    (receiver.workspace / "state").symlink_to(receiver.workspace / ".thanosql")
    for path in ("folder/a.wav", "file.wav", "state/a.db"):
        assert receiver.send(path, SPEECH, overwrite=True).outcome is UploadOutcome.REFUSED
    assert everything_below(outside) == []


def test_a_state_folder_that_lies_in_the_workspace_is_closed_whatever_its_name(receiver):
    other = receiver.another(state=receiver.workspace / "kept")
    ended = other.send("kept/models/mine/1/model.onnx", SPEECH)
    assert "the services' own" in ended.problem
    assert not (receiver.workspace / "kept" / "models" / "mine").exists()


@pytest.mark.parametrize(
    ("path", "problem"), [("calls", "is a folder"), ("calls/a.wav/b.wav", "'calls/a.wav' is a file, not a folder")]
)
def test_what_is_in_the_way_is_named(receiver, path, problem):
    receiver.send("calls/a.wav", SPEECH)
    assert problem in receiver.find(path, SPEECH).problem
    assert problem in receiver.send(path, SPEECH, overwrite=True).problem


def test_names_in_either_form_of_hangul_go_to_one_place(receiver):
    decomposed = unicodedata.normalize("NFD", "통화/녹음.wav")
    ended = receiver.send(decomposed, SPEECH)
    assert (ended.outcome, ended.path) == (UploadOutcome.PLACED, decomposed)
    assert (receiver.workspace / "통화" / "녹음.wav").read_bytes() == SPEECH
    assert receiver.find("통화/녹음.wav", SPEECH).is_there


def test_a_file_that_is_too_large_is_refused_before_it_comes(receiver):
    small = receiver.another(upload_file_bytes=1_000)
    assert "files of up to 1.0 kB" in small.find("a.wav", SPEECH).problem
    assert small.send("a.wav", SPEECH).outcome is UploadOutcome.REFUSED
    assert small.unfinished() == []


def test_a_disk_without_room_is_told_and_nothing_is_left(receiver):
    full = receiver.another(upload_spare_bytes=1 << 60)
    ended = full.send("a.wav", SPEECH)
    assert "there is no room for 'a.wav': it needs 1.0 kB more" in ended.problem
    assert everything_below(receiver.workspace) == []


def test_uploads_that_broke_off_take_no_more_than_their_share(receiver):
    small = receiver.another(upload_unfinished_bytes=1_500)
    list(small.client.upload(list(requests(describe("a.wav", SPEECH), SPEECH))[:81]))
    assert "800 bytes of uploads that broke off" in small.send("b.wav", SPEECH).problem
    assert small.send("a.wav", SPEECH, offset=800).outcome is UploadOutcome.PLACED
    assert small.send("b.wav", SPEECH).outcome is UploadOutcome.PLACED


def test_uploads_that_broke_off_are_forgotten_after_some_days(receiver):
    for path in ("old.wav", "new.wav"):
        list(receiver.client.upload(list(requests(describe(path, SPEECH), SPEECH))[:51]))
    old = next(each for each in receiver.unfinished() if is_of(each, "old.wav"))
    eight_days_ago = time.time() - 8 * 86_400
    os.utime(old, (eight_days_ago, eight_days_ago))
    receiver.another().send("other.wav", SPEECH)
    assert receiver.find("old.wav", SPEECH).received == 0
    assert receiver.find("new.wav", SPEECH).received == 500


def test_a_file_that_another_sends_just_now_is_left_to_it(receiver):
    go_on = threading.Event()
    first = []

    def slow():
        sent = list(requests(describe("a.wav", SPEECH), SPEECH))
        yield from sent[:11]
        go_on.wait(30)
        yield from sent[11:]

    sender = threading.Thread(target=lambda: first.extend(receiver.client.upload(slow())))
    sender.start()
    wait_until(lambda: receiver.find("a.wav", SPEECH).received == 100)
    assert receiver.find("a.wav", SPEECH).is_underway
    assert receiver.send("a.wav", SPEECH).outcome is UploadOutcome.UNDERWAY
    assert receiver.send("b.wav", SPEECH).outcome is UploadOutcome.PLACED
    go_on.set()
    sender.join()
    assert [each.outcome for each in first] == [UploadOutcome.PLACED]
    assert receiver.send("a.wav", SPEECH).outcome is UploadOutcome.IS_THERE


def test_a_sender_that_has_long_been_quiet_is_followed_by_another(receiver, monkeypatch):
    monkeypatch.setattr(underway, "QUIET_SECONDS", 0.2)
    go_on = threading.Event()
    first = []

    def stuck():
        sent = list(requests(describe("a.wav", SPEECH), SPEECH))
        yield from sent[:11]
        go_on.wait(30)
        yield from sent[11:]

    sender = threading.Thread(target=lambda: first.extend(receiver.client.upload(stuck())))
    sender.start()
    wait_until(lambda: receiver.find("a.wav", SPEECH).received == 100)
    wait_until(lambda: not receiver.find("a.wav", SPEECH).is_underway)
    assert receiver.send("a.wav", SPEECH, offset=100).outcome is UploadOutcome.PLACED
    go_on.set()
    sender.join()
    assert first[0].outcome is UploadOutcome.UNDERWAY
    assert (receiver.workspace / "a.wav").read_bytes() == SPEECH


def test_too_many_streams_at_once_are_refused_until_one_ends(receiver):
    few = receiver.another(most_uploads=1)
    go_on = threading.Event()

    def slow():
        yield UploadStart(describe("a.wav", SPEECH))
        go_on.wait(30)
        yield SPEECH

    sender = threading.Thread(target=lambda: list(few.client.upload(slow())))
    sender.start()
    wait_until(lambda: few.unfinished() != [])
    with pytest.raises(Overloaded) as raised:
        few.send("b.wav", SPEECH)
    assert raised.value.retry_after
    go_on.set()
    sender.join()
    assert few.send("b.wav", SPEECH).outcome is UploadOutcome.PLACED


def test_chunks_and_questions_have_their_measure(receiver):
    large = bytes((4 << 20) + 1)
    with pytest.raises(InvalidOption, match="a chunk has"):
        receiver.send("a.wav", large, chunk=len(large))
    with pytest.raises(InvalidOption, match="1,001 files"):
        receiver.client.find_uploads([describe("a.wav", b"")] * 1_001)


def test_a_reader_sees_the_file_that_was_there_or_the_new_one_whole(receiver):
    contents = [bytes([number]) * 50_000 for number in range(8)]
    receiver.send("a.csv", contents[0], chunk=50_000)
    seen, ended = set(), threading.Event()

    def read():
        while not ended.is_set():
            seen.add((receiver.workspace / "a.csv").read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for content in contents[1:]:
        receiver.send("a.csv", content, overwrite=True, chunk=5_000)
    ended.set()
    reader.join()
    assert seen <= set(contents)


def everything_below(folder):
    """All files, but for folders."""
    return [each for each in folder.rglob("*") if not each.is_dir()]


def is_of(unfinished, path):
    """Whether the unfinished bytes are those of a file."""
    return unfinished.name == key_of(describe(path, SPEECH))


def wait_until(holds):
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
