"""The notebook's `%thanosql` and `%%thanosql`, which `%load_ext thanosql` brings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from thanosql.connection import ClientSettings, connect
from thanosql.errors import ThanoSQLError
from thanosql.notebook.lines import Command, Statements, read_line, read_statements, take_settings
from thanosql.notebook.mistakes import explain
from thanosql.notebook.variables import bind_variables

if TYPE_CHECKING:
    import pandas
    from IPython.core.interactiveshell import InteractiveShell

    from thanosql.result import Result
    from thanosql.session import Session
    from thanosql.upload import UploadReport


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

        %%thanosql                       a cell of statements, each result displayed; `_` is the last
        heard << PREDICT …               in a cell or a line: the result becomes a variable
        … WHERE speaker = :name          the notebook's variable `name`, as a value; $name is the same
        df = %thanosql SELECT …          rows as a pandas data frame
        %thanosql jobs                   statements that run, and trainings
        %thanosql cancel 4f2e91ab        stop one
        %thanosql attach 4f2e91ab        take one up, after the kernel was restarted
        %thanosql upload calls           send a file or folder into the workspace; --to FOLDER, --overwrite
        %thanosql                        where the statements go
        %thanosql speech.example:8470    connect to a server; without this, services of one's own are started
        %thanosql API_TOKEN={variable}   the secret that the server asks for; never shown
        %thanosql CA='ca.pem'            the certificates of those who sign the server's: it is called with TLS
        %thanosql WORKSPACE=..           for services of one's own: the folder that paths are relative to
        """
        try:
            if cell is not None:
                self._run_cell(read_statements(f"{line}\n{cell}" if line.strip() else cell))
                return None
            return self._run_line(line.strip())
        except ThanoSQLError as error:
            # IPython asks the exception how it is to be shown. The cell fails all the same, so that an automated
            # run of the notebook (nbclient, papermill) sees it.
            coloured = str(getattr(self._shell, "colors", "")).lower() != "nocolor"
            lines = explain(error, coloured=coloured)
            error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]
            raise

    def close(self) -> None:
        """Closes the session; the next statement opens another."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _run_line(self, line: str) -> pandas.DataFrame | None:
        settings, rest = take_settings(line)
        for name, value in settings:
            self._set(name, str(self._shell.var_expand(value)))  # type: ignore[no-untyped-call]
        if not line:
            print(self._open().where)
        if not rest:
            return None
        asked = read_line(rest)
        if isinstance(asked, Command):
            return self._obey(asked)
        if asked.variable:
            self._run_cell(asked)
            return None
        bound = bind_variables(asked.text, self._shell.user_ns)
        return self._frame(self._open().sql(bound.text, bound.parameters))

    def _obey(self, command: Command) -> pandas.DataFrame | None:
        if command.verb == "connect":
            self._address, self._workspace = command.argument, None
            self.close()
            print(self._open().where)
        elif command.verb == "upload":
            print(self._upload(command.argument))
        elif command.verb == "jobs":
            self._show(self._open().sql("LIST JOBS"))
        elif command.verb == "cancel":
            self._show(self._open().cancel(command.argument))
        else:
            return self._frame(self._open().attach(command.argument))
        return None

    def _run_cell(self, statements: Statements) -> None:
        """Runs statements and shows the result of each as it ends; the last goes into the variable, if one is named."""
        held: Result | None = None
        bound = bind_variables(statements.text, self._shell.user_ns)
        for result in self._open().run(bound.text, bound.parameters):
            if held is not None:
                self._show(held)
            held = result
            if not statements.variable:
                self._show(result)
                held = None
        if statements.variable and held is not None:
            from thanosql.tables import summary

            self._shell.user_ns[statements.variable] = held
            print(f"{statements.variable}: {summary(held, 0)}")

    def _frame(self, result: Result) -> pandas.DataFrame | None:
        """The rows as a data frame; a result without rows is shown."""
        if result.batches:
            return result.to_pandas()
        if result.clips:
            self._show(result)
        else:
            from thanosql.tables import summary

            print(summary(result))
        return None

    def _show(self, result: Result) -> None:
        """Shows a result, and makes it `_`, also where the cell ends with a `;`, which tells IPython to be quiet."""
        result.show()
        self._shell.displayhook.update_user_ns(result)  # type: ignore[no-untyped-call]

    def _upload(self, arguments: str) -> UploadReport:
        """Sends what the arguments of `thanosql upload` say."""
        from thanosql.commands.upload import parse

        options = parse(str(self._shell.var_expand(arguments)))  # type: ignore[no-untyped-call]
        return self._open().upload(*options.paths, to=options.to, overwrite=options.overwrite)

    def _set(self, name: str, value: str) -> None:
        if name == "API_TOKEN":
            self._token = value
        elif name == "CA":
            self._ca = value
        else:
            self._address, self._workspace = "", value
        self.close()

    def _open(self) -> Session:
        if self._session is None:
            if self._address:
                self._session = connect(self._address, self._token, ca=self._ca)
            else:
                self._session = connect(workspace=self._workspace or ClientSettings.from_env().workspace)
        return self._session


def load(shell: Any) -> None:
    """Adds the magics to a shell; loading them again begins a new session."""
    loaded = getattr(shell, "_thanosql_magics", None)
    if loaded is not None:
        loaded.close()
    magics = ThanoSQLMagics(shell)
    shell._thanosql_magics = magics
    shell.register_magics(magics)
