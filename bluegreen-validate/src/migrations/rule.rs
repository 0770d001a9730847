//! What is judged: every rule, and which of the two dangers it is about.

use std::fmt;

use serde::{Serialize, Serializer};

use super::Phase;

/// What a statement may do to the slot that runs meanwhile.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Danger {
    /// The other version gets errors, or reads and writes what is wrong: with as little traffic as may
    /// be, and for as long as it runs.
    Breaks,
    /// Both versions wait, while a table is locked, rewritten or read through.
    Blocks,
    /// It is not known what it does.
    Unknown,
}

impl fmt::Display for Danger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Breaks => "breaks the other slot",
            Self::Blocks => "blocks the other slot",
            Self::Unknown => "cannot be judged",
        })
    }
}

/// When a rule holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Held {
    /// In both phases.
    Always,
    /// While an old version may still be running; contracting is there to do it.
    Expanding,
}

macro_rules! rules {
    ($($variant:ident $id:literal $danger:ident $held:ident $about:literal)+) => {
        /// A rule. Its name is what findings and acknowledgements call it.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum Rule {
            $(#[doc = concat!("`", $id, "`: ", $about)] $variant,)+
        }

        impl Rule {
            /// All rules, in the order of [`Danger`].
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// What findings and acknowledgements call it: `drop-column`.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$variant => $id),+ }
            }

            /// What it is about, in a few words.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about),+ }
            }

            /// What a statement that it names may do.
            pub const fn danger(self) -> Danger {
                match self { $(Self::$variant => Danger::$danger),+ }
            }

            const fn held(self) -> Held {
                match self { $(Self::$variant => Held::$held),+ }
            }
        }
    };
}

rules! {
    DropTable "drop-table" Breaks Expanding "a table is dropped."
    DropColumn "drop-column" Breaks Expanding "a column is dropped."
    DropView "drop-view" Breaks Expanding "a view is dropped."
    DropType "drop-type" Breaks Expanding "a type or a domain is dropped."
    DropFunction "drop-function" Breaks Expanding "a function or a procedure is dropped."
    DropSequence "drop-sequence" Breaks Expanding "a sequence is dropped."
    DropSchema "drop-schema" Breaks Always "a schema or a database is dropped, with all that is in it."
    DropIndex "drop-index" Breaks Expanding "an index is dropped."
    DropConstraint "drop-constraint" Breaks Expanding "a constraint or a key is dropped."
    DropObject "drop-object" Breaks Expanding "something else is dropped."
    RenameTable "rename-table" Breaks Always "a table is renamed."
    RenameColumn "rename-column" Breaks Always "a column is renamed."
    RenameObject "rename-object" Breaks Always "a schema, a type, a view or a function is renamed or moved."
    RenameEnumValue "rename-enum-value" Breaks Always "a value of a type is renamed."
    AddEnumValue "add-enum-value" Breaks Expanding "a type gets another value."
    ChangeColumnType "change-column-type" Breaks Always "the type of a column is changed."
    AddRequiredColumn "add-required-column" Breaks Always "a column is added that every writer must know."
    SetNotNull "set-not-null" Breaks Expanding "a column may not be NULL any more."
    DropNotNull "drop-not-null" Breaks Expanding "a column may be NULL from now on."
    ChangeDefault "change-default" Breaks Always "the default of a column is changed."
    DropDefault "drop-default" Breaks Expanding "the default of a column is dropped."
    AddCheck "add-check" Breaks Expanding "a condition is set that old writers may violate."
    AddForeignKey "add-foreign-key" Breaks Expanding "a reference is demanded that old writers may violate."
    AddUnique "add-unique" Breaks Expanding "a key is demanded that old writers may violate."
    AddExclusion "add-exclusion" Breaks Expanding "an exclusion is demanded that old writers may violate."
    ReferenceHoldsRows "reference-holds-rows" Breaks Expanding "a new table keeps old versions from deleting rows."
    AddTrigger "add-trigger" Breaks Always "a trigger or a rule acts on what old versions write."
    ChangeTrigger "change-trigger" Breaks Expanding "a trigger or a rule is dropped, or turned on or off."
    ReplaceObject "replace-object" Breaks Always "a view, a function or the like is replaced."
    RowSecurity "row-security" Breaks Always "rows are hidden or shown by policy."
    Revoke "revoke" Breaks Expanding "a right is taken away."
    ChangeOwner "change-owner" Breaks Always "something gets another owner."
    JsonColumn "json-column" Breaks Always "a column is added that can not be compared."
    Truncate "truncate" Breaks Always "a table is emptied."
    DeleteAllRows "delete-all-rows" Breaks Always "all rows are deleted."
    DeleteRows "delete-rows" Breaks Expanding "rows are deleted."
    UpdateAllRows "update-all-rows" Breaks Always "all rows are changed."
    UpdateRows "update-rows" Breaks Expanding "rows are changed that old versions read."
    Backfill "backfill" Blocks Always "a new column is filled in one statement."
    MissingLockTimeout "missing-lock-timeout" Blocks Always "a lock is waited for without a bound."
    IndexNotConcurrently "index-not-concurrently" Blocks Always "an index is made, dropped or rebuilt under a lock."
    ConcurrentlyInTransaction "concurrently-in-transaction" Blocks Always "CONCURRENTLY is asked for in a transaction."
    ConstraintValidates "constraint-validates" Blocks Always "a constraint reads the table under a lock."
    ConstraintBuildsIndex "constraint-builds-index" Blocks Always "a constraint makes an index under a lock."
    ValidateInTransaction "validate-in-transaction" Blocks Always "a constraint is validated while its lock is held."
    NotNullScans "not-null-scans" Blocks Always "SET NOT NULL reads the table under a lock."
    RewritesTable "rewrites-table" Blocks Always "a table is written anew under a lock."
    VolatileDefault "volatile-default" Blocks Always "a default has to be computed for every row."
    AutoIncrementColumn "auto-increment-column" Blocks Always "a column is added that numbers every row."
    StoredGeneratedColumn "stored-generated-column" Blocks Always "a column is added that is computed for every row."
    LocksTable "locks-table" Blocks Always "a table is locked."
    PartitionLocks "partition-locks" Blocks Always "a partition is attached or detached under a lock."
    AlgorithmNotStated "algorithm-not-stated" Blocks Always "the server may copy a table without a word."
    CopiesTable "copies-table" Blocks Always "the server copies or locks a table."
    UncommittedTransaction "uncommitted-transaction" Blocks Always "a transaction is begun and not ended."
    OpaqueCode "opaque-code" Unknown Always "code is run that is not seen here."
    UnknownStatement "unknown-statement" Unknown Always "no rule knows the statement."
    Unparsable "unparsable" Unknown Always "the text can not be read."
    Acknowledgement "acknowledgement" Unknown Always "an acknowledgement is not one."
}

impl Rule {
    /// The rule of this name.
    pub fn parse(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.id() == id)
    }

    /// Whether a person may say that a statement is right all the same. Of what can not be read
    /// nobody knows what was said yes to.
    pub const fn may_be_allowed(self) -> bool {
        !matches!(self, Self::Unparsable | Self::Acknowledgement)
    }

    /// Whether it holds in `phase`.
    pub fn holds_in(self, phase: Phase) -> bool {
        phase == Phase::Expand || self.held() == Held::Always
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_stand_by_danger() {
        let ids: std::collections::BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.id()).collect();
        assert_eq!(ids.len(), Rule::ALL.len());
        assert!(Rule::ALL.is_sorted_by_key(|rule| rule.danger()));
        for rule in Rule::ALL {
            assert_eq!(Rule::parse(rule.id()), Some(*rule));
            assert!(rule.holds_in(Phase::Expand));
        }
        assert_eq!(Rule::parse("drop-colum"), None);
    }

    #[test]
    fn contracting_drops_and_still_neither_renames_nor_blocks() {
        assert!(!Rule::DropColumn.holds_in(Phase::Contract));
        assert!(Rule::RenameColumn.holds_in(Phase::Contract));
        let blocks = Rule::ALL.iter().filter(|rule| rule.danger() == Danger::Blocks);
        assert!(blocks.clone().all(|rule| rule.holds_in(Phase::Contract)));
    }
}
