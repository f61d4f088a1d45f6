//! Addresses: what they mean, what is refused, and what is never shown.

use proptest::prelude::*;

use crate::{Address, AddressError};

#[test]
fn an_address_names_a_board_or_the_usual_one() {
    let plain = Address::parse("postgres://host/db").unwrap();
    assert_eq!((plain.board(), plain.schema(), plain.pool()), ("main", "taskhost_main", 8));
    let full =
        Address::parse("postgresql://u@h1:1,h2:2/db?pool=3&board=b_2&connect_timeout=9").unwrap();
    assert_eq!((full.board(), full.schema(), full.pool()), ("b_2", "taskhost_b_2", 3));
    assert_eq!(full.config().get_ports(), [1, 2]);
    assert_eq!(full.config().get_connect_timeout().unwrap().as_secs(), 9);
    let other = full.with_board("third").unwrap();
    assert_eq!(other.to_string(), "postgres://u@h1:1,h2:2/db?board=third");
}

#[test]
fn a_sockets_directory_stands_percent_encoded_for_the_host() {
    let text = "postgres://me@%2Fvar%2Frun%2Fpostgresql:5433/db?board=x";
    let address = Address::parse(text).unwrap();
    assert_eq!(address.to_string(), text);
    let by_word = Address::parse("postgres:///db?host=/var/run/postgresql&board=y").unwrap();
    assert_eq!(by_word.to_string(), "postgres://%2Fvar%2Frun%2Fpostgresql/db?board=y");
}

#[test]
fn whoever_is_told_an_address_connects_as_safely() {
    // An agent that did as it was told connected to whoever answered, where it had been said to look who that is.
    let address = Address::parse("postgres://h/db?sslmode=verify-full&pool=3").unwrap();
    assert_eq!(address.to_string(), "postgres://h/db?board=main&sslmode=verify-full");
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_reason() {
    let refusal = |text: &str| Address::parse(text).unwrap_err();
    assert_eq!(refusal("/a/directory"), AddressError::Kind);
    assert_eq!(refusal("postgres:///db"), AddressError::NoHost);
    for board in ["", "A", "1a", "_a", "a-b", "a.b", "\"x", &"a".repeat(51)] {
        let error = refusal(&format!("postgres://h/db?board={board}"));
        assert_eq!(error, AddressError::Board(board.into()));
    }
    assert!(Address::parse(&format!("postgres://h/db?board={}", "a".repeat(50))).is_ok());
    for pool in ["0", "257", "-1", "many", ""] {
        let error = refusal(&format!("postgres://h/db?pool={pool}"));
        assert_eq!(error, AddressError::Pool(pool.into()));
    }
    let error = refusal("postgres://h/db?sslmode=verify-ca");
    assert_eq!(
        error.to_string(),
        "`sslmode=verify-ca` isn't known here: it must be `disable`, `prefer`, `require` or `verify-full`"
    );
    assert_eq!(
        refusal("postgres://h/db?colour=blue").to_string(),
        "the address can't be understood: unknown option `colour`"
    );
    let raw = refusal("postgres://ada:p@ss:w/rd@h:77/db").to_string();
    assert!(raw.contains("percent-encoded") && !raw.contains("ss:w"), "{raw}");
    assert_eq!(
        refusal("postgres://h/db?target_session_attrs=read-only"),
        AddressError::ReadOnly("read-only".into())
    );
}

proptest! {
    /// Whatever the password is made of, neither print of the address has it, and what is shown is an address again.
    #[test]
    fn a_password_is_never_shown(password in "[a-z0-9?&=%+.:/ -]{4,12}", pool in 1_usize..=256) {
        let encoded: String = password.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let text = format!("postgres://USER:{encoded}@HOST:77/DB?board=bx&pool={pool}");
        let address = Address::parse(&text).unwrap();
        prop_assert_eq!(address.config().get_password(), Some(password.as_bytes()));
        prop_assert_eq!(address.to_string(), "postgres://USER@HOST:77/DB?board=bx");
        prop_assert_eq!(format!("{address:?}"), "Address(postgres://USER@HOST:77/DB?board=bx)");
        prop_assert!(Address::parse(&address.to_string()).is_ok());
        prop_assert_eq!(address.pool(), pool);
    }
}

#[test]
fn a_password_may_contain_what_begins_the_parameters() {
    // The address was split at the first `?`, so that a raw one in a password cut it in two.
    let address = Address::parse("postgres://u:a?b@h/db?board=x").unwrap();
    assert_eq!(address.config().get_password(), Some(&b"a?b"[..]));
    assert_eq!(address.board(), "x");
}
