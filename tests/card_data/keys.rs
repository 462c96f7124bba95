//! Where the vault's keys come from, and what happens without them.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::{ONE, Shown, TWO, new_card, shown, urn};
use crate::server::{self, Server};

const VARIABLE: &str = "CARDWRIGHT_VAULT_KEY";
const FILE: &str = "CARDWRIGHT_VAULT__KEY_FILE";

fn card_on(data: &Path, settings: &[(&str, &str)]) -> (String, Shown) {
    let mut server = Server::on(data, settings);
    let client = server.client();
    let urn = urn(&new_card(&client, "c"));
    let seen = shown(&client, &urn);
    assert_eq!(server.terminate(), Some(0));
    (urn, seen)
}

#[track_caller]
fn opens(data: &Path, settings: &[(&str, &str)], (urn, seen): &(String, Shown)) {
    let server = Server::on(data, settings);
    assert_eq!(shown(&server.client(), urn), *seen);
}

#[track_caller]
fn refused(data: &Path, settings: &[(&str, &str)], says: &str) {
    let refused = Server::try_on(data, settings)
        .err()
        .expect("it must not start");
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.said.contains(says), "{says}: {refused:?}");
    for secret in [ONE, TWO] {
        assert!(!refused.said.contains(secret), "{refused:?}");
    }
}

#[test]
fn a_file_is_made_at_the_first_start_and_the_data_needs_it_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let card = card_on(&data, &[]);
    let file = data.join("vault.keys");
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    opens(&data, &[], &card);
    // Moved away from the data, as the warning says.
    let elsewhere = dir.path().join("keys");
    fs::rename(&file, &elsewhere).unwrap();
    opens(&data, &[(FILE, elsewhere.to_str().unwrap())], &card);
    refused(&data, &[], "vault.keys as it was");
    assert!(!file.exists(), "no other key in its place");
    refused(&data, &[(FILE, "/nowhere/keys")], "/nowhere/keys");
    refused(&data, &[(VARIABLE, ONE)], "is another key");
    refused(&data, &[(VARIABLE, "abc")], "entry 1 is no key");
    // As a variable.
    let text = fs::read_to_string(&elsewhere).unwrap();
    let key = text.lines().last().unwrap();
    opens(&data, &[(VARIABLE, key)], &card);
}

#[test]
fn keys_of_the_environment_are_rotated_by_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let card = card_on(&data, &[(VARIABLE, ONE)]);
    assert!(!data.join("vault.keys").exists());
    let both = format!("1:{ONE},2:{TWO}");
    let second = {
        let server = Server::on(&data, &[(VARIABLE, &both)]);
        let client = server.client();
        server::wait_until("everything is under the second key", || {
            let told = client.get("/v1/vault/keys").expect(200);
            told["finished"] == true && told["running"] == false
        });
        let told = client.get("/v1/vault/keys").expect(200);
        assert_eq!(told["data"][0]["sealed"]["total"], 0, "{told}");
        assert_eq!(told["source"], "environment");
        assert_eq!(
            client.post("/v1/vault/keys", &().into()).code(409),
            "keys_are_given"
        );
        let dropped = client.send(("DELETE", "/v1/vault/keys/1"), &[], "");
        assert_eq!(dropped.code(409), "keys_are_given");
        assert_eq!(shown(&client, &card.0), card.1);
        let urn = urn(&new_card(&client, "d"));
        (urn.clone(), shown(&client, &urn))
    };
    let two = format!("2:{TWO}");
    opens(&data, &[(VARIABLE, &two)], &card);
    opens(&data, &[(VARIABLE, &two)], &second);
    refused(&data, &[(VARIABLE, ONE)], "vault key 2");
}

#[test]
fn a_key_that_cards_still_need_cannot_be_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    card_on(&data, &[(VARIABLE, &format!("1:{ONE}"))]);
    refused(&data, &[(VARIABLE, &format!("2:{TWO}"))], "vault key 1");
    fs::create_dir(data.join("vault.keys")).unwrap();
    refused(&data, &[], "vault.keys");
}
