"""What the notebooks in examples/ consist of: each cell's statement once, its explanation in English and in Korean."""

from __future__ import annotations

from dataclasses import dataclass

from thanosql.tutorial import AFTER, BEFORE, STEPS

STATEMENTS = [statement for _, statement in STEPS]


@dataclass(frozen=True)
class Step:
    """Some words, and the cell below them; a page of one language has those steps that have words in it."""

    source: str
    """Of the code cell; empty where there are words alone."""
    english: str = ""
    korean: str = ""


def _cell(statement: str) -> str:
    return f"%%thanosql\n{statement}"


COPY_TRAIN, LOOK, LISTEN, PREDICT, COPY_TEST, _, BUILD, PREDICT_TEST, _ = STATEMENTS

TUTORIAL = (
    Step(
        "%load_ext thanosql",
        "# Speech recognition through SQL\n\n"
        "Load a table of recordings, look at it, listen to it and transcribe it with a pre-trained model. Then "
        "fine-tune a model of your own and see what that brings. It takes about two minutes on two cores.\n\n"
        "This brings the magic `%thanosql`:",
        "# SQL로 하는 음성 인식\n\n"
        "녹음 파일 목록을 테이블로 불러와 살펴보고, 직접 들어 본 뒤, 사전 학습된 모델로 받아쓰기를 합니다. 그다음 "
        "나만의 모델을 미세 조정하고 얼마나 나아지는지 확인합니다. 코어 두 개짜리 컴퓨터에서 2분 정도 걸립니다.\n\n"
        "먼저 `%thanosql` 매직을 불러옵니다.",
    ),
    Step(
        "%thanosql WORKSPACE=..",
        "Paths in statements are relative to a folder, the *workspace*. This notebook lies in `examples/`, and the "
        "recordings in `tutorial_data/` beside that folder. No server has to be started: the services run on this "
        "machine for as long as the notebook does. (For a server: `%thanosql speech.example:8470`.)",
        "구문에 쓰는 경로는 *워크스페이스*라는 폴더를 기준으로 합니다. 이 노트북은 `examples/`에 있고, 녹음 파일은 그 "
        "옆 `tutorial_data/`에 있습니다. 서버를 따로 띄울 필요는 없습니다. 노트북을 쓰는 동안 필요한 서비스가 이 "
        "컴퓨터에서 함께 실행됩니다. (서버에 접속하려면 `%thanosql speech.example:8470`처럼 주소를 적습니다.)",
    ),
    Step(
        _cell(COPY_TRAIN),
        "## The recordings\n\nA csv file with a path and a text in each row becomes a table.",
        "## 녹음 데이터\n\n행마다 오디오 경로와 텍스트가 적힌 csv 파일을 테이블로 불러옵니다.",
    ),
    Step(_cell(LOOK), "Any query works on it.", "이제 어떤 쿼리든 쓸 수 있습니다."),
    Step(
        _cell(LISTEN),
        "`PRINT AUDIO` plays the recordings of a query.",
        "`PRINT AUDIO`로 쿼리 결과의 녹음을 들어 봅니다.",
    ),
    Step(
        _cell(PREDICT),
        "## Transcribe\n\n"
        "The pre-trained model transcribes every row. `text_col` names the true text, so the word error rate is "
        "reported too; `epochs` and `batch_size` belong to training and are only noted here.",
        "## 받아쓰기\n\n"
        "사전 학습된 모델이 모든 행을 받아씁니다. `text_col`에 정답 텍스트 열을 지정했으므로 단어 오류율(WER)도 함께 "
        "알려 줍니다. `epochs`와 `batch_size`는 학습용 옵션이라 여기서는 쓰이지 않는다는 안내만 나옵니다.",
    ),
    Step(
        _cell(COPY_TEST),
        "Twenty recordings in other voices, which the training below never hears.",
        "다른 목소리로 녹음한 20개의 데이터입니다. 아래 학습에는 쓰지 않습니다.",
    ),
    Step(
        _cell(BEFORE),
        "How well does the pre-trained model understand them?",
        "사전 학습된 모델은 이 목소리를 얼마나 잘 알아들을까요?",
    ),
    Step(
        _cell(BUILD),
        "## Train a model of your own\n\n"
        "One pass over the first table, starting from `Wav2Vec2En`. The picture is drawn while the training runs, and "
        "stays.",
        "## 나만의 모델 학습\n\n"
        "`Wav2Vec2En`에서 출발해 첫 번째 테이블을 한 번(1 에포크) 학습합니다. 그래프는 학습하는 동안 그려지고, 끝난 "
        "뒤에도 노트북에 남습니다.",
    ),
    Step(
        _cell(PREDICT_TEST),
        "The new model can be used at once.",
        "새 모델은 바로 쓸 수 있습니다.",
    ),
    Step(
        _cell(AFTER),
        "Its word error rate on voices that it has never heard:",
        "학습 때 들어 본 적 없는 목소리에 대한 단어 오류율입니다.",
    ),
    Step(
        _cell(
            "PRINT AUDIO AS SELECT audio_path, text, predicted FROM (\n    PREDICT USING my_speech_recognition_model "
            "OPTIONS (audio_col='audio_path')\n    AS SELECT * FROM librispeech_test LIMIT 4\n)"
        ),
        "## Listen and compare\n\n"
        "`PREDICT` is a table like any other. With the true text and the transcript in the query, `PRINT AUDIO` marks "
        "the words that differ.",
        "## 들으면서 비교하기\n\n"
        "`PREDICT`의 결과도 다른 테이블처럼 쓸 수 있습니다. 쿼리에 정답 텍스트와 받아쓴 텍스트가 함께 있으면 `PRINT "
        "AUDIO`가 서로 다른 단어를 표시해 줍니다.",
    ),
    Step(
        "df = %thanosql SELECT text, length(text) AS letters FROM librispeech_test ORDER BY letters DESC LIMIT 3\ndf",
        "Results are data frames where you want them.",
        "결과는 데이터프레임으로도 받을 수 있습니다.",
    ),
    Step(
        "",
        "**How to go on:** `LIST MODELS`, `DESCRIBE MODEL my_speech_recognition_model`, `COPY` a csv of your own "
        "recordings, and `BUILD MODEL` with more `epochs`. [own_recordings.ipynb](own_recordings.ipynb) shows it.",
        "**더 해 보기:** `LIST MODELS`, `DESCRIBE MODEL my_speech_recognition_model`을 실행해 보세요. 직접 녹음한 "
        "데이터의 csv를 `COPY`로 불러온 다음, `epochs`를 늘려 `BUILD MODEL`을 실행해 볼 수도 있습니다. "
        "[own_recordings.ipynb](own_recordings.ipynb)(영어)에 그 과정이 있습니다.",
    ),
)

OWN_RECORDINGS = (
    Step(
        "%load_ext thanosql\n%thanosql WORKSPACE=..",
        "# Your own recordings\n\n"
        "From a folder of recordings to a model that knows your words: load, check, measure, train, measure again. "
        "The tutorial's recordings stand in for yours; put your own files below the workspace and change the paths.",
    ),
    Step(
        "import csv\nfrom pathlib import Path\n\n"
        'with open("../tutorial_data/librispeech_data/librispeech_train.csv", encoding="utf-8") as file:\n'
        "    rows = list(csv.DictReader(file))\n\n"
        'with open("../calls.csv", "w", encoding="utf-8", newline="") as file:\n'
        '    writer = csv.DictWriter(file, ["audio_path", "text"])\n'
        "    writer.writeheader()\n    writer.writerows(rows[:40])\n\n"
        'Path("../calls.csv").read_text("utf-8").splitlines()[:3]',
        "## A table of recordings and texts\n\n"
        "All that is needed is a csv file with two columns: the path of each recording, relative to the workspace, "
        "and what is said in it, in words (`twenty`, not `20`). The recordings may be wav, flac, mp3 or ogg, of any "
        "rate. With a server elsewhere, `%thanosql upload FOLDER` sends the files.",
    ),
    Step(_cell("COPY calls OPTIONS (overwrite=True) FROM 'calls.csv';\nSELECT * FROM calls LIMIT 3")),
    Step(
        _cell(
            "EXPLAIN BUILD MODEL our_words USING Wav2Vec2En\nOPTIONS (audio_col='audio_path', text_col='text', "
            "epochs=1, overwrite=True) AS SELECT * FROM calls"
        ),
        "## What would happen?\n\n"
        "`EXPLAIN` says what a statement would do, how much audio it would read and how long it would take. Nothing "
        "runs.",
    ),
    Step(
        _cell(
            "EVALUATE USING tutorial_audio_recognition OPTIONS (audio_col='audio_path', text_col='text') AS SELECT * "
            "FROM calls"
        ),
        "## Measure first\n\nHow good is the model that you have, and what does it get wrong?",
    ),
    Step(
        _cell(
            "BUILD MODEL our_words USING Wav2Vec2En\nOPTIONS (audio_col='audio_path', text_col='text', epochs=1, "
            "overwrite=True) AS SELECT * FROM calls"
        ),
        "## Train\n\n"
        "A tenth of the rows is held out and never trained on: the rates at the end are those of the held-out rows. "
        "One pass is for showing; leave `epochs` away, and the amount of data decides.",
    ),
    Step(
        "most = 4",
        "## Values from Python\n\n"
        "A `:name` in a statement is a variable of the notebook. It is sent beside the statement and never pasted "
        "into it, so that quotes in it do no harm. `heard <<` keeps the result.",
    ),
    Step(
        "%%thanosql heard <<\nSELECT text, predicted, wer(text, predicted) AS wer\nFROM (PREDICT USING our_words "
        "OPTIONS (audio_col='audio_path') AS SELECT * FROM calls) AS predictions\nORDER BY wer DESC LIMIT :most"
    ),
    Step("heard.to_pandas()"),
    Step(
        _cell("LIST JOBS"),
        "## Afterwards\n\n"
        "Every training stays in the list of jobs. One whose notebook was closed goes on without it; `%thanosql jobs` "
        "shows it, and `%thanosql attach ID` takes it up again, with its picture.",
    ),
)

PAGES = {
    "tutorial.ipynb": [(step.english, step.source) for step in TUTORIAL],
    "tutorial.ko.ipynb": [(step.korean, step.source) for step in TUTORIAL],
    "own_recordings.ipynb": [(step.english, step.source) for step in OWN_RECORDINGS],
}
"""Of each notebook, in its order: words and the cell below them, of which one may be empty."""
