//! The tokens file as commands change it.
//!
//! Promises: it has its old content or its new one, whenever the machine stops. It keeps its owner and its mode, so a gateway that could read
//! it still can. Of two commands at once one waits for the other, and no other user makes one wait. Where another user may write the folder,
//! a link that is laid there leads nowhere. Deliberately makes a new file readable for all: a hash of so much chance opens nothing, and the
//! gateway is often another user than who types this.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::process::geteuid;

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
        let unfinished = Unfinished::lock(&path);
        let unfinished = unfinished.map_err(|error| cannot("write beside", error))?;

        let before = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            found => Some(found.map_err(|error| cannot("look at", error))?),
        };
        let tokens = match &before {
            Some(before) if !before.is_file() => return Err(format!("{self} is no file")),
            Some(_) => self.read()?,
            None => Tokens::default(),
        };
        let lines: String = change(&tokens)?.iter().map(line).collect();

        unfinished
            .replace(&path, before.as_ref(), &lines)
            .map_err(|error| cannot("write", error))
    }
}

fn line(token: &BoxToken) -> String {
    token.to_line() + "\n"
}

/// The file of the next content. Who holds it changes the tokens, and nobody else: it is for its owner alone, so no other user can hold it.
struct Unfinished {
    path: PathBuf,
    file: File,
}

impl Unfinished {
    /// Waits for the command that holds it.
    fn lock(tokens: &Path) -> io::Result<Unfinished> {
        let path = tokens.with_extension("unfinished");
        loop {
            let file = open(&path)?;
            let own = file.metadata()?;
            let is_ours = own.is_file() && own.uid() == geteuid().as_raw() && own.nlink() <= 1;
            if !is_ours {
                let why = format!(
                    "{} is a link or another user's file: remove it",
                    path.display()
                );
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
            }
            flock(&file, FlockOperation::LockExclusive)?;

            // The command before has put it in the place of the tokens, or removed it.
            let is_there = fs::symlink_metadata(&path).is_ok_and(|it| it.ino() == own.ino());
            if is_there {
                return Ok(Unfinished { path, file });
            }
        }
    }

    /// Puts `text` in the place of the file `before`.
    fn replace(mut self, tokens: &Path, before: Option<&Metadata>, text: &str) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.write_all(text.as_bytes())?;

        let own = self.file.metadata()?;
        if let Some(before) = before.filter(|it| (it.uid(), it.gid()) != (own.uid(), own.gid())) {
            fchown(&self.file, Some(before.uid()), Some(before.gid()))?;
        }
        let mode = before.map_or(MODE_OF_A_NEW_ONE, |before| before.mode() & 0o777);
        self.file
            .set_permissions(fs::Permissions::from_mode(mode))?;
        self.file.sync_all()?;

        fs::rename(&self.path, tokens)?;
        let folder = tokens.parent().filter(|folder| *folder != Path::new(""));
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Unfinished {
    /// Where it was not put into place.
    fn drop(&mut self) {
        let own = self.file.metadata().map(|own| own.ino());
        let there = fs::symlink_metadata(&self.path).map(|there| there.ino());
        if matches!((own, there), (Ok(own), Ok(there)) if own == there) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Follows no link, and waits for nobody at the other end of a pipe.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = File::options();
    options.write(true).create(true).truncate(false).mode(0o600);
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    options.custom_flags(flags).open(path)
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
    fn a_link_that_somebody_laid_leads_nowhere_and_nobody_elses_file_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (path, victim) = (folder.path().join("tokens"), folder.path().join("victim"));
        let beside = path.with_extension("unfinished");
        fs::write(&victim, "canary").unwrap();
        fs::set_permissions(&victim, fs::Permissions::from_mode(0o600)).unwrap();

        std::os::unix::fs::symlink(&victim, &beside).unwrap();
        TokensFile(path.clone()).change(|_| Ok(one())).unwrap_err();
        fs::remove_file(&beside).unwrap();
        fs::hard_link(&victim, &beside).unwrap();
        let problem = TokensFile(path.clone()).change(|_| Ok(one())).unwrap_err();

        assert!(problem.contains("remove it"), "{problem}");
        assert!(!path.exists());
        assert_eq!(
            (fs::read_to_string(&victim).unwrap(), mode(&victim)),
            ("canary".into(), 0o600)
        );
        let problem = TokensFile("/dev/null".into())
            .change(|_| Ok(one()))
            .unwrap_err();
        assert!(problem.contains("/dev/null"), "{problem}");
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn no_other_user_makes_a_command_wait() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokensFile(folder.path().join("tokens"));
        file.change(|_| Ok(one())).unwrap();

        // Who may read these may lock them.
        let theirs =
            [folder.path().to_owned(), file.0.clone()].map(|path| File::open(path).unwrap());
        for locked in &theirs {
            flock(locked, FlockOperation::LockExclusive).unwrap();
        }
        file.change(|_| Ok(Tokens::default())).unwrap();
        assert!(file.read().unwrap().is_empty());
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
