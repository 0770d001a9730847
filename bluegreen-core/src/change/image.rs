//! Just enough of image references to refuse what no registry would take.

/// Says what is wrong with `image`.
pub(super) fn check(image: &str) -> Result<(), &'static str> {
    if image.is_empty() {
        return Err("which is empty");
    }
    if image.len() > 512 {
        return Err("which is longer than 512 characters");
    }
    let (rest, digest) = match image.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (image, None),
    };
    if let Some(digest) = digest {
        let good = digest.split_once(':').is_some_and(|(algorithm, hex)| {
            // `sha256`, or several such words: `multihash+base58`.
            let is_word = |word: &str| {
                word.starts_with(|c: char| c.is_ascii_alphabetic())
                    && word.bytes().all(|b| b.is_ascii_alphanumeric())
            };
            algorithm.split(['+', '.', '-', '_']).all(is_word)
                && hex.len() >= 32
                && hex.bytes().all(|b| b.is_ascii_hexdigit())
        });
        if !good {
            return Err("whose digest is not `algorithm:hex`");
        }
    }
    let (name, tag) = split_tag(rest);
    if let Some(tag) = tag {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        if tag.is_empty()
            || tag.len() > 128
            || !tag.bytes().all(plain)
            || tag.starts_with(['.', '-'])
        {
            return Err("whose tag is empty, too long or has a character that a tag cannot hold");
        }
    }
    let parts: Vec<&str> = name.split('/').collect();
    let has_host = parts.len() > 1 && (parts[0].contains(['.', ':']) || parts[0] == "localhost");
    for (number, part) in parts.iter().enumerate() {
        if part.is_empty() {
            return Err("which has an empty part between slashes");
        }
        let host = has_host && number == 0;
        let plain = |b: u8| {
            b.is_ascii_lowercase()
                || b.is_ascii_digit()
                || matches!(b, b'_' | b'.' | b'-')
                || (host && (b.is_ascii_uppercase() || matches!(b, b':' | b'[' | b']')))
        };
        if !part.bytes().all(plain) {
            return Err("which has a character that an image name cannot hold");
        }
        let is_end = |c: char| c.is_ascii_alphanumeric() || (host && matches!(c, '[' | ']'));
        if !(part.starts_with(is_end) && part.ends_with(is_end)) {
            return Err("which has a part that begins or ends with a mark");
        }
    }
    Ok(())
}

/// The tag of an image reference, or nothing.
pub(super) fn tag(image: &str) -> &str {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    split_tag(name).1.unwrap_or("")
}

/// The last colon begins a tag unless a slash follows: then it is the port of the host.
fn split_tag(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (name, None),
    }
}
