//! The file of the data keys, and how the vault is opened at the start.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{
    Source, Vault, VaultError,
    keys::KeyRing,
    text::{open_text, seal_text},
};

/// The file that is made in the data directory where no keys are given.
const NAME: &str = "vault.keys";
const HEAD: &str = "# Cardwright's vault keys. Whoever has this file and the data can read every card \
                    number;\n# without it nobody can. The last key is the active one.\n";
/// What the derivation key is sealed for; also the name of its document.
pub const DERIVATION: &str = "derivation";
const DERIVATION_AAD: &str = "vault/derivation";

/// Where the keys are to come from.
pub struct KeyPlace<'a> {
    /// `CARDWRIGHT_VAULT_KEY`, if it is set.
    pub environment: Option<&'a str>,
    /// The setting `vault.key_file`; empty for none.
    pub key_file: &'a str,
    /// The data directory.
    pub data_dir: &'a Path,
}

/// The vault, and the derivation key's document if it was made just now and is to be recorded.
pub struct Opened {
    /// The vault.
    pub vault: Vault,
    /// The text of the document.
    pub document: Option<String>,
}

/// Opens the vault of a house whose derivation key's document is `known`; makes what a new house needs.
///
/// # Errors
///
/// [`VaultError`] if the keys are not there, not readable, or not those that the data needs.
pub fn open_vault(place: &KeyPlace<'_>, known: Option<&str>) -> Result<Opened, VaultError> {
    let (keys, source) = find(place, known.is_some())?;
    let Some(known) = known else {
        let mut derivation = Zeroizing::new([0_u8; 32]);
        getrandom::fill(derivation.as_mut_slice()).map_err(|_| VaultError::NoRandomness)?;
        let vault = Vault::new(keys, source, *derivation);
        let document = seal_text(&vault.hold(), DERIVATION_AAD, derivation.as_slice())?;
        return Ok(Opened {
            vault,
            document: Some(document.to_string()),
        });
    };
    let at_start = |error| VaultError::Start(Box::new(error));
    let value = serde_json::from_str(known).map_err(|_| at_start(VaultError::Malformed))?;
    let bytes = open_text(&keys, &source, DERIVATION_AAD, &value).map_err(at_start)?;
    let derivation = bytes.as_slice().try_into();
    let derivation = derivation.map_err(|_| at_start(VaultError::Malformed))?;
    Ok(Opened {
        vault: Vault::new(keys, source, derivation),
        document: None,
    })
}

fn find(place: &KeyPlace<'_>, is_needed: bool) -> Result<(KeyRing, Source), VaultError> {
    if let Some(text) = place.environment {
        let at = Source::Environment;
        return match KeyRing::parse(text) {
            Ok(keys) => Ok((keys, at)),
            Err(source) => Err(VaultError::Text { at, source }),
        };
    }
    if !place.key_file.is_empty() {
        let path = PathBuf::from(place.key_file);
        return match read(&path)? {
            Some(keys) => Ok((keys, Source::File(path))),
            None if is_needed => Err(VaultError::Lost {
                at: Source::File(path),
            }),
            None => {
                let what = "there is no such file; `openssl rand -base64 32` makes the first key";
                Err(fault(&path, what))
            }
        };
    }
    let path = place.data_dir.join(NAME);
    let keys = match read(&path)? {
        Some(keys) => keys,
        None if is_needed => {
            return Err(VaultError::Lost {
                at: Source::File(path),
            });
        }
        None => create(&path)?,
    };
    tracing::warn!(
        path = %path.display(),
        "the vault's keys lie beside the data that they protect: move the file to another disk and \
         name it in vault.key_file, or give its keys in CARDWRIGHT_VAULT_KEY"
    );
    Ok((keys, Source::File(path)))
}

/// Reads a file of keys; nothing if there is none.
///
/// # Errors
///
/// [`VaultError::File`], [`VaultError::Text`].
pub fn read(path: &Path) -> Result<Option<KeyRing>, VaultError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(path, error)),
    };
    let mode = fs::metadata(path)
        .map_err(|error| fault(path, error))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others than the owner may read the vault's keys: chmod 600");
    }
    let keys = KeyRing::parse(&text).map_err(|source| VaultError::Text {
        at: Source::File(path.to_owned()),
        source,
    });
    keys.map(Some)
}

/// Makes a file with a first key.
///
/// # Errors
///
/// [`VaultError::File`], [`VaultError::NoRandomness`].
pub fn create(path: &Path) -> Result<KeyRing, VaultError> {
    let mut random = Zeroizing::new([0_u8; 32]);
    getrandom::fill(random.as_mut_slice()).map_err(|_| VaultError::NoRandomness)?;
    let keys = KeyRing::of(*random);
    write(path, &keys)?;
    Ok(keys)
}

/// Puts keys in the place of those in the file: afterwards the disk has either these or, if it fails,
/// the earlier ones.
pub(super) fn write(path: &Path, keys: &KeyRing) -> Result<(), VaultError> {
    let text = keys.text();
    let replaced = || -> io::Result<()> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or_else(|| Path::new("."));
        let beside = path.with_extension("new");
        // What a crash left of an earlier try.
        let _ = fs::remove_file(&beside);
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(HEAD.as_bytes())?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(folder)?.sync_all()
    };
    replaced().map_err(|error| fault(path, error))
}

fn fault(path: &Path, what: impl ToString) -> VaultError {
    VaultError::File {
        path: path.to_owned(),
        what: what.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "1:q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=";
    const OTHER: &str = "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn place<'a>(environment: Option<&'a str>, dir: &'a Path) -> KeyPlace<'a> {
        KeyPlace {
            environment,
            key_file: "",
            data_dir: dir,
        }
    }

    #[test]
    fn a_house_opens_again_with_its_keys_and_with_no_others() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = open_vault(&place(Some(KEY), dir.path()), None).expect("a new house");
        let document = first.document.expect("is to be recorded");
        let open = |keys: &str| open_vault(&place(Some(keys), dir.path()), Some(&document));
        let again = open(KEY).expect("opens");
        assert!(again.document.is_none());
        assert_eq!(again.vault.key_for("x"), first.vault.key_for("x"));
        let more = format!("{KEY},2:{}", OTHER.trim_start_matches("1:"));
        assert_eq!(open(&more).expect("opens").vault.active(), 2);
        let said = |keys: &str| open(keys).err().expect("refused").to_string();
        assert!(said(OTHER).contains("is another key"), "{}", said(OTHER));
        let without = more.replace(KEY, "");
        assert!(said(&without).contains("vault key 1"), "{}", said(&without));
        assert!(said("nonsense").contains("entry 1 is no key"));
    }

    #[test]
    fn a_file_is_made_for_a_new_house_and_never_for_an_old_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let new = open_vault(&place(None, dir.path()), None).expect("a new house");
        let document = new.document.expect("is to be recorded");
        let path = dir.path().join(NAME);
        let mode = fs::metadata(&path).expect("made").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let open = || open_vault(&place(None, dir.path()), Some(&document));
        assert_eq!(
            open().expect("opens").vault.key_for("x"),
            new.vault.key_for("x")
        );
        fs::remove_file(&path).expect("removed");
        let error = open().err().expect("refused").to_string();
        assert!(
            error.contains("vault.keys") && error.contains("not there"),
            "{error}"
        );
        assert!(!path.exists(), "no other key may take its place");
        fs::create_dir(&path).expect("made");
        let error = open().err().expect("refused").to_string();
        assert!(error.contains("vault.keys"), "{error}");
    }

    #[test]
    fn a_named_file_that_is_not_there_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let missing = dir.path().join("none").display().to_string();
        let place = KeyPlace {
            key_file: &missing,
            ..place(None, dir.path())
        };
        let error = open_vault(&place, None).err().expect("refused").to_string();
        assert!(error.contains("no such file"), "{error}");
    }
}
