// Colours the statements of %%thanosql cells, and of .thanosql files, in JupyterLab and Notebook 7.
//
// A prebuilt extension of JupyterLab is a module federation container: an object under window._JUPYTERLAB that is given
// the page's shared modules and hands out its own. This one needs nothing but those of the page, so it is written as
// one and has no build. The words and their kinds are those of thanosql/lexer.py, with which a test compares them.
"use strict";

(() => {
  const MIME = "text/x-thanosql";
  const MAGIC = /^%%thanosql\b/;

  // thanosql/lexer.py: LEADING, SPEECH and QUERY; TYPES.
  const WORDS =
    "ALL ALTER AND ANY AS ASC AUDIO BASE BETWEEN BUILD BY CANCEL CASE CAST COLUMN COPY CREATE CROSS CURRENT DATASET " +
    "DELETE DESC DESCRIBE DISTINCT DROP ELSE END EVALUATE EXCEPT EXISTS EXPLAIN EXPORT FILTER FIRST FIT FOLLOWING " +
    "FROM FULL GET GROUP HAVING IF ILIKE IN INNER INSERT INTERSECT INTERVAL INTO IS JOB JOBS JOIN LAST LATERAL LEFT " +
    "LIKE LIMIT LIST MODEL MODELS NATURAL NOT NULLS OFFSET ON OPTIONS OR ORDER OUTER OVER PARTITION PRECEDING " +
    "PREDICT PRINT RANGE RECURSIVE RENAME REPLACE RESUME RIGHT ROW ROWS SELECT SET SIMILAR TABLE TABLES THANOSQL " +
    "THEN TO UNBOUNDED UNION UPDATE UPLOAD USING VALUES WHEN WHERE WINDOW WITH";
  const TYPES =
    "BIGINT BOOLEAN BYTEA CHAR DATE DECIMAL DOUBLE FLOAT INT INTEGER JSON NUMERIC PRECISION REAL SMALLINT TEXT TIME " +
    "TIMESTAMP TIMESTAMPTZ UUID VARCHAR";

  // Names of tokens are CodeMirror's.
  const KINDS = new Map([
    ...WORDS.split(" ").map((word) => [word, "keyword"]),
    ...TYPES.split(" ").map((word) => [word, "typeName"]),
    ["TRUE", "bool"],
    ["FALSE", "bool"],
    ["NULL", "null"],
  ]);

  /** What a token may leave open at the end of a line: how it ends, and its kind. */
  const TEXT = { kind: "string", rest: /^(?:[^']|'')*/, end: /^'/ };
  const ESCAPED = { kind: "string", rest: /^(?:[^'\\]|\\.|'')*\\?/, end: /^'/ };
  const NAME = { kind: "variableName", rest: /^(?:[^"]|"")*/, end: /^"/ };

  const parser = {
    name: "thanosql",
    startState: () => ({ begun: false, open: null, dollar: "", comments: 0, options: 0 }),
    copyState: (state) => ({ ...state }),
    blankLine: (state) => void (state.begun = true),
    token(stream, state) {
      const first = !state.begun;
      state.begun = true;
      if (first && stream.match(MAGIC)) {
        stream.skipToEnd();
        return "meta";
      }
      if (state.comments > 0) return comment(stream, state);
      if (state.open) return text(stream, state);
      if (state.dollar) return dollarQuoted(stream, state);
      if (stream.eatSpace()) return null;
      if (stream.match("--") || (stream.string.slice(0, stream.pos).trim() === "" && stream.match(/^#(?!>)/))) {
        stream.skipToEnd();
        return "comment";
      }
      if (stream.match("/*")) {
        state.comments = 1;
        return comment(stream, state);
      }
      if (stream.match(/^e'/i)) return text(stream, Object.assign(state, { open: ESCAPED }));
      if (stream.match("'")) return text(stream, Object.assign(state, { open: TEXT }));
      if (stream.match('"')) return text(stream, Object.assign(state, { open: NAME }));
      const tag = stream.match(/^\$\w*\$/);
      if (tag) {
        state.dollar = tag[0];
        return dollarQuoted(stream, state);
      }
      if (stream.match("::")) return "operator";
      if (stream.match(/^[:$][\p{L}_][\p{L}\p{N}_]*/u)) return "variableName.special";
      if (stream.match(/^(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?/i)) return "number";
      const word = stream.match(/^[\p{L}_][\p{L}\p{N}_]*/u);
      if (word) return kindOf(word[0], stream, state);
      return sign(stream, state);
    },
    languageData: {
      commentTokens: { line: "--", block: { open: "/*", close: "*/" } },
      closeBrackets: { brackets: ["(", "[", "'", '"'] },
    },
  };

  function kindOf(word, stream, state) {
    const kind = KINDS.get(word.toUpperCase());
    const next = stream.string.slice(stream.pos).trimStart();
    if (state.options > 0 && next.startsWith("=")) return "propertyName";
    if (word.toUpperCase() === "OPTIONS" && next.startsWith("(")) state.options = -1;
    return kind ?? (next.startsWith("(") ? "variableName.function" : "variableName");
  }

  /** `options` counts the brackets that are open since OPTIONS; -1 while its own is awaited. */
  function sign(stream, state) {
    const character = stream.next();
    if (character === "(" && state.options !== 0) state.options = Math.max(state.options, 0) + 1;
    if (character === ")" && state.options > 0) state.options -= 1;
    return /[;:()[\],.{}\\]/.test(character) ? "punctuation" : "operator";
  }

  function comment(stream, state) {
    while (state.comments > 0 && !stream.eol()) {
      if (stream.match("/*")) state.comments += 1;
      else if (stream.match("*/")) state.comments -= 1;
      else stream.next();
    }
    return "comment";
  }

  function text(stream, state) {
    const { kind, rest, end } = state.open;
    stream.match(rest);
    if (stream.match(end)) state.open = null;
    return kind;
  }

  function dollarQuoted(stream, state) {
    const end = stream.string.indexOf(state.dollar, stream.pos);
    if (end < 0) {
      stream.skipToEnd();
    } else {
      stream.pos = end + state.dollar.length;
      state.dollar = "";
    }
    return "string";
  }

  /** Has each code cell read as what its first line says, whenever that, or the notebook's language, changes. */
  function watch(panel, languages) {
    const known = new WeakSet();
    const look = async (cell) => {
      const language = panel.content.codeMimetype;
      const wanted = MAGIC.test(cell.sharedModel.getSource());
      if (wanted === (cell.mimeType === MIME)) return;
      // An editor that is still loading Python would have it take effect after ours.
      await languages.getLanguage(language);
      setTimeout(() => void (cell.isDisposed || (cell.mimeType = wanted ? MIME : language)));
    };
    const begin = (cell) => {
      if (cell.type !== "code" || known.has(cell)) return;
      known.add(cell);
      cell.contentChanged.connect(look);
      cell.mimeTypeChanged.connect(look);
      look(cell);
    };
    void panel.context.ready.then(() => {
      const cells = panel.content.model.cells;
      cells.changed.connect((_, change) => change.newValues.forEach(begin));
      for (const cell of cells) begin(cell);
    });
  }

  const highlighting = ({ StreamLanguage, LanguageSupport }, { IEditorLanguageRegistry }, { INotebookTracker }) => ({
    id: "thanosql:highlighting",
    description: "Colours the statements of %%thanosql cells.",
    autoStart: true,
    requires: [IEditorLanguageRegistry],
    optional: [INotebookTracker],
    activate: (_, languages, notebooks) => {
      languages.addLanguage({
        name: "thanosql",
        displayName: "ThanoSQL",
        mime: MIME,
        extensions: ["thanosql"],
        support: new LanguageSupport(StreamLanguage.define(parser)),
      });
      if (!notebooks) return;
      notebooks.forEach((panel) => watch(panel, languages));
      notebooks.widgetAdded.connect((_, panel) => watch(panel, languages));
    },
  });

  /** The page's shared modules: of each name its versions, of each version how it is loaded. */
  let shared = null;

  async function load(name) {
    const versions = Object.values(shared[name] ?? {});
    const version = versions.find((each) => each.loaded) ?? versions[0];
    if (!version) throw new Error(`thanosql: this JupyterLab shares no ${name}`);
    return (await version.get())();
  }

  window._JUPYTERLAB ??= {};
  window._JUPYTERLAB.thanosql = {
    init: (scope) => void (shared = scope),
    get: async (name) => {
      if (name !== "./extension") throw new Error(`thanosql: there is no module ${name}`);
      const names = ["@codemirror/language", "@jupyterlab/codemirror", "@jupyterlab/notebook"];
      const plugin = highlighting(...(await Promise.all(names.map(load))));
      return () => ({ __esModule: true, default: plugin });
    },
  };
})();
