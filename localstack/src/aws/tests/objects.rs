//! S3.

use super::*;

#[tokio::test]
async fn objects_are_written_and_read_and_presigned_urls_work() {
    let data = tempfile::tempdir().unwrap();
    let endpoints = started(data.path()).await;
    let client = s3(&endpoints);
    let put = client
        .put_object()
        .bucket(BUCKET)
        .key("files/a b.txt")
        .content_type("text/plain");
    put.metadata("owner", "u1")
        .body(b"hello".to_vec().into())
        .send()
        .await
        .unwrap();
    let got = client
        .get_object()
        .bucket(BUCKET)
        .key("files/a b.txt")
        .range("bytes=1-3")
        .send()
        .await
        .unwrap();
    assert_eq!(got.content_type(), Some("text/plain"));
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), "ell");

    let hour = || PresigningConfig::expires_in(Duration::from_secs(3600)).unwrap();
    let upload = client
        .put_object()
        .bucket(BUCKET)
        .key("up")
        .presigned(hour())
        .await
        .unwrap();
    let http = reqwest::Client::new();
    let uploaded = http.put(upload.uri()).body("by URL").send().await.unwrap();
    assert_eq!(uploaded.status(), 200);
    let download = client
        .get_object()
        .bucket(BUCKET)
        .key("up")
        .presigned(hour())
        .await
        .unwrap();
    assert_eq!(
        http.get(download.uri()).send().await.unwrap().text().await.unwrap(),
        "by URL"
    );
    let other_key = download.uri().replace("/up?", "/files/a%20b.txt?");
    assert_eq!(http.get(other_key).send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn s3_refuses_a_wrong_secret_key_and_no_credentials() {
    let data = tempfile::tempdir().unwrap();
    let endpoints = started(data.path()).await;
    let wrong = Credentials::new(ACCESS_KEY_ID, "not the key", None, None, "test");
    let config = aws_sdk_s3::config::Builder::from(&sdk_config(false)).credentials_provider(wrong);
    let client = aws_sdk_s3::Client::from_conf(config.endpoint_url(&endpoints.s3).build());
    let error = client.list_objects_v2().bucket(BUCKET).send().await.unwrap_err();
    assert_eq!(error.code(), Some("SignatureDoesNotMatch"));
    let anonymous = reqwest::get(format!("{}/{BUCKET}/up", endpoints.s3)).await.unwrap();
    assert_eq!(anonymous.status(), 403);
}
