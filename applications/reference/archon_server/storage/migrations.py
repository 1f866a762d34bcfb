"""The database's schema, as steps. `PRAGMA user_version` counts the steps that a database has had.

During a rollout an old and a new server use one database, and after a rollback an old server uses a newer one. So a
step only ever adds, and older code must work with what it adds: new tables, columns with defaults, indexes, triggers.
Names of tables and columns are stable.
"""

import sqlite3

STEPS = (
    """
    CREATE TABLE documents (
        source_id TEXT PRIMARY KEY,
        filename TEXT NOT NULL,
        file_type TEXT NOT NULL,
        knowledge_type TEXT NOT NULL,
        tags TEXT NOT NULL,
        size INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        word_count INTEGER NOT NULL DEFAULT 0,
        chunk_count INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE chunks (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        source_id TEXT NOT NULL REFERENCES documents ON DELETE CASCADE,
        position INTEGER NOT NULL,
        headings TEXT NOT NULL,
        text TEXT NOT NULL,
        has_code INTEGER NOT NULL,
        UNIQUE (source_id, position)
    ) STRICT;
    CREATE VIRTUAL TABLE chunk_words USING fts5 (
        headings, text, content='chunks', content_rowid='id', tokenize='porter unicode61 remove_diacritics 2'
    );
    CREATE TRIGGER chunk_added AFTER INSERT ON chunks BEGIN
        INSERT INTO chunk_words (rowid, headings, text) VALUES (new.id, new.headings, new.text);
    END;
    CREATE TRIGGER chunk_deleted AFTER DELETE ON chunks BEGIN
        INSERT INTO chunk_words (chunk_words, rowid, headings, text) VALUES ('delete', old.id, old.headings, old.text);
    END;
    CREATE TABLE operations (
        progress_id TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        body TEXT NOT NULL,
        finished INTEGER NOT NULL,
        updated_at INTEGER NOT NULL
    ) STRICT;
    """,
    """
    CREATE TABLE server_settings (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT;
    """,
    """
    ALTER TABLE documents ADD COLUMN code_count INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE documents ADD COLUMN title TEXT NOT NULL DEFAULT '';
    ALTER TABLE documents ADD COLUMN description TEXT;
    ALTER TABLE documents ADD COLUMN status TEXT NOT NULL DEFAULT 'active';
    ALTER TABLE documents ADD COLUMN update_frequency INTEGER NOT NULL DEFAULT 7;
    ALTER TABLE documents ADD COLUMN group_name TEXT;
    ALTER TABLE documents ADD COLUMN source_type TEXT NOT NULL DEFAULT 'file';
    ALTER TABLE documents ADD COLUMN url TEXT NOT NULL DEFAULT '';
    ALTER TABLE documents ADD COLUMN updated_at TEXT NOT NULL DEFAULT '';
    ALTER TABLE documents ADD COLUMN crawl TEXT;
    ALTER TABLE chunks ADD COLUMN url TEXT NOT NULL DEFAULT '';
    CREATE TABLE credentials (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL,
        is_encrypted INTEGER NOT NULL,
        category TEXT,
        description TEXT
    ) STRICT;
    -- An ordinary table, not one of sqlite-vec's: servers without that extension must still be able to delete a chunk.
    CREATE TABLE chunk_vectors (
        chunk_id INTEGER NOT NULL REFERENCES chunks ON DELETE CASCADE,
        model TEXT NOT NULL,
        vector BLOB NOT NULL,
        PRIMARY KEY (chunk_id, model)
    ) STRICT;
    """,
    """
    -- The words that `text.index_text` finds. No trigger can call it, because older servers, which write to the same
    -- database, do not have it. So triggers only note which chunks wait for a newer server to index them.
    CREATE VIRTUAL TABLE chunk_terms USING fts5 (headings, text, tokenize='porter ascii');
    CREATE TABLE chunks_to_index (chunk_id INTEGER PRIMARY KEY) STRICT;
    INSERT INTO chunks_to_index (chunk_id) SELECT id FROM chunks;
    CREATE TRIGGER chunk_waits_for_index AFTER INSERT ON chunks BEGIN
        INSERT INTO chunks_to_index (chunk_id) VALUES (new.id);
    END;
    CREATE TRIGGER chunk_leaves_index AFTER DELETE ON chunks BEGIN
        DELETE FROM chunk_terms WHERE rowid = old.id;
        DELETE FROM chunks_to_index WHERE chunk_id = old.id;
    END;
    """,
    """
    CREATE TABLE chunks_without_vector (
        chunk_id INTEGER NOT NULL REFERENCES chunks ON DELETE CASCADE,
        endpoint TEXT NOT NULL,
        model TEXT NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (chunk_id, endpoint, model)
    ) STRICT;
    """,
    """
    -- Emoji are words, and two Arabic letters are one. Until a passage is indexed again, chunk_words finds it.
    DELETE FROM chunk_terms;
    INSERT OR IGNORE INTO chunks_to_index (chunk_id) SELECT id FROM chunks;
    """,
    """
    -- More letters and signs that look alike are one.
    DELETE FROM chunk_terms;
    INSERT OR IGNORE INTO chunks_to_index (chunk_id) SELECT id FROM chunks;
    """,
)


def migrate(connection: sqlite3.Connection) -> None:
    """Brings the database up to this code's steps.

    A newer database stays as it is. If two servers migrate at once, each step is still done once.
    """
    if _version(connection) >= len(STEPS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # The version is read again, because only now no other server can change it.
        for number in range(_version(connection), len(STEPS)):
            for statement in _statements(STEPS[number]):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number + 1}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA user_version").fetchone()[0]


def _statements(script: str) -> list[str]:
    """executescript would commit the open transaction first, so the script is run statement by statement."""
    statements, text = [], ""
    for part in script.split(";"):
        text += part + ";"
        if sqlite3.complete_statement(text):
            statements.append(text)
            text = ""
    return statements
