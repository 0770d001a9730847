//! What every rule names in `MySQL`, and what none does.

use bluegreen_validate::migrations::Dialect::Mysql;

use crate::world::all;

#[test]
fn what_only_adds_and_says_how_is_safe() {
    all(
        Mysql,
        &[
            (
                "CREATE TABLE parcels (id BIGINT AUTO_INCREMENT PRIMARY KEY, note TEXT) ENGINE=InnoDB",
                &[],
            ),
            ("ALTER TABLE `orders` ADD COLUMN note VARCHAR(40) NULL, ALGORITHM=INSTANT", &[]),
            ("ALTER TABLE orders ADD COLUMN n INT NOT NULL DEFAULT 0, ALGORITHM=INSTANT", &[]),
            ("ALTER TABLE orders ADD INDEX i (note), ALGORITHM=INPLACE, LOCK=NONE", &[]),
            ("CREATE INDEX i ON orders (note) LOCK=NONE", &[]),
            ("INSERT INTO kinds (name) VALUES ('a')", &[]),
            ("INSERT IGNORE INTO kinds (name) VALUES ('a')", &[]),
            ("SET NAMES utf8mb4", &[]),
            ("/*!40101 SET NAMES utf8mb4 */", &[]),
        ],
    );
}

#[test]
fn what_breaks_the_other_slot_is_found() {
    all(
        Mysql,
        &[
            ("DROP TABLE orders", &["drop-table"]),
            ("RENAME TABLE orders TO purchases", &["rename-table"]),
            ("RENAME TABLE a TO b, c TO d", &["rename-table", "rename-table"]),
            ("ALTER TABLE orders DROP COLUMN note, ALGORITHM=INSTANT", &["drop-column"]),
            ("ALTER TABLE orders RENAME COLUMN a TO b, ALGORITHM=INSTANT", &["rename-column"]),
            (
                "ALTER TABLE orders CHANGE a b INT, LOCK=NONE",
                &["rename-column", "change-column-type"],
            ),
            ("ALTER TABLE orders CHANGE a a BIGINT, LOCK=NONE", &["change-column-type"]),
            (
                "ALTER TABLE orders MODIFY COLUMN a BIGINT NOT NULL, LOCK=NONE",
                &["change-column-type"],
            ),
            ("ALTER TABLE orders MODIFY mood ENUM('a', 'b'), LOCK=NONE", &["change-column-type"]),
            (
                "ALTER TABLE orders ADD COLUMN n INT NOT NULL, ALGORITHM=INSTANT",
                &["add-required-column"],
            ),
            ("ALTER TABLE orders DROP PRIMARY KEY, LOCK=NONE", &["drop-constraint"]),
            ("ALTER TABLE orders DROP FOREIGN KEY fk, LOCK=NONE", &["drop-constraint"]),
            ("ALTER TABLE orders DROP INDEX i, LOCK=NONE", &["drop-index"]),
            ("ALTER TABLE orders ADD UNIQUE KEY u (a), LOCK=NONE", &["add-unique"]),
            (
                "ALTER TABLE orders ALTER COLUMN a DROP DEFAULT, ALGORITHM=INSTANT",
                &["drop-default"],
            ),
            ("CREATE UNIQUE INDEX u ON orders (a) LOCK=NONE", &["add-unique"]),
            ("UPDATE orders SET a = 1", &["update-all-rows"]),
            ("DELETE FROM orders WHERE a = 1 LIMIT 10", &["delete-rows"]),
            ("TRUNCATE TABLE orders", &["truncate"]),
            ("REPLACE INTO kinds (a) VALUES (1)", &["update-rows"]),
            ("INSERT INTO kinds (a) VALUES (1) ON DUPLICATE KEY UPDATE a = 2", &["update-rows"]),
            ("DROP DATABASE shop", &["drop-schema"]),
            ("CREATE OR REPLACE VIEW v AS SELECT 1 AS a", &["replace-object"]),
        ],
    );
}

#[test]
fn what_makes_the_other_slot_wait_is_found() {
    all(
        Mysql,
        &[
            ("ALTER TABLE orders ADD COLUMN note TEXT", &["algorithm-not-stated"]),
            (
                "ALTER TABLE orders ADD COLUMN note TEXT, ALGORITHM=INPLACE",
                &["algorithm-not-stated"],
            ),
            ("ALTER TABLE orders ADD COLUMN note TEXT, ALGORITHM=COPY", &["copies-table"]),
            ("ALTER TABLE orders ADD COLUMN note TEXT, LOCK=SHARED", &["copies-table"]),
            ("CREATE INDEX i ON orders (note)", &["algorithm-not-stated"]),
            (
                "ALTER TABLE orders ADD COLUMN id CHAR(36) DEFAULT (uuid()), LOCK=NONE",
                &["volatile-default"],
            ),
            (
                "ALTER TABLE orders ADD COLUMN n INT NOT NULL AUTO_INCREMENT UNIQUE, LOCK=NONE",
                &["auto-increment-column"],
            ),
            ("LOCK TABLES orders WRITE", &["locks-table"]),
            ("INSERT INTO log (a) SELECT a FROM orders", &["locks-table"]),
        ],
    );
}

#[test]
fn what_is_not_known_is_not_safe() {
    all(
        Mysql,
        &[
            ("CALL tidy_up()", &["opaque-code"]),
            ("SET sql_mode = 'ANSI_QUOTES'", &["unknown-statement"]),
            ("SET GLOBAL lock_wait_timeout = 5", &["unknown-statement"]),
            ("/*!80013 DROP TABLE orders */", &["unparsable", "drop-table"]),
            ("/*M! DROP TABLE orders */; SELECT 1", &["unparsable"]),
            ("/*!40101 DROP TABLE orders */", &["drop-table"]),
            ("DELIMITER //", &["unparsable"]),
            ("SELECT 1 -- 'x\n; DROP TABLE orders", &["drop-table"]),
            ("SELECT 'a\\'; DROP TABLE orders; -- '", &[]),
            ("SELECT 1 # ; \n; DROP TABLE orders", &["drop-table"]),
        ],
    );
}
