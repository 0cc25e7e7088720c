"""The notebook's `%thanosql` and `%%thanosql`, which `%load_ext thanosql` brings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from thanosql.connection import ClientSettings, connect
from thanosql.errors import ThanoSQLError
from thanosql.tables import summary

if TYPE_CHECKING:
    import pandas
    from IPython.core.interactiveshell import InteractiveShell

    from thanosql.session import Session
    from thanosql.upload import UploadReport

SETTING = re.compile(r"(API_TOKEN|WORKSPACE|CA)\s*=\s*('[^']*'|\"[^\"]*\"|\S+)\s*", re.IGNORECASE)
ATTACH = re.compile(r"attach\s+'?([\w.:-]+)'?\s*;?", re.IGNORECASE)
# A word after it tells UPLOAD MODEL, a statement; a folder of that name is ./model.
UPLOAD = re.compile(r"upload\s+(?!model\b)(.+)", re.IGNORECASE | re.DOTALL)
ADDRESS = re.compile(r"(?:(?:grpcs?|http)://)?(?:[\w.-]+|\[[0-9a-fA-F:.]+\]):\d{1,5}/?")


@magics_class
class ThanoSQLMagics(Magics):
    """The magics of one notebook, with its session."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._shell = shell
        self._session: Session | None = None
        settings = ClientSettings.from_env()
        self._address, self._token = settings.address, settings.token
        self._workspace: str | None = None
        self._ca: str | None = None

    # A `{` or `$` of a statement is the statement's own: IPython is not to put variables there.
    @no_var_expand
    @line_cell_magic
    def thanosql(self, line: str, cell: str | None = None) -> pandas.DataFrame | None:
        """Speech recognition through SQL.

        %%thanosql                       a cell of statements, each result displayed
        df = %thanosql SELECT …          rows as a pandas data frame
        %thanosql attach 4f2e91ab        take up a statement that LIST JOBS shows, after the kernel was restarted
        %thanosql upload calls           send a file or folder into the workspace; --to FOLDER, --overwrite
        %thanosql                        where the statements go
        %thanosql speech.example:8470    connect to a server; without this, services of one's own are started
        %thanosql API_TOKEN={variable}   the secret that the server asks for; never shown
        %thanosql CA='ca.pem'            the certificates of those who sign the server's: it is called with TLS
        %thanosql WORKSPACE=..           for services of one's own: the folder that paths are relative to
        """
        try:
            if cell is not None:
                self._display_statements(f"{line}\n{cell}" if line.strip() else cell)
                return None
            return self._run_line(line.strip())
        except ThanoSQLError as error:
            # IPython asks the exception how it is to be shown. The cell fails all the same, so that an automated
            # run of the notebook (nbclient, papermill) sees it.
            lines = explain(error)
            error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]
            raise

    def close(self) -> None:
        """Closes the session; the next statement opens another."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _run_line(self, line: str) -> pandas.DataFrame | None:
        rest = self._take_settings(line)
        if ADDRESS.fullmatch(rest):
            self._address, self._workspace = rest, None
            self.close()
            rest = ""
            print(self._open().where)
        elif not line:
            print(self._open().where)
        if not rest:
            return None
        if uploaded := UPLOAD.fullmatch(rest):
            print(self._upload(uploaded[1]))
            return None
        attached = ATTACH.fullmatch(rest)
        result = self._open().attach(attached[1]) if attached else self._open().sql(rest)
        if result.batches:
            return result.to_pandas()
        if result.clips:
            _display(result)
        else:
            print(summary(result))
        return None

    def _upload(self, arguments: str) -> UploadReport:
        """Sends what the arguments of `thanosql upload` say."""
        from thanosql.commands.upload import parse

        options = parse(str(self._shell.var_expand(arguments)))  # type: ignore[no-untyped-call]
        return self._open().upload(*options.paths, to=options.to, overwrite=options.overwrite)

    def _take_settings(self, line: str) -> str:
        """Takes in the leading `NAME=value`s; what follows them."""
        while found := SETTING.match(line):
            name, value = found[1].upper(), found[2]
            value = value[1:-1] if value[:1] in "'\"" else value
            value = str(self._shell.var_expand(value))  # type: ignore[no-untyped-call]
            if name == "API_TOKEN":
                self._token = value
            elif name == "CA":
                self._ca = value
            else:
                self._address, self._workspace = "", value
            self.close()
            line = line[found.end() :]
        return line

    def _display_statements(self, text: str) -> None:
        for result in self._open().run(text):
            _display(result)

    def _open(self) -> Session:
        if self._session is None:
            if self._address:
                self._session = connect(self._address, self._token, ca=self._ca)
            else:
                self._session = connect(workspace=self._workspace or ClientSettings.from_env().workspace)
        return self._session


def explain(error: ThanoSQLError) -> list[str]:
    """The lines that a notebook shows for a failed statement: what, where, what to do; no traceback."""
    return [f"{type(error).__name__}: {error}"]


def _display(value: object) -> None:
    from IPython.display import display

    display(value)  # type: ignore[no-untyped-call]


def load(shell: Any) -> None:
    """Adds the magics to a shell; loading them again begins a new session."""
    loaded = getattr(shell, "_thanosql_magics", None)
    if loaded is not None:
        loaded.close()
    magics = ThanoSQLMagics(shell)
    shell._thanosql_magics = magics
    shell.register_magics(magics)
