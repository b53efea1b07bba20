//! The tokens file as commands change it.
//!
//! Promises: it has its old content or its new one, whenever the machine stops. It keeps its owner and its mode, so a gateway that could read
//! it still can. Of two commands at once one waits for the other. Deliberately makes a new file readable for all: a hash of so much chance
//! opens nothing, and the gateway is often another user than who types this.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use boxbridge_config::{BoxToken, Tokens};

pub struct TokensFile(pub PathBuf);

const MODE_OF_A_NEW_ONE: u32 = 0o644;

impl fmt::Display for TokensFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl TokensFile {
    pub fn read(&self) -> Result<Tokens, String> {
        Tokens::of_file(&self.0).map_err(|problems| format!("{self}: {}", problems.join("; ")))
    }

    /// Replaces what stands in it. A file that is not there is made.
    pub fn change(
        &self,
        change: impl FnOnce(&Tokens) -> Result<Tokens, String>,
    ) -> Result<(), String> {
        let cannot = |what: &str, error: io::Error| format!("cannot {what} {self}: {error}");
        // Where a link leads: it stays a link.
        let path = fs::canonicalize(&self.0).unwrap_or_else(|_| self.0.clone());
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        let folder = File::open(folder.unwrap_or(Path::new(".")));
        let folder = folder.map_err(|error| cannot("look beside", error))?;
        flock(&folder, FlockOperation::LockExclusive)
            .map_err(|error| cannot("wait for others at", error.into()))?;

        let before = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            found => Some(found.map_err(|error| cannot("look at", error))?),
        };
        let tokens = match &before {
            Some(_) => self.read()?,
            None => Tokens::default(),
        };
        let lines: String = change(&tokens)?.iter().map(line).collect();

        replace(&path, before.as_ref(), &lines)
            .and_then(|()| folder.sync_all())
            .map_err(|error| cannot("write", error))
    }
}

fn line(token: &BoxToken) -> String {
    token.to_line() + "\n"
}

/// Puts a new file in the place of the one `before`.
fn replace(path: &Path, before: Option<&Metadata>, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let written = write(&unfinished, before, text).and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written
}

fn write(path: &Path, before: Option<&Metadata>, text: &str) -> io::Result<()> {
    let mut options = File::options();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;

    let own = file.metadata()?;
    if let Some(before) = before.filter(|it| (it.uid(), it.gid()) != (own.uid(), own.gid())) {
        chown(path, Some(before.uid()), Some(before.gid()))?;
    }
    let mode = before.map_or(MODE_OF_A_NEW_ONE, |before| before.mode() & 0o777);
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> Tokens {
        let token = BoxToken {
            name: "gate-3".to_owned(),
            hash: boxbridge_config::token_hash(b"x"),
            site: "lobby".to_owned(),
            device: None,
            networks: boxbridge_config::Networks::default(),
            expires: None,
        };
        [token].into_iter().collect()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_change_keeps_the_mode_and_the_link_and_leaves_nothing_beside_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("tokens"), folder.path().join("link"));
        let file = TokensFile(path.clone());
        file.change(|_| Ok(one())).unwrap();
        assert_eq!(mode(&path), MODE_OF_A_NEW_ONE);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let by_link = TokensFile(link.clone());
        by_link.change(|_| Ok(Tokens::default())).unwrap();
        assert_eq!((mode(&path), file.read()), (0o640, Ok(Tokens::default())));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_that_is_not_understood_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokensFile(folder.path().join("tokens"));
        fs::write(&file.0, "canary").unwrap();
        let problem = file.change(|_| Ok(one())).unwrap_err();
        assert!(problem.contains("line 1: is no JSON object"), "{problem}");
        assert_eq!(fs::read_to_string(&file.0).unwrap(), "canary");
    }

    #[test]
    fn two_commands_at_once_undo_nothing_of_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let named = |name: String| BoxToken {
            hash: boxbridge_config::token_hash(name.as_bytes()),
            name,
            ..one().iter().next().unwrap().clone()
        };
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (path, token) = (path.clone(), named(format!("gate-{number}")));
                scope.spawn(move || {
                    let add =
                        |tokens: &Tokens| Ok(tokens.iter().chain([&token]).cloned().collect());
                    TokensFile(path).change(add).unwrap();
                });
            }
        });
        assert_eq!(TokensFile(path).read().unwrap().iter().count(), 8);
    }
}
