//! The name of a launch's result.

use thiserror::Error;

use super::LaunchId;

/// What every such name begins with.
const PREFIX: &str = "sortie://launch/";

impl LaunchId {
    /// The name of the launch's result, for logs, messages and databases of yours: `sortie://launch/` and the id.
    ///
    /// The agent is no part of it, so that it stays the same when the agent is renamed. Nor is the journal: whoever gets
    /// such a name knows which system to ask. [`System::result_of`](crate::System::result_of) reads the result.
    ///
    /// ```
    /// use sortie::LaunchId;
    ///
    /// let id: LaunchId = "01890a5d-ac96-774b-bcce-b302099a8057".parse()?;
    /// assert_eq!(id.uri(), "sortie://launch/01890a5d-ac96-774b-bcce-b302099a8057");
    /// assert_eq!(LaunchId::from_uri(&id.uri())?, id);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn uri(&self) -> String {
        format!("{PREFIX}{self}")
    }

    /// The launch whose result has this name.
    ///
    /// # Errors
    /// [`BadLaunchUri`], if it is not what [`uri`](LaunchId::uri) gives.
    pub fn from_uri(uri: &str) -> Result<Self, BadLaunchUri> {
        // In one spelling only, so that a name can be compared as a text.
        let id = uri.strip_prefix(PREFIX).and_then(|id| id.parse::<Self>().ok());
        id.filter(|id| id.uri() == uri).ok_or_else(|| BadLaunchUri(uri.to_owned()))
    }
}

/// A text that is not the name of a launch's result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` does not name the result of a launch: it is `sortie://launch/` and a launch's id, as `Ticket::uri` gives it"
)]
pub struct BadLaunchUri(String);

impl BadLaunchUri {
    /// The text.
    pub fn input(&self) -> &str {
        &self.0
    }
}
