//! Amounts as Kubernetes writes them: `500m`, `1.5`, `2Gi`, `1e3`.

/// Reads an amount. `None` when it is not one.
pub(super) fn parse(text: &str) -> Option<f64> {
    const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    const DECIMAL: [(&str, f64); 9] = [
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("E", 1e18),
    ];
    let mut factor = 1.0;
    for suffix in BINARY {
        factor *= 1024.0;
        if let Some(number) = text.strip_suffix(suffix) {
            return number.parse().ok().map(|number: f64| number * factor);
        }
    }
    for (suffix, factor) in DECIMAL {
        if let Some(number) = text.strip_suffix(suffix) {
            return number.parse().ok().map(|number: f64| number * factor);
        }
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_kubernetes_writes_them() {
        for (text, wanted) in [
            ("2", 2.0),
            ("500m", 0.5),
            ("1.5", 1.5),
            ("2Gi", 2_147_483_648.0),
            ("128M", 128e6),
            ("1e3", 1000.0),
            ("1E3", 1000.0),
            ("3E", 3e18),
            ("64Ki", 65536.0),
        ] {
            let read = parse(text).unwrap();
            assert!((read - wanted).abs() <= wanted * 1e-12, "{text}: {read}");
        }
        for text in ["", "Gi", "one", "1 Gi", "inf"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
