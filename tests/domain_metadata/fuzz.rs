//! Whatever JSON comes, and documents that are nearly right.

use super::*;

/// Every kind of value that is right somewhere or nowhere.
fn leaf() -> impl Strategy<Value = Value> {
    let words = [
        "smart",
        "default",
        "percentage",
        "flat",
        "fx",
        "wallet",
        "amount_range_usd",
        "day",
        "transaction",
        "DUSD/6",
        "USD",
        "5411",
        "5000-5999",
        "08:00",
        "24:00",
        "mon",
        "pos",
        "CO",
        "urn:bloque:treasury:fx",
        "round_up",
        "extra_savings",
        "https://a.example/b",
        "",
        "\u{0}",
        "did:bloque:account:card:usr-x:crd-1",
        "0.5",
        "1e5",
        "é",
    ];
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-2..2_000_i64).prop_map(Value::from),
        (0.0..1.5_f64).prop_map(Value::from),
        prop::sample::select(words.to_vec()).prop_map(Value::from),
        (0..6_u64).prop_map(|no| Value::from(urn(no))),
        ".{0,12}".prop_map(Value::from),
    ]
}

fn key() -> impl Strategy<Value = String> {
    let known = [
        "spending_control",
        "priority_mcc",
        "mcc_whitelist",
        "spending_fees",
        "cashback_programs",
        "controls",
        "default_asset",
        "currency_asset_map",
        "fee_name",
        "type",
        "value",
        "rule",
        "rule_params",
        "min",
        "max",
        "wallet_name",
        "limits",
        "window",
        "rolling_seconds",
        "amount",
        "count",
        "mcc",
        "allow",
        "deny",
        "hours",
        "days",
        "from",
        "until",
        "USD",
    ];
    prop_oneof![
        9 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => ".{0,8}",
    ]
}

fn anything() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// All that is right in one document.
fn whole_card() -> Map<String, Value> {
    let mut card = Map::new();
    for part in [
        default_card(),
        smart_card(),
        origin_fees(),
        programmes(),
        controls(),
    ] {
        card.extend(object(&part));
    }
    card
}

/// How many values stand in a value, itself included.
fn places(value: &Value) -> usize {
    let inner: usize = match value {
        Value::Array(list) => list.iter().map(places).sum(),
        Value::Object(map) => map.values().map(places).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    };
    inner + 1
}

/// What becomes of one value of a document.
#[derive(Clone, Debug)]
enum Change {
    Replace(Value),
    Remove,
    Double,
}

/// Changes the value at the `at`th place, counted down from the value itself.
fn mutate(value: &mut Value, at: &mut usize, change: &Change) {
    if *at == 0 {
        match change {
            Change::Replace(other) => *value = other.clone(),
            Change::Remove => *value = Value::Null,
            Change::Double => *value = json!([value.clone(), value.clone()]),
        }
    }
    // Past the place it wraps and never comes to zero again.
    *at = at.wrapping_sub(1);
    match value {
        Value::Array(list) => list.iter_mut().for_each(|inner| mutate(inner, at, change)),
        Value::Object(map) => map.values_mut().for_each(|inner| mutate(inner, at, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn nearly_right() -> impl Strategy<Value = Value> {
    let change = prop_oneof![
        4 => leaf().prop_map(Change::Replace),
        1 => anything().prop_map(Change::Replace),
        1 => Just(Change::Remove),
        1 => Just(Change::Double),
    ];
    let changes = prop::collection::vec((any::<prop::sample::Index>(), change), 1..4);
    changes.prop_map(|changes| {
        let mut card = Value::Object(whole_card());
        for (index, change) in changes {
            // The document itself stays an object.
            let mut at = 1 + index.index((places(&card) - 1).max(1));
            mutate(&mut card, &mut at, &change);
        }
        card
    })
}

/// An actor with one card of that policy and metadata.
fn group(policy: Policy, metadata: String) -> Group {
    let mut group = Group::new(ActorId(1));
    group.accounts.push(Account {
        card: None,
        no: AccountNo(1),
        medium: Medium::Virtual,
        holder_urn: "did:bloque:demo:alice".into(),
        ledger: LedgerNo(1),
        status: Status::Active,
        status_reason: None,
        webhook_url: None,
        metadata,
        policy,
        usage: None,
        created_at: Timestamp::from_micros(1),
        updated_at: Timestamp::from_micros(1),
    });
    group
}

/// Parses twice, and once more what a snapshot holds; says whether it was accepted.
fn hold_up(value: &Value) -> Result<bool, TestCaseError> {
    let Some(object) = value.as_object() else {
        return Ok(false);
    };
    let origin = origin::parse(object, &terms());
    let parsed = metadata::settle(object, &terms());
    for error in [origin.as_ref().err(), parsed.as_ref().err()]
        .into_iter()
        .flatten()
    {
        prop_assert!(error.key.starts_with("metadata"), "{error}");
        prop_assert!(
            !error.what.is_empty() && error.what.len() < 1_000,
            "{error}"
        );
    }
    let Ok((text, policy)) = parsed else {
        return Ok(false);
    };
    let origin =
        origin.map_err(|error| TestCaseError::fail(format!("only as an origin: {error}")))?;
    prop_assert_eq!(&origin.fees, &policy.rules().fees);
    prop_assert_eq!(&origin.controls, &policy.rules().controls);
    let (again, reparsed) = metadata::merge(&text, None, &Map::new(), &terms())
        .map_err(|error| TestCaseError::fail(format!("the second time: {error}")))?;
    prop_assert_eq!(&again, &text);
    prop_assert_eq!(&reparsed, &policy);
    let group = group(policy, text);
    let bytes = wire::encode_group(&group, &Trail::default());
    let (decoded, _) =
        wire::decode_group(&bytes).map_err(|e| TestCaseError::fail(e.to_string()))?;
    prop_assert_eq!(decoded, group);
    Ok(true)
}

#[test]
fn all_that_is_right_is_right_together() {
    assert!(hold_up(&Value::Object(whole_card())).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn whatever_comes_is_read_or_refused_by_name(value in anything()) {
        hold_up(&value)?;
    }

    #[test]
    fn what_is_nearly_right_is_read_or_refused_by_name(value in nearly_right()) {
        hold_up(&value)?;
    }
}
