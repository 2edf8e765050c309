//! The form of Anthropic's Files API.

use serde_json::{Value, json};

use super::desk::{Desk, form, form_request};

const OWNER: &str = "user:anthropic";

async fn upload(desk: &Desk, name: &str) -> Value {
    let form = form(&[], &[(name, "text/plain", b"text")]);
    let answer = desk
        .ask(&form_request("/anthropic/v1/files?beta=true", OWNER, form))
        .await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    answer.json()
}

#[tokio::test]
async fn a_file_has_anthropics_shape_and_is_one_with_the_gateways_own() {
    let desk = Desk::open().await;
    let mut file = upload(&desk, "a.txt").await;
    let id = file["id"].take().as_str().unwrap().to_owned();
    assert_eq!(
        file,
        json!({
            "id": null, "type": "file", "filename": "a.txt", "mime_type": "text/plain", "size_bytes": 4,
            "created_at": "2026-12-01T12:00:00Z", "downloadable": true,
            "expires_at": null,
        })
    );
    let at = format!("/anthropic/v1/files/{id}");
    assert_eq!(desk.get(OWNER, &at).await.json()["id"], id);
    assert_eq!(desk.get(OWNER, &format!("{at}/content?beta=true")).await.body, "text");
    assert_eq!(
        desk.get(OWNER, &format!("/api/v1/files/{id}")).await.json()["filename"],
        "a.txt"
    );
    let gone = desk.delete(OWNER, &at).await;
    assert_eq!(
        (gone.status, gone.json()),
        (200, json!({"id": id, "type": "file_deleted"}))
    );
    for method in ["GET", "DELETE"] {
        let answer = desk.ask(&tests::event::request(method, &at).by(OWNER)).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["type"]),
            (404, &json!("not_found_error"))
        );
    }
    assert_eq!(desk.get(OWNER, &format!("/api/v1/files/{id}")).await.status, 404);
}

#[tokio::test]
async fn a_file_of_anthropics_form_ends_to_the_second_and_is_of_no_session_of_theirs() {
    let desk = Desk::open().await;
    let upload = async |seconds: &str| {
        let form = form(&[("expires_in_seconds", seconds)], &[("a", "text/plain", b"text")]);
        desk.ask(&form_request("/anthropic/v1/files", OWNER, form)).await
    };
    let answer = upload("3600").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let file = answer.json();
    assert_eq!(file["expires_at"], "2026-12-01T13:00:00Z");
    let listed = async |query: &str| {
        let answer = desk.get(OWNER, &format!("/anthropic/v1/files?{query}")).await;
        (answer.status, answer.json()["data"].as_array().map_or(0, Vec::len))
    };
    assert_eq!(listed("").await, (200, 1));
    assert_eq!(listed("scope_id=session_1&limit=5").await, (200, 0));
    assert_eq!(listed("scope_id=").await.0, 400);
    for bad in ["3599", "7776001", "soon", ""] {
        let answer = upload(bad).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["type"]),
            (400, &json!("invalid_request_error")),
            "{bad}"
        );
    }
    desk.functions.clock.advance_seconds(3599);
    assert_eq!(listed("").await, (200, 1));
    desk.functions.clock.advance_seconds(1);
    assert_eq!(listed("").await, (200, 0));
    desk.sweep().await;
    assert_eq!(desk.objects(OWNER).await, Vec::<String>::new());
}

#[tokio::test]
async fn pages_go_both_ways_from_any_file() {
    let desk = Desk::open().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(
            upload(&desk, &number.to_string()).await["id"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
        desk.functions.clock.advance_seconds(1);
    }
    ids.reverse();
    let page = async |query: &str| {
        let answer = desk.get(OWNER, &format!("/anthropic/v1/files?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {:?}", answer.body);
        let page = answer.json();
        let found: Vec<String> = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(page["first_id"], json!(found.first()), "{query}");
        assert_eq!(page["last_id"], json!(found.last()), "{query}");
        (found, page["has_more"].as_bool().unwrap())
    };
    assert_eq!(page("").await, (ids.clone(), false));
    assert_eq!(page("limit=5&beta=true").await, (ids.clone(), false));
    assert_eq!(page("limit=2").await, (ids[..2].to_vec(), true));
    assert_eq!(
        page(&format!("limit=2&after_id={}", ids[1])).await,
        (ids[2..4].to_vec(), true)
    );
    assert_eq!(
        page(&format!("limit=2&after_id={}", ids[3])).await,
        (ids[4..].to_vec(), false)
    );
    assert_eq!(
        page(&format!("limit=2&before_id={}", ids[4])).await,
        (ids[2..4].to_vec(), true)
    );
    assert_eq!(
        page(&format!("limit=2&before_id={}", ids[2])).await,
        (ids[..2].to_vec(), false)
    );
    assert_eq!(page(&format!("after_id={}", ids[4])).await, (vec![], false));
    let first = desk.get(OWNER, "/anthropic/v1/files?limit=3").await.json();
    let next = first["next_page"].as_str().unwrap();
    assert_eq!(page(&format!("limit=3&page={next}")).await, (ids[3..].to_vec(), false));
    let last = desk
        .get(OWNER, &format!("/anthropic/v1/files?page={next}"))
        .await
        .json();
    assert_eq!(last["next_page"], json!(null));
    let some = format!(
        "ids%5B%5D={}&ids%5B%5D={}&ids%5B%5D=file_none&ids%5B%5D={}",
        ids[3], ids[1], ids[1]
    );
    assert_eq!(page(&some).await, (vec![ids[1].clone(), ids[3].clone()], false));
    for bad in [
        "ids=file_a&limit=2",
        "page=file_a",
        "page=page_x",
        "page=page_file_a&after_id=file_b",
        "limit=0",
        "limit=1001",
        "limit=x",
        "after_id=x",
        "after_id=",
        "after_id=upload_x",
        "before_id=file_a&after_id=file_b",
        "cursor=x",
        "limit=1&limit=2",
    ] {
        let answer = desk.get(OWNER, &format!("/anthropic/v1/files?{bad}")).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["type"]),
            (400, &json!("invalid_request_error")),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_in_anthropics_words() {
    let desk = Desk::open().await;
    let file = ("a", "text/plain", &b"x"[..]);
    let cases = [
        (form(&[("description", "d")], &[file]), 400, "invalid_request_error"),
        (form(&[], &[("a/b", "text/plain", b"x")]), 400, "invalid_request_error"),
        (form(&[], &[]), 400, "invalid_request_error"),
        (
            form(&[], &[("a", "text/plain", &vec![b'x'; 6_300_000])]),
            413,
            "request_too_large",
        ),
    ];
    for (body, status, code) in cases {
        let answer = desk.ask(&form_request("/anthropic/v1/files", OWNER, body)).await;
        assert_eq!((answer.status, &answer.json()["error"]["type"]), (status, &json!(code)));
    }
    assert_eq!((desk.listed(OWNER).await, desk.objects(OWNER).await), (vec![], vec![]));
}
