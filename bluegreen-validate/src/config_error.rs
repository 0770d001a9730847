//! What is wrong with a definition in a file.

use std::fmt;
use std::io::Read;
use std::path::Path;

use bluegreen_core::{Error, ErrorKind, Problem};

/// The longest definition in bytes.
const LONGEST: u64 = 1024 * 1024;

/// A definition that cannot be used, with everything that is wrong with it.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigError {
    name: String,
    problems: Vec<Problem>,
}

impl ConfigError {
    pub(crate) fn new(name: impl Into<String>, problems: Vec<Problem>) -> Self {
        Self { name: name.into(), problems }
    }

    /// Every problem; the object of each begins with file, line and column:
    /// `smoke.yaml:12:5, requests[1].expect.status`.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.problems.len() == 1 { "problem" } else { "problems" };
        write!(f, "{}: {} {plural}", self.name, self.problems.len())?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigError {}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::new(ErrorKind::Rejected, format!("read {}", error.name)).with_source(error)
    }
}

/// The text of a file of reasonable size.
pub(crate) fn text_of(path: &Path) -> Result<String, ConfigError> {
    let name = path.display().to_string();
    let refuse = |found: String, wanted: &str| {
        let problem = Problem::new("unreadable-definition", &name).found(found).wanted(wanted);
        ConfigError::new(&name, vec![problem])
    };
    let file = std::fs::File::open(path)
        .map_err(|error| refuse(error.to_string(), "a file that can be read"))?;
    let mut bytes = Vec::new();
    file.take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| refuse(error.to_string(), "a file that can be read"))?;
    if bytes.len() as u64 > LONGEST {
        return Err(refuse("more than 1 MiB".to_owned(), "a file of at most 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        refuse(format!("bytes that are no text at byte {at}"), "UTF-8 text")
    })
}
