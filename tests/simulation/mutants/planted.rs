
/// Whether this bug is planted. `mutate` puts this function into a copy of core.
pub(crate) fn planted(name: &str) -> bool {
    static PLANTED: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    PLANTED.get_or_init(|| std::env::var("BLUEGREEN_PLANTED").unwrap_or_default()) == name
}
