//! What `docs/` says of the code is so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Row of the mission → the tests that name it, as `file` `test`.
type Proofs = BTreeMap<String, BTreeSet<String>>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// `docs/mission.md` has every row of the mission, and names exactly the tests that say that they prove it.
/// `UPDATE_GOLDENS=1` writes what the code says.
#[test]
fn the_missions_list_names_the_tests_that_prove_each_row() {
    let path = root().join("docs/mission.md");
    let written = std::fs::read_to_string(&path).unwrap();
    let proofs = proofs();
    let (mut told, mut seen) = (String::new(), BTreeSet::new());
    for line in written.lines() {
        match row(line) {
            Some((id, title, rest)) => {
                seen.insert(id.to_owned());
                told.push_str(&format!("| {id} | {title} | {} |\n", proof(&proofs, id, rest)));
            }
            None => told.push_str(&format!("{line}\n")),
        }
    }
    let all: BTreeSet<String> = (1..=64)
        .map(|n| format!("A-{n:02}"))
        .chain((1..=25).map(|n| format!("B-{n:02}")))
        .collect();
    assert_eq!(seen, all, "every row of the mission, and no other");
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, &told).unwrap();
    } else {
        assert!(
            told == written,
            "docs/mission.md differs from the code; UPDATE_GOLDENS=1 writes it:\n{told}"
        );
    }
}

/// `| id | title | proof |`
fn row(line: &str) -> Option<(&str, &str, &str)> {
    let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.splitn(3, " | ");
    let (id, title, rest) = (cells.next()?, cells.next()?, cells.next()?);
    is_id(id).then_some((id, title, rest))
}

/// The tests of a row; without any, the plain words that stand there.
fn proof(proofs: &Proofs, id: &str, rest: &str) -> String {
    match proofs.get(id) {
        Some(tests) => tests.iter().cloned().collect::<Vec<_>>().join(", "),
        None if rest.contains('`') => "no test".to_owned(),
        None => rest.to_owned(),
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 4
        && (text.starts_with("A-") || text.starts_with("B-"))
        && text[2..].bytes().all(|b| b.is_ascii_digit())
}

fn proofs() -> Proofs {
    let mut proofs = Proofs::new();
    for file in ["shared", "functions", "localstack", "tests"]
        .iter()
        .flat_map(|folder| sources(&root().join(folder)))
    {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(root()).unwrap().display().to_string();
        let tests = if name.ends_with(".py") {
            python_tests(&text)
        } else {
            rust_tests(&text)
        };
        for (test, words) in tests {
            for id in ids(&words) {
                proofs.entry(id).or_default().insert(format!("`{test}` ({name})"));
            }
        }
    }
    proofs
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs" || end == "py") {
            found.push(path);
        }
    }
    found
}

/// Test functions with their doc comments: `#[test]` and its kin, or a function that a macro makes tests of (it takes
/// the stack or the cache that it runs on).
fn rust_tests(text: &str) -> Vec<(String, String)> {
    let (mut tests, mut words, mut is_test) = (Vec::new(), String::new(), false);
    for line in text.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("///") {
            words.push_str(comment);
        } else if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        } else {
            if let Some((_, rest)) = line.split_once("fn ")
                && (is_test || rest.contains("(stack: ") || rest.contains("(cached: "))
                && let Some((name, _)) = rest.split_once('(')
            {
                tests.push((name.to_owned(), words.clone()));
            }
            words.clear();
            is_test = false;
        }
    }
    tests
}

/// `def test_…` with the docstring behind it.
fn python_tests(text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let named = |line: &&str| {
        line.strip_prefix("def ")
            .and_then(|rest| rest.split_once('('))
            .map(|(name, _)| name.to_owned())
    };
    lines
        .windows(2)
        .filter_map(|pair| {
            named(&pair[0])
                .filter(|name| name.starts_with("test_"))
                .map(|name| (name, pair[1].to_owned()))
        })
        .collect()
}

/// The row ids in a text; a range counts with both its ends and all between.
fn ids(words: &str) -> BTreeSet<String> {
    words
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .map(|word| word.trim_matches('-'))
        .filter(|word| is_id(word))
        .map(str::to_owned)
        .collect()
}

/// Every relative link in a document leads to a file.
#[test]
fn every_link_in_the_documents_leads_somewhere() {
    let documents = [root().join("README.md"), root().join("ARCHITECTURE.md")]
        .into_iter()
        .chain(markdown(&root().join("docs")));
    let mut broken = Vec::new();
    for document in documents {
        let text = std::fs::read_to_string(&document).unwrap();
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'))
            .map(|(target, _)| target)
        {
            let path = target.split('#').next().unwrap_or_default();
            let is_file = !path.is_empty() && !path.contains("://");
            if is_file && !document.parent().unwrap().join(path).exists() {
                broken.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

fn markdown(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { markdown(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect()
}

/// `docs/security.md` has a row for every line of the specification that it names, and every test that it names is there.
#[test]
fn every_test_that_the_security_document_names_is_there() {
    let text = std::fs::read_to_string(root().join("docs/security.md")).unwrap();
    let mut tests = BTreeSet::new();
    for folder in ["shared", "functions", "localstack", "tests"] {
        for file in sources(&root().join(folder)) {
            let source = std::fs::read_to_string(&file).unwrap();
            let found = match file.extension().is_some_and(|end| end == "py") {
                true => python_tests(&source),
                false => rust_tests(&source),
            };
            tests.extend(found.into_iter().map(|(name, _)| name));
        }
    }
    let (mut named, mut missing) = (0, Vec::new());
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let proof = line.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        for name in proof.split('`').skip(1).step_by(2) {
            named += 1;
            if !tests.contains(name) {
                missing.push(name.to_owned());
            }
        }
    }
    assert!(named >= 40, "only {named} tests are named");
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
}

/// what the suites were to be about, and where their tests are.
const SUITES: [(&str, &[&str]); 8] = [
    (
        "jwt",
        &["shared/src/jwt", "tests/suite/forged", "tests/suite/signing_keys.rs"],
    ),
    (
        "oauth",
        &[
            "tests/suite/login",
            "tests/suite/independent",
            "tests/suite/end_to_end/tokens.rs",
        ],
    ),
    (
        "api",
        &[
            "tests/suite/usage_api.rs",
            "tests/suite/budgets_api.rs",
            "tests/suite/clients_api.rs",
            "tests/suite/audit_api.rs",
        ],
    ),
    (
        "service",
        &[
            "tests/suite/storage",
            "tests/suite/cache",
            "shared/src/token_client/tests",
            "shared/src/tls/tests",
        ],
    ),
    ("e2e", &["tests/suite/end_to_end"]),
    (
        "config",
        &["tests/suite/configuration.rs", "shared/src/config/tests.rs"],
    ),
    (
        "migration",
        &["tests/suite/migrations", "tests/suite/end_to_end/migrations.rs"],
    ),
    (
        "security",
        &[
            "tests/suite/end_to_end/secrecy.rs",
            "tests/suite/end_to_end/canary.rs",
            "tests/suite/end_to_end/bad_inputs.rs",
        ],
    ),
];

///
#[test]
fn every_suite_that_was_asked_for_has_tests() {
    for (suite, places) in SUITES {
        for place in places {
            let path = root().join(place);
            let files = if path.is_dir() { sources(&path) } else { vec![path] };
            let tests = files
                .iter()
                .map(|file| rust_tests(&std::fs::read_to_string(file).unwrap()).len());
            assert!(tests.sum::<usize>() > 0, "{suite}: there is no test in {place}");
        }
    }
}

/// every row of the mission has a proof, and no test of any kind is passed over.
#[test]
fn every_row_has_a_proof_and_no_test_is_passed_over() {
    let mission = std::fs::read_to_string(root().join("docs/mission.md")).unwrap();
    let rows: Vec<_> = mission.lines().filter_map(row).collect();
    assert_eq!(rows.len(), 64 + 25, "the mission's rows");
    let open: Vec<_> = rows.iter().filter(|(_, _, rest)| rest.contains("not yet")).collect();
    assert!(open.is_empty(), "{open:#?}");
    // A client that an older environment has not is tried in the newer one, and skipped by a condition; nothing is skipped for good.
    let passed_over = ["#[ign".to_owned() + "ore", "@unittest.sk".to_owned() + "ip("];
    for folder in ["shared", "functions", "localstack", "tests", "tools"] {
        for file in sources(&root().join(folder)) {
            let text = std::fs::read_to_string(&file).unwrap();
            let found = passed_over.iter().find(|words| text.contains(words.as_str()));
            assert_eq!(found, None, "{}", file.display());
        }
    }
}

/// the same code calls Bedrock and the mock, an endpoint's URL apart: nothing that is deployed knows of a mock, or builds an address.
#[test]
fn no_code_that_is_deployed_knows_of_the_local_stack_or_builds_an_address_of_aws() {
    let (mut looked_at, unknown) = (0, ["localstack", "bedrock-runtime.", ".amazonaws.com"]);
    for folder in ["shared/src", "functions"] {
        for file in sources(&root().join(folder)) {
            let text = std::fs::read_to_string(&file).unwrap();
            let deployed = text.split("#[cfg(test)]").next().unwrap_or_default();
            let is_test =
                file.iter().any(|part| part.to_string_lossy().starts_with("tests")) || file.ends_with("recorded.rs");
            let code = deployed.lines().map(str::trim).filter(|line| !line.starts_with("//"));
            let found = code
                .filter(|line| unknown.iter().any(|it| line.contains(it)))
                .collect::<Vec<_>>();
            assert!(is_test || found.is_empty(), "{}: {found:#?}", file.display());
            looked_at += usize::from(!is_test);
        }
    }
    assert!(looked_at > 100, "only {looked_at} files were looked at");
}

/// what is measured is measured by programs of their own, which `make bench` runs and docs/performance.md tells of; tests share one
/// stack a host, run side by side, and end what they start (`guard`).
#[test]
fn every_benchmark_is_run_by_make_bench_and_told_of() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let (makefile, told) = (read("Makefile"), read("docs/performance.md"));
    let mut benchmarks = Vec::new();
    for folder in ["localstack/src/bin", "tests/src/bin"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let name = entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_string_lossy()
                .into_owned();
            benchmarks.extend(name.starts_with("bench").then_some(name));
        }
    }
    assert!(benchmarks.len() >= 3, "{benchmarks:?}");
    for name in benchmarks {
        assert!(
            makefile.contains(&format!("/release/{name}\n")),
            "make bench does not run {name}"
        );
        assert!(
            told.contains(&format!("`{name}`")),
            "docs/performance.md does not tell of {name}"
        );
    }
}
