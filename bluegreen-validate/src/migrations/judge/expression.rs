//! What of an expression can be told without a database.

use sqlparser::ast::{
    BinaryOperator, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    InTarget, UnaryOperator, Value,
};

/// Functions that have one value for a whole statement.
const STABLE: [&str; 12] = [
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "localtime",
    "localtimestamp",
    "now",
    "session_user",
    "transaction_timestamp",
];

/// Whether it is known to be the same for every row.
pub(super) fn is_constant(value: &Expr) -> bool {
    match value {
        Expr::Value(_) | Expr::TypedString(_) => true,
        Expr::Nested(inner)
        | Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr: inner } => {
            is_constant(inner)
        }
        // A cast to a type of one's own may call anything.
        Expr::Cast { expr, data_type, .. } => {
            !matches!(data_type, DataType::Regclass) && is_constant(expr)
        }
        Expr::Array(array) => array.elem.iter().all(is_constant),
        Expr::Interval(interval) => is_constant(&interval.value),
        Expr::Identifier(ident) => {
            ident.quote_style.is_none()
                && STABLE.contains(&ident.value.to_ascii_lowercase().as_str())
        }
        Expr::Function(call) => {
            let name = call.name.to_string().to_ascii_lowercase();
            let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
            let plain = match &call.args {
                FunctionArguments::None => true,
                // A precision, as in CURRENT_TIMESTAMP(6).
                FunctionArguments::List(list) => {
                    list.args.iter().all(|it| it.to_string().chars().all(|c| c.is_ascii_digit()))
                }
                FunctionArguments::Subquery(_) => false,
            };
            plain && STABLE.contains(&name)
        }
        _ => false,
    }
}

/// Whether it is NULL, also with a type.
pub(super) fn is_null(value: &Expr) -> bool {
    match value {
        Expr::Value(value) => value.value == Value::Null,
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => is_null(inner),
        _ => false,
    }
}

/// Whether a condition is NULL, which no constraint minds, in every row in which the columns that
/// `is_null` names are.
pub(super) fn null_passes(condition: &Expr, is_null: &dyn Fn(&Ident) -> bool) -> bool {
    use BinaryOperator::{And, Eq, Gt, GtEq, Lt, LtEq, NotEq, Or};
    match condition {
        Expr::Nested(inner) => null_passes(inner, is_null),
        Expr::BinaryOp { left, op: And | Or, right } => {
            null_passes(left, is_null) && null_passes(right, is_null)
        }
        Expr::BinaryOp { left, op: Eq | NotEq | Lt | LtEq | Gt | GtEq, right } => {
            (nulled(left, is_null) && is_plain(right)) || (nulled(right, is_null) && is_plain(left))
        }
        Expr::In { expr, target: InTarget::List(list), .. } => {
            nulled(expr, is_null) && list.iter().all(is_plain)
        }
        Expr::Between { expr, low, high, .. } => {
            nulled(expr, is_null) && is_plain(low) && is_plain(high)
        }
        Expr::Like { expr, pattern, .. } | Expr::ILike { expr, pattern, .. } => {
            nulled(expr, is_null) && is_plain(pattern)
        }
        _ => false,
    }
}

/// A column that is NULL, or what is computed from it by functions that make NULL of NULL.
fn nulled(value: &Expr, is_null: &dyn Fn(&Ident) -> bool) -> bool {
    match value {
        Expr::Identifier(ident) => is_null(ident),
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => nulled(inner, is_null),
        Expr::Function(call) => {
            let name = call.name.to_string().to_ascii_lowercase();
            let strict =
                ["length", "char_length", "octet_length", "lower", "upper", "btrim", "abs"];
            let FunctionArguments::List(list) = &call.args else { return false };
            let [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] = &list.args[..] else {
                return false;
            };
            strict.contains(&name.as_str()) && nulled(argument, is_null)
        }
        _ => false,
    }
}

/// A value or another column: nothing that makes something of NULL.
fn is_plain(value: &Expr) -> bool {
    matches!(value, Expr::Identifier(_)) || is_constant(value)
}
