//! Forms that must be refused: of the token endpoint, and of an upload.

use gateway::wire::dialect::Dialect;

use super::bad_bodies::{Bad, FORM, JSON};

pub(super) fn form_body(name: &str, form: impl Into<Vec<u8>>) -> Bad {
    Bad {
        name: name.to_owned(),
        path: "/oauth/token".to_owned(),
        content_type: FORM,
        body: form.into(),
        dialect: Dialect::OAuth,
    }
}

pub(super) fn uploads() -> Vec<Bad> {
    let field = |disposition: &str, content: &str| {
        format!("--b\r\ncontent-disposition: form-data; {disposition}\r\n\r\n{content}\r\n")
    };
    let file = |name: &str| field(&format!("name=\"file\"; filename=\"{name}\""), "x");
    let end = "--b--\r\n";
    let mut forms = vec![
        ("nothing".to_owned(), String::new()),
        ("an end alone".to_owned(), end.to_owned()),
        ("no end".to_owned(), file("a")),
        ("half a head".to_owned(), "--b\r\ncontent-dispo".to_owned()),
        ("another boundary".to_owned(), file("a").replace("--b", "--c")),
        ("JSON".to_owned(), "{}".to_owned()),
        ("no file".to_owned(), field("name=\"description\"", "x") + end),
        (
            "an empty file".to_owned(),
            field("name=\"file\"; filename=\"a\"", "") + end,
        ),
        ("two files".to_owned(), file("a") + &file("b") + end),
        ("a file without a name".to_owned(), field("name=\"file\"", "x") + end),
        (
            "an unknown field".to_owned(),
            file("a") + &field("name=\"role\"", "admin") + end,
        ),
        (
            "a field without a name".to_owned(),
            file("a") + &field("filename=\"b\"", "x") + end,
        ),
        ("no disposition".to_owned(), format!("--b\r\n\r\nx\r\n{end}")),
        (
            "two descriptions".to_owned(),
            file("a") + &field("name=\"description\"", "x").repeat(2) + end,
        ),
        (
            "a long description".to_owned(),
            file("a") + &field("name=\"description\"", &"x".repeat(4_097)) + end,
        ),
        (
            "a NUL in the description".to_owned(),
            file("a") + &field("name=\"description\"", "a\0b") + end,
        ),
        (
            "10,000 fields".to_owned(),
            file("a") + &field("name=\"x\"", "y").repeat(10_000) + end,
        ),
    ];
    let long = "a".repeat(1_000);
    for name in [
        "",
        ".",
        "..",
        "../a",
        "a/b",
        "..\\a",
        "/etc/passwd",
        "a\0b",
        "a\u{202e}fdp.exe",
        "a\u{2066}b",
        &long,
    ] {
        forms.push((format!("a file named {name:?}"), file(name) + end));
    }
    let mut bodies: Vec<(String, Vec<u8>)> = forms.into_iter().map(|(name, form)| (name, form.into())).collect();
    let latin = [
        file("a").as_bytes(),
        &b"--b\r\ncontent-disposition: form-data; name=\"description\"\r\n\r\n\xff\r\n--b--\r\n"[..],
    ]
    .concat();
    bodies.push(("a description that is no UTF-8".to_owned(), latin));
    let dashes: &str = Box::leak(format!("multipart/form-data; boundary={}", "-".repeat(5_000)).into_boxed_str());
    let content_types = [
        dashes,
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=b",
        JSON,
        "",
    ];
    let of = |name: String, content_type: &'static str, body: Vec<u8>| Bad {
        name,
        path: "/api/v1/files/upload".to_owned(),
        content_type,
        body,
        dialect: Dialect::Problem,
    };
    let mut all: Vec<Bad> = bodies
        .into_iter()
        .map(|(name, body)| of(name, "multipart/form-data; boundary=b", body))
        .collect();
    for content_type in content_types {
        let shown = &content_type[..content_type.len().min(40)];
        all.push(of(format!("as {shown:?}"), content_type, (file("a") + end).into()));
    }
    all
}
