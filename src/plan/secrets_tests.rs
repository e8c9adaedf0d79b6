use serde_json::json;

use super::*;
use crate::cloud::secrets::template::Template;
use crate::cloud::secrets::{Generator, KeyAt};
use crate::cloud::{AppState, Interner, Object, Origin, Policy, RenderedApp};

fn secret(name: &str, keys: Vec<(&str, Generator)>) -> GeneratedSecret {
    GeneratedSecret {
        at: SecretAt::new("n", name),
        app: "a".into(),
        kind: "Opaque".into(),
        keys: keys.into_iter().map(|(k, g)| (k.to_owned(), g)).collect(),
        fernet_keys: None,
        origin: Origin { file: "apps/a.yaml".into(), line: 7 },
    }
}

fn template(text: &str, own: &str) -> Generator {
    Generator::Template(Template::parse(text, "n", own).unwrap())
}

fn cloud(secrets: Vec<GeneratedSecret>, manifests: Vec<Value>) -> RenderedCloud {
    let mut names = Interner::default();
    let origin = || Origin { file: "test".into(), line: 1 };
    let objects: Vec<Object> =
        manifests.into_iter().map(|m| Object::build(m, Some("n"), origin(), &mut names).unwrap()).collect();
    let app = RenderedApp {
        name: "a".into(),
        namespace: Some("n".into()),
        depends_on: Vec::new(),
        policy: Policy {
            timeout: crate::cloud::spec::Seconds(60),
            prune: Default::default(),
            drift: Default::default(),
            health: Default::default(),
            hooks: Default::default(),
            rollback: Default::default(),
            backup: None,
            force_conflicts: true,
            recreate: Default::default(),
        },
        digest: Digest::of(b""),
        objects,
        hooks: Vec::new(),
        generated: secrets.into(),
        state: AppState::Ready,
        outline: None,
        inputs: [].into(),
        secrets: Default::default(),
    };
    RenderedCloud {
        name: "c".into(),
        profile: "base".into(),
        apps: vec![Arc::new(app)],
        digest: Digest::of(b""),
        rendered: 0,
        nodes: [].into(),
        unknown: Default::default(),
    }
}

fn values(keys: &[&str]) -> BTreeMap<String, SecretBytes> {
    keys.iter().map(|k| ((*k).to_owned(), SecretBytes(vec![1]))).collect()
}

#[test]
fn what_never_existed_is_made_and_what_is_gone_is_lost() {
    let s = secret("db", vec![("password", Generator::Uuid), ("token", Generator::Uuid)]);
    let record = |keys: &[&str]| SecretRecord {
        uid: "u".into(),
        keys: keys.iter().map(|k| (*k).to_owned()).collect(),
    };
    assert_eq!(need(&s, None, None), Need::Create);
    assert_eq!(need(&s, None, Some(&record(&["password"]))), Need::Lost(vec![]));
    let half = values(&["password"]);
    assert_eq!(need(&s, Some(&half), None), Need::Add(vec!["token".into()]), "only the missing key is made");
    assert_eq!(need(&s, Some(&half), Some(&record(&["password"]))), Need::Add(vec!["token".into()]));
    assert_eq!(
        need(&s, Some(&half), Some(&record(&["password", "token"]))),
        Need::Lost(vec!["token".into()])
    );
    assert_eq!(need(&s, Some(&values(&["password", "token", "own"])), None), Need::Nothing);
}

#[test]
fn a_rotated_key_repository_lacks_nothing() {
    let mut s = secret("fernet", vec![("0", Generator::FernetKey), ("1", Generator::FernetKey)]);
    s.fernet_keys = Some(2);
    let record = SecretRecord { uid: "u".into(), keys: vec!["0".into(), "1".into()] };
    assert_eq!(need(&s, Some(&values(&["0", "7"])), Some(&record)), Need::Nothing);
}

#[test]
fn a_rotation_takes_what_is_composed_of_it_along_and_names_who_uses_it() {
    let db = secret("db", vec![("user", Generator::Text("nova".into())), ("password", Generator::Uuid)]);
    let url = secret(
        "url",
        vec![("url", template("mysql://{{db/user}}:{{db/password}}@x", "url")), ("id", Generator::Uuid)],
    );
    let other = secret("other", vec![("copy", Generator::Copy(KeyAt::new("n", "url", "id")))]);
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"}, "spec": {"template": {"spec": {
        "containers": [{"name": "x", "env": [{"name": "U", "valueFrom": {"secretKeyRef": {"name": "url", "key": "url"}}}]}]}}}});
    let user = json!({"apiVersion": "k8s.mariadb.com/v1alpha1", "kind": "User", "metadata": {"name": "nova"},
        "spec": {"passwordSecretKeyRef": {"name": "db", "key": "password"}}});
    let bystander =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "db"}, "data": {"name": "db"}});
    let cloud = cloud(vec![db, url, other], vec![deployment, user, bystander]);
    let rotation = rotation(&cloud, &SecretAt::new("n", "db"), &[], None).unwrap();
    assert_eq!(
        rotation.lines(),
        [
            "change   Secret n/db  (new values: password)",
            "change   Secret n/url  (follows: url)",
            "restart  Deployment.apps n/api [a]",
            "uses it  User.k8s.mariadb.com n/nova [a]",
        ]
    );
    assert_ne!(rotation.digest("1"), rotation.digest("2"), "every request needs its own approval");
}

#[test]
fn a_rotation_that_cannot_be_is_refused_with_the_reason() {
    let cloud = cloud(vec![secret("db", vec![("user", Generator::Text("x".into()))])], vec![]);
    let refused = |name: &str, keys: &[&str]| {
        let keys: Vec<String> = keys.iter().map(|k| (*k).to_owned()).collect();
        rotation(&cloud, &SecretAt::new("n", name), &keys, None).unwrap_err()
    };
    assert!(refused("gone", &[]).contains("no app declares Secret n/gone"));
    assert!(refused("db", &["nope"]).contains("declares no key nope; it has user"));
    assert!(refused("db", &[]).contains("nothing that is drawn"));
    assert!(
        rotation(&cloud, &SecretAt::new("n", "db"), &[], Some(&[])).is_ok(),
        "a lost one is made anew whole"
    );
}
