use serde_json::{Value, json};

use super::*;

const TO_TEXT: Conversion = Conversion {
    prefix: "P#",
    from: 1,
    to: 2,
    footprint: &["count", "text"],
    up: |mut item| {
        let count = item.remove("count").ok_or_else(|| Error::internal("no count"))?;
        let count = count.as_n().map_err(|_| Error::internal("no number"))?.clone();
        item.insert("text".into(), AttributeValue::S(count));
        Ok(item)
    },
    down: |mut item| {
        let text = item.remove("text").ok_or_else(|| Error::internal("no text"))?;
        let text = text.as_s().map_err(|_| Error::internal("no text"))?.clone();
        item.insert("count".into(), AttributeValue::N(text));
        Ok(item)
    },
};

fn item(value: Value) -> Item {
    let mut item: Item = serde_dynamo::to_item(value).unwrap();
    item.insert("pk".into(), AttributeValue::S("P#a".into()));
    item.insert("sk".into(), AttributeValue::S("1".into()));
    item
}

fn converted(before: &Item) -> Item {
    let Converted::ToDo(new, Some(mark)) = TO_TEXT.judge(Way::Up, before) else {
        panic!("it is not converted: {before:?}");
    };
    let mut after = before.clone();
    after.remove("count");
    after.extend(new);
    after.insert("v".into(), AttributeValue::N("2".into()));
    after.insert("was".into(), AttributeValue::B(Blob::new(mark.to_be_bytes())));
    after
}

///
#[test]
fn an_item_that_was_tampered_with_is_told_from_one_that_was_converted() {
    let old = item(json!({"v": 1, "count": 7, "other": "x"}));
    let new = converted(&old);
    assert!(matches!(TO_TEXT.judge(Way::Up, &new), Converted::There(Some(_))));
    let mut other = new.clone();
    other.insert("other".into(), AttributeValue::S("y".into()));
    assert!(
        matches!(TO_TEXT.judge(Way::Up, &other), Converted::There(Some(_))),
        "not of its footprint"
    );
    for (name, value) in [
        ("text", AttributeValue::S("8".into())),
        ("was", AttributeValue::B(Blob::new([0; 8]))),
        ("was", AttributeValue::B(Blob::new([0; 7]))),
        ("sk", AttributeValue::S("2".into())),
        ("text", AttributeValue::N("7".into())),
    ] {
        let mut tampered = new.clone();
        tampered.insert(name.into(), value);
        for way in [Way::Up, Way::Down] {
            assert!(matches!(TO_TEXT.judge(way, &tampered), Converted::Wrong(_)), "{name}");
        }
    }
}

///
#[test]
fn the_way_back_gives_the_old_footprint_without_the_mark() {
    let old = item(json!({"v": 1, "count": 7}));
    let judged = TO_TEXT.judge(Way::Down, &converted(&old));
    let footprint = Item::from([("count".to_owned(), AttributeValue::N("7".into()))]);
    assert_eq!(judged, Converted::ToDo(footprint, None));
    assert_eq!(TO_TEXT.judge(Way::Down, &old), Converted::There(None));
}

///
#[test]
fn what_could_not_be_taken_back_is_never_converted() {
    let lossy = Conversion {
        down: |_| Ok(Item::new()),
        ..TO_TEXT
    };
    let old = item(json!({"v": 1, "count": 7}));
    assert!(matches!(lossy.judge(Way::Up, &old), Converted::Wrong(_)));
    assert!(matches!(
        TO_TEXT.judge(Way::Up, &item(json!({"v": 1}))),
        Converted::Wrong(_)
    ));
    assert_eq!(
        TO_TEXT.judge(Way::Up, &item(json!({"v": 3, "count": 7}))),
        Converted::Other
    );
}

#[test]
fn an_item_whose_version_cannot_be_read_is_wrong_and_not_anothers() {
    for version in [json!(null), json!("1"), json!(1.5), json!(-1), json!(4_294_967_296_u64)] {
        let mut unread = item(json!({"v": version, "count": 7}));
        for _ in 0..2 {
            for way in [Way::Up, Way::Down] {
                assert!(matches!(TO_TEXT.judge(way, &unread), Converted::Wrong(_)), "{unread:?}");
            }
            unread.remove("v");
        }
    }
}

#[test]
fn a_write_is_on_the_condition_of_all_that_it_rests_on() {
    let old = item(json!({"v": 1, "count": 7, "other": "x"}));
    let change = Change::of(["count", "text", "v"].into_iter(), &old, &converted(&old));
    assert_eq!(
        change.conditions,
        ["#n0 = :was0", "attribute_not_exists(#n1)", "#n2 = :was2"]
    );
    assert_eq!(change.update(), "SET #n1 = :is1, #n2 = :is2 REMOVE #n0");
}

#[test]
fn equal_values_have_equal_bytes_and_others_have_not() {
    let bytes = |value: Value| {
        let mut bytes = Vec::new();
        crate::store::canonical::members(&item(value), &mut bytes);
        bytes
    };
    assert_eq!(
        bytes(json!({"a": 1, "b": [1, "x"]})),
        bytes(json!({"b": [1, "x"], "a": 1}))
    );
    for other in [
        json!({"a": "1"}),
        json!({"a": [1]}),
        json!({"a": null}),
        json!({"a": {"a": 1}}),
        json!({"b": 1}),
    ] {
        assert_ne!(bytes(json!({"a": 1})), bytes(other));
    }
}
