//! What the macros of all traits have in common.

/// Makes one module with a test for each promise of one trait.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ($suite:ident $attributes:tt $name:ident ($fixture:expr) [$($promise:ident,)*]) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $($crate::__conformance_test! { $suite $attributes $promise ($fixture) })*
        }
    };
}

/// Makes one test.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_test {
    ($suite:ident { $($attribute:tt)* } $promise:ident ($fixture:expr)) => {
        #[::tokio::test]
        $($attribute)*
        async fn $promise() {
            let fixture = $fixture;
            let fixture = fixture().await;
            $crate::conformance::$suite::$promise(&fixture).await;
        }
    };
}
