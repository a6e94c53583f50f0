"""Room: booleans and times as INTEGER, milliseconds since 1970, an FTS table with its triggers, android_metadata."""

from datetime import UTC

from support.orms.application import Application, hexadecimal, moment, refused, same

_SCHEMA = """
CREATE TABLE android_metadata (locale TEXT);
CREATE TABLE room_master_table (id INTEGER PRIMARY KEY,identity_hash TEXT);
CREATE TABLE `User` (`uid` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `first_name` TEXT, `isActive` INTEGER NOT NULL,
  `createdAt` INTEGER NOT NULL, `weight` REAL NOT NULL, `avatar` BLOB, `kind` TEXT NOT NULL DEFAULT 'GUEST');
CREATE TABLE `Note` (`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `userId` INTEGER NOT NULL, `text` TEXT NOT NULL,
  `doneAt` INTEGER,
  FOREIGN KEY(`userId`) REFERENCES `User`(`uid`) ON UPDATE NO ACTION ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED);
CREATE INDEX `index_Note_userId` ON `Note` (`userId`);
CREATE UNIQUE INDEX `index_User_first_name_kind` ON `User` (`first_name`, `kind`);
CREATE TABLE `PlaylistSong` (`playlistId` INTEGER NOT NULL, `songId` INTEGER NOT NULL,
  PRIMARY KEY(`playlistId`, `songId`));
CREATE VIRTUAL TABLE `NoteFts` USING FTS4(`text` TEXT NOT NULL, content=`Note`);
CREATE VIEW `ActiveUser` AS SELECT uid, first_name FROM User WHERE isActive = 1;
"""
_TRIGGERS = """
INSERT INTO `NoteFts`(`docid`, `text`) SELECT `rowid`, `text` FROM `Note`;
CREATE TRIGGER room_fts_content_sync_NoteFts_BEFORE_UPDATE BEFORE UPDATE ON `Note`
BEGIN DELETE FROM `NoteFts` WHERE `docid`=OLD.`rowid`; END;
CREATE TRIGGER room_fts_content_sync_NoteFts_AFTER_INSERT AFTER INSERT ON `Note`
BEGIN INSERT INTO `NoteFts`(`docid`, `text`) VALUES (NEW.`rowid`, NEW.`text`); END;
PRAGMA user_version = 7;
"""


def _ms(number: int) -> int:
    return int(moment(number).replace(tzinfo=UTC).timestamp() * 1000)


ROOM = Application(
    "room",
    _SCHEMA,
    {
        "android_metadata": [("en_US",)],
        "room_master_table": [(42, hexadecimal(1))],
        "User": [
            (
                k,
                f"Name {k}" if k % 5 else None,
                k % 2,
                _ms(k),
                k / 7,
                bytes([k]) if k % 3 else None,
                ("GUEST", "OWNER")[k % 2],
            )
            for k in range(1, 21)
        ],
        "Note": [(k, k % 20 + 1, f"note number {k} 😀", _ms(k) if k % 3 else None) for k in range(1, 41)],
        "PlaylistSong": [(k % 4, k) for k in range(30)],
    },
    after=_TRIGGERS,
    virtual=frozenset({"NoteFts"}),
    selects=same(
        'SELECT uid, first_name FROM "user" WHERE isActive = 1 ORDER BY uid',
        'SELECT createdAt FROM "user" WHERE createdAt > 1710000000000 ORDER BY uid',
        "SELECT n.text FROM Note n INNER JOIN \"user\" u ON u.uid = n.userId WHERE u.kind = 'OWNER' ORDER BY n.id",
        "SELECT playlistId, COUNT(songId) FROM PlaylistSong GROUP BY playlistId ORDER BY playlistId",
        "SELECT identity_hash FROM room_master_table WHERE id = 42",
        "SELECT first_name FROM ActiveUser ORDER BY uid",
    ),
    inserts=same(
        "INSERT INTO \"user\" (first_name, isActive, createdAt, weight) VALUES ('new', 1, 0, 1.5)",
        "INSERT INTO Note (userId, text) VALUES (1, 'new')",
    ),
    violations=[
        refused("unique", "UPDATE \"user\" SET first_name = 'Name 3', kind = 'OWNER' WHERE uid = 1"),
        refused("not null", "UPDATE Note SET text = NULL WHERE id = 1"),
        refused("foreign key", "UPDATE Note SET userId = 999 WHERE id = 1"),
        refused("primary key", "INSERT INTO PlaylistSong (playlistId, songId) VALUES (1, 1)"),
    ],
)
