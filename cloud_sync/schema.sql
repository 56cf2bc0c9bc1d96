-- The receiver's tables, format 3. A semicolon ends a line and a command. Times are UTC milliseconds, hashes SHA-256.
--
-- Truth: enrolled, bank, feed_grant, statement, quarantine. If lost, boxes send again what was not receipted, and
-- nothing else brings a page back: back this file up. If altered, a bank's verifier sees it, because every page is signed and chained.
-- Derived: segment, run, hour, day, crossing, stock, picture, certificate, event, alarm, measure, level, gap, fork. If
-- lost or wrong: `cloud-sync rebuild`. Format 2 brought event, alarm, measure and level, format 3 stock, picture,
-- certificate and the last three columns of crossing: an older file gets them, empty, when it is opened.

-- Which key may speak for which box (名册).
CREATE TABLE IF NOT EXISTS enrolled (
    box TEXT NOT NULL,
    enterprise TEXT NOT NULL,
    site TEXT NOT NULL,
    key BLOB NOT NULL,              -- COSE_Key
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (box, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS bank (
    bank TEXT PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,       -- COSE_Key that checks its tokens
    added_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a bank may pull. A revoked grant stays as a row: what was once shown is part of the record.
CREATE TABLE IF NOT EXISTS feed_grant (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    bank TEXT NOT NULL REFERENCES bank,
    box TEXT NOT NULL,
    pattern TEXT NOT NULL,          -- a stream, machine/*, or *
    from_ms INTEGER NOT NULL,       -- statements whose window ended before are not shown; 0: all
    granted_ms INTEGER NOT NULL,
    revoked_ms INTEGER
) STRICT;

CREATE TABLE IF NOT EXISTS stream (
    id INTEGER PRIMARY KEY,
    box TEXT NOT NULL,
    stream TEXT NOT NULL,
    simulated INTEGER NOT NULL DEFAULT 0,   -- a statement of it was signed under a simulated clock
    UNIQUE (box, stream)
) STRICT;

-- seq is the commit order: one writer, so a number is never visible before a smaller one.
CREATE TABLE IF NOT EXISTS statement (
    seq INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL REFERENCES stream,
    n INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    prev BLOB NOT NULL,
    kind INTEGER NOT NULL,
    from_ms INTEGER,                -- of its window; NULL for kinds that have none
    to_ms INTEGER,
    at_ms INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    body BLOB NOT NULL              -- the signed bytes, verbatim; as a zstd frame where that is shorter
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS statement_place ON statement (stream, n, sha256);
-- With the rowid that every index ends in: (stream, seq), for the feed.
CREATE INDEX IF NOT EXISTS statement_of_stream ON statement (stream);
-- Settings and heartbeats.
CREATE INDEX IF NOT EXISTS statement_of_kind ON statement (stream, kind, n) WHERE kind >= 16;

CREATE TABLE IF NOT EXISTS segment (
    stream INTEGER NOT NULL REFERENCES stream,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    prev BLOB NOT NULL,
    sha256 BLOB NOT NULL,
    PRIMARY KEY (stream, sha256)
) STRICT, WITHOUT ROWID;

-- Known states only: a time without a row is unknown. States: cloud_sync/derive.py, Paint.
CREATE TABLE IF NOT EXISTS run (
    stream INTEGER NOT NULL REFERENCES stream,
    from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL,
    state INTEGER NOT NULL,
    PRIMARY KEY (stream, from_ms)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS hour (
    stream INTEGER NOT NULL REFERENCES stream,
    from_ms INTEGER NOT NULL,
    running_ms INTEGER NOT NULL,
    idle_ms INTEGER NOT NULL,
    stopped_ms INTEGER NOT NULL,
    contested_ms INTEGER NOT NULL,
    clear_ms INTEGER NOT NULL,      -- of a gate: its camera could see
    blind_ms INTEGER NOT NULL,
    crossed_in INTEGER NOT NULL,
    crossed_out INTEGER NOT NULL,
    PRIMARY KEY (stream, from_ms)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS day (                  -- of Asia/Shanghai; from_ms is its midnight
    stream INTEGER NOT NULL REFERENCES stream,
    from_ms INTEGER NOT NULL,
    running_ms INTEGER NOT NULL,
    idle_ms INTEGER NOT NULL,
    stopped_ms INTEGER NOT NULL,
    contested_ms INTEGER NOT NULL,
    clear_ms INTEGER NOT NULL,
    blind_ms INTEGER NOT NULL,
    crossed_in INTEGER NOT NULL,
    crossed_out INTEGER NOT NULL,
    PRIMARY KEY (stream, from_ms)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS crossing (
    stream INTEGER NOT NULL REFERENCES stream,
    at_ms INTEGER NOT NULL,
    seq INTEGER NOT NULL REFERENCES statement,
    place INTEGER NOT NULL,         -- among the crossings of its statement
    direction INTEGER NOT NULL,
    label TEXT NOT NULL,
    confidence_permille INTEGER NOT NULL,
    seen TEXT NOT NULL DEFAULT '',          -- the names of what saw it, a line each; none where nobody noted it
    looked INTEGER NOT NULL DEFAULT 0,      -- how many looked, where it was noted
    uncertain INTEGER NOT NULL DEFAULT 0,   -- how many more items may be in this load
    PRIMARY KEY (stream, at_ms, seq, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS stock (  -- what was said of a zone, look by look; a time without a row is unknown
    stream INTEGER NOT NULL REFERENCES stream,
    from_ms INTEGER NOT NULL,
    seq INTEGER NOT NULL REFERENCES statement,
    to_ms INTEGER NOT NULL,
    verdict INTEGER NOT NULL,       -- Verdict
    count INTEGER,                  -- visible front items; NULL: nothing was ever counted, and never a zero
    uncertain INTEGER NOT NULL,
    PRIMARY KEY (stream, from_ms, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS picture ( -- its bytes, where it left the box, are in the statement
    stream INTEGER NOT NULL REFERENCES stream,
    from_ms INTEGER NOT NULL,
    seq INTEGER NOT NULL REFERENCES statement,
    to_ms INTEGER NOT NULL,
    what INTEGER NOT NULL,          -- PictureKind
    media_type TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    length INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    marks INTEGER NOT NULL,
    here INTEGER NOT NULL,          -- whether it left the box
    PRIMARY KEY (stream, from_ms, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS picture_of_hash ON picture (stream, sha256, here);

CREATE TABLE IF NOT EXISTS certificate ( -- how a machine's counts compare with a person's
    stream INTEGER NOT NULL REFERENCES stream,
    at_ms INTEGER NOT NULL,
    seq INTEGER NOT NULL REFERENCES statement,
    n INTEGER NOT NULL,
    frames INTEGER NOT NULL,
    by_person INTEGER NOT NULL,
    by_machine INTEGER NOT NULL,
    exact INTEGER NOT NULL,
    error_permille INTEGER NOT NULL,
    limit_permille INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    detector TEXT NOT NULL,
    detector_sha256 BLOB NOT NULL,
    pictures_sha256 BLOB NOT NULL,
    PRIMARY KEY (stream, at_ms, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS event (
    stream INTEGER NOT NULL REFERENCES stream,
    at_ms INTEGER NOT NULL,
    n INTEGER NOT NULL,             -- its statement's, and …
    place INTEGER NOT NULL,         -- … its place there: the order in which the box told it
    seq INTEGER NOT NULL REFERENCES statement,
    kind INTEGER NOT NULL,          -- EventKind
    phase INTEGER NOT NULL,         -- Phase
    subject TEXT NOT NULL,
    value INTEGER,                  -- as the subject's point counts
    reference INTEGER,
    says TEXT NOT NULL,
    PRIMARY KEY (stream, at_ms, n, place, seq)
) STRICT, WITHOUT ROWID;
-- What was raised, and what was cleared, of one subject.
CREATE INDEX IF NOT EXISTS event_of_subject ON event (stream, kind, subject, phase, n, place);

CREATE TABLE IF NOT EXISTS alarm ( -- what is raised and not cleared
    stream INTEGER NOT NULL REFERENCES stream,
    kind INTEGER NOT NULL,
    subject TEXT NOT NULL,
    since_ms INTEGER NOT NULL,      -- of the first RAISED after the last CLEARED
    value INTEGER,                  -- of the last one
    reference INTEGER,
    says TEXT NOT NULL,
    PRIMARY KEY (stream, kind, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS measure ( -- what a fire sensor or meter measures
    id INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL REFERENCES stream,
    point TEXT NOT NULL,
    unit TEXT NOT NULL,
    decimals INTEGER NOT NULL,
    UNIQUE (stream, point, unit, decimals)
) STRICT;

CREATE TABLE IF NOT EXISTS level (  -- of a quarter of an hour, an hour, and a day of Asia/Shanghai
    measure INTEGER NOT NULL REFERENCES measure,
    width_ms INTEGER NOT NULL,
    from_ms INTEGER NOT NULL,
    least INTEGER NOT NULL,
    most INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (measure, width_ms, from_ms)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS gap (                  -- what a box signed that it did not record
    stream INTEGER NOT NULL REFERENCES stream,
    from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL,
    seq INTEGER NOT NULL REFERENCES statement,
    n INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    lost INTEGER,
    PRIMARY KEY (stream, from_ms, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS fork (                 -- each n at which a second history begins
    stream INTEGER NOT NULL REFERENCES stream,
    n INTEGER NOT NULL,
    PRIMARY KEY (stream, n)
) STRICT, WITHOUT ROWID;

-- Refused bytes and why, a bounded number a box, the newest.
CREATE TABLE IF NOT EXISTS quarantine (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    box TEXT NOT NULL,
    sha256 BLOB NOT NULL,           -- of all the bytes
    reason TEXT NOT NULL,
    for_good INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    times INTEGER NOT NULL,
    length INTEGER NOT NULL,
    body BLOB NOT NULL,             -- the bytes, cut off at a limit
    UNIQUE (box, sha256)
) STRICT;
