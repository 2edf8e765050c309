//! How long certificates are good for.

use super::super::{CertificateHealth, days_to_expiry};
use super::*;
use crate::recorded::Recorded;

fn days(scene: &Scene, ends_in: i64) -> i64 {
    let leaf = Leaf::new("client").during(NOW - DAY, NOW + ends_in);
    let certificate = scene.authority.issue(&leaf).certificate;
    days_to_expiry(&certificate, scene.clock.now()).unwrap()
}

/// B-19
#[test]
fn days_to_expiry_are_whole_days_and_negative_when_it_is_over() {
    let scene = Scene::new();
    assert_eq!(days(&scene, 30 * DAY), 30);
    assert_eq!(days(&scene, 30 * DAY - 1), 29);
    assert_eq!(days(&scene, DAY), 1);
    assert_eq!(days(&scene, DAY - 1), 0);
    assert_eq!(days(&scene, 0), 0);
    assert_eq!(days(&scene, -1), -1);
    assert_eq!(days(&scene, -DAY - 1), -2);
    assert_eq!(days_to_expiry(&vec![1, 2, 3].into(), scene.clock.now()), None);
}

/// B-19: metric and health
#[tokio::test]
async fn days_to_expiry_are_a_metric_and_in_health_and_go_along_with_the_files() {
    let (recorded, logs) = (Recorded::default(), peer::logs::capture());
    let _guard = recorded.begin();
    let scene = Scene::new();
    let issue = |days: i64| {
        let leaf = Leaf::new("client").during(NOW - DAY, NOW + days * DAY);
        scene.authority.issue(&leaf).write(scene.folder.path(), "client");
    };
    issue(15);
    let tls = scene.tls(scene.options());
    let client = |health: Vec<CertificateHealth>| (health[0].certificate, health[0].days_to_expiry, health[0].status);
    assert_eq!(client(tls.health()), ("client", 15, "healthy"));
    assert_eq!(tls.health()[1].certificate, "ca");
    assert!(!logs.text().contains("about to end"));
    scene.clock.advance_seconds(DAY);
    assert_eq!(client(tls.health()), ("client", 14, "expiring"));
    scene.clock.advance_seconds(14 * DAY);
    assert_eq!(client(tls.health()), ("client", 0, "expiring"));
    scene.clock.advance_seconds(1);
    assert_eq!(client(tls.health()), ("client", -1, "expired"));
    for _ in 0..3 {
        tls.client_config();
        scene.clock.advance_seconds(crate::tls::CHECK_SECONDS);
    }
    assert_eq!(logs.text().matches("about to end").count(), 1, "once a day");
    issue(45);
    scene.clock.advance_seconds(crate::tls::CHECK_SECONDS);
    tls.client_config();
    assert_eq!(client(tls.health()), ("client", 29, "healthy"));
    let gauge = "tls_certificate_days_to_expiry{peer=peer,certificate=client}";
    assert_eq!(recorded.values(gauge), [15.0, -1.0, -1.0, -1.0, 29.0]);
    assert!(recorded.sum("tls_certificate_days_to_expiry{peer=peer,certificate=ca}") > 0.0);
}

#[test]
fn without_certificates_of_ones_own_there_is_nothing_to_tell() {
    let scene = Scene::new();
    let options = Options {
        ca_file: Some(scene.file("none.pem")),
        ..Options::default()
    };
    assert_eq!(scene.tls(options).health(), []);
}
