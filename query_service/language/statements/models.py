"""Statements about models: BUILD, FIT, GET, UPLOAD, EXPORT, DELETE; and about data sets: GET."""

from __future__ import annotations

from dataclasses import dataclass

from query_service.language import options as o
from query_service.language.inner_query import Query
from query_service.language.options import Name
from query_service.language.statements.statement import Statement
from thanosql.types import IfExists, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildModel(Statement):
    """Fine-tunes a base model on the rows of a query, into a new model.

        BUILD MODEL my_model USING Wav2Vec2En
        OPTIONS (audio_col='audio_path', text_col='text', epochs=1, batch_size=4, overwrite=True)
        AS SELECT * FROM librispeech_train

    The base is a name of LIST BASE MODELS, or in quotes a Hugging Face repository or a folder with a Wav2Vec2 CTC
    checkpoint (HuBERT and Data2VecAudio are taken too). With overwrite=True an existing model gets a new version.
    Rows that cannot be used are dropped and counted by reason before the first step. From 50 rows up a tenth is held
    out, whole speakers where the query has a column speaker, and the error rate on it is measured before and after.
    Interrupting the statement cancels the training; RESUME JOB goes on with it.

    Gives: one row: model, version, wer, cer (fractions, on the rows held out; NULL where none are), train_rows,
    dropped_rows, audio_seconds (learned from), seconds (that it took). DESCRIBE MODEL shows the whole report.

    Errors: UnknownBaseModel, UnknownTable, UnknownColumn, InvalidOption; NameTaken where the model exists and
    overwrite is not given; DataError where no usable row is left, with counts by reason; BaseModelUnavailable where
    the checkpoint cannot be had; JobFailed where the training ends badly.
    """

    KIND = "BUILD MODEL"
    FORM = "BUILD MODEL model USING base [OPTIONS (…)] AS query"
    ROLE = Role.WRITER
    OPTIONS = (
        o.AUDIO_COL,
        o.TEXT_COL,
        o.EPOCHS,
        o.MAX_EPOCHS,
        o.BATCH_SIZE,
        o.LEARNING_RATE,
        o.EVAL_FRACTION,
        o.SEED,
        o.EARLY_STOPPING,
        o.LORA,
        o.AUGMENTATION,
        o.DEVICES,
        o.LANGUAGE_MODEL,
        o.OVERWRITE,
        o.IF_EXISTS,
    )

    model: Name
    base: Name
    query: Query
    audio_col: Name = Name("audio_path")
    text_col: Name = Name("text")
    epochs: int = 5
    batch_size: int = 16
    learning_rate: float | None = None
    eval_fraction: float | None = None
    seed: int = 0
    early_stopping: bool = False
    lora: bool = False
    augmentation: bool | None = None
    devices: int = 1
    language_model: Name | None = None
    """ "true", "false" or a path; None: built where there are enough words, and kept where it helps."""
    if_exists: IfExists = IfExists.FAIL


@dataclass(frozen=True, slots=True, kw_only=True)
class FitModel(BuildModel):
    """Goes on training a model on the rows of a query, into a new version of it, or into a model of another name.

        FIT MODEL my_model USING my_model OPTIONS (epochs=2) AS SELECT * FROM new_calls

    Behind USING stands a model of LIST MODELS; its newest version is where the training begins. It stays as it is,
    and so does its class_name. The options are those of BUILD MODEL; overwrite=True is needed only where the new
    model has the name of another one that exists.

    Gives: the row of BUILD MODEL.

    Errors: UnknownModel behind USING; otherwise those of BUILD MODEL.
    """

    KIND = "FIT MODEL"
    FORM = "FIT MODEL model USING model [OPTIONS (…)] AS query"
    ROLE = Role.WRITER


@dataclass(frozen=True, slots=True, kw_only=True)
class GetModel(Statement):
    """Makes a pre-built model ready to be used, under its own name or another.

        GET THANOSQL MODEL Wav2Vec2En OPTIONS (model_name='english')

    The models are those of LIST THANOSQL MODEL, or in quotes a Hugging Face repository with a Wav2Vec2 CTC
    checkpoint. Names are folded to lower case, so that PREDICT USING Wav2Vec2En finds it. With overwrite=True an
    existing model gets a new version. Where the hub cannot be reached and the checkpoint is not in its cache, the
    small bundled model takes the place of Wav2Vec2En, which a warning says.

    Errors: UnknownModel; NameTaken where the model exists and overwrite is not given; BaseModelUnavailable.
    """

    KIND = "GET THANOSQL MODEL"
    FORM = "GET THANOSQL MODEL name [OPTIONS (…)]"
    ROLE = Role.WRITER
    OPTIONS = (o.MODEL_NAME, o.OVERWRITE, o.IF_EXISTS)

    name: Name
    model_name: Name | None = None
    if_exists: IfExists = IfExists.FAIL


@dataclass(frozen=True, slots=True, kw_only=True)
class GetDataset(Statement):
    """Puts a data set under the workspace root.

        GET THANOSQL DATASET librispeech_data OPTIONS (overwrite=True)

    The data sets are those of LIST THANOSQL DATASET, which says where each stands then, or in quotes a Hugging Face
    repository, which stands under its own name.

    Errors: NameTaken where files are there already, unless overwrite=True replaces them; NotFound.
    """

    KIND = "GET THANOSQL DATASET"
    FORM = "GET THANOSQL DATASET name [OPTIONS (…)]"
    ROLE = Role.WRITER
    OPTIONS = (o.OVERWRITE,)

    name: Name
    if_exists: IfExists = IfExists.FAIL


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadModel(Statement):
    """Makes a model of a folder of the workspace that holds a Hugging Face checkpoint with a CTC head.

        UPLOAD MODEL my_model FROM 'checkpoints/my_wav2vec2'

    The folder is what save_pretrained wrote, of model and processor; weights are safetensors. With overwrite=True an
    existing model gets a new version.

    Errors: NotFound, PathRefused; UnknownBaseModel where the folder holds no such checkpoint, with what it lacks;
    NameTaken.
    """

    KIND = "UPLOAD MODEL"
    FORM = "UPLOAD MODEL model [OPTIONS (…)] FROM 'folder'"
    ROLE = Role.WRITER
    OPTIONS = (o.OVERWRITE, o.IF_EXISTS)

    model: Name
    path: Name
    if_exists: IfExists = IfExists.FAIL


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportModel(Statement):
    """Writes a model as a repository that NVIDIA's Triton Inference Server loads.

        EXPORT MODEL my_model TO 'triton'

    The folder is made where there is none, under the workspace root, and may hold several models; a model that is in
    it already is not overwritten. triton/my_model/README.md says how to start Triton on it. A query_service whose
    setting `inference` is oip://host:port then transcribes there.

    Errors: UnknownModel, PathRefused; NameTaken where the folder has the model already.
    """

    KIND = "EXPORT MODEL"
    FORM = "EXPORT MODEL model TO 'folder'"
    ROLE = Role.WRITER

    model: Name
    path: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteModel(Statement):
    """Deletes a model, all its versions.

        DELETE MODEL IF EXISTS my_model

    Errors: UnknownModel, unless IF EXISTS is said.
    """

    KIND = "DELETE MODEL"
    FORM = "{DELETE | DROP} MODEL [IF EXISTS] model"
    ROLE = Role.WRITER

    model: Name
    if_exists: bool = False
