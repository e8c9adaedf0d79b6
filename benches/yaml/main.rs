//! What reading and writing YAML costs, next to a bare `libyaml-safer` event loop over the same bytes in the same run.
//!
//! `cargo bench --bench yaml [-- FILE...]` prints one JSON object; without files it reads 3,000 generated manifests.
//! Fails if a reader takes more than 1.4 times the event loop.

use std::hint::black_box;
use std::time::Instant;

use retune::yaml::{self, Limits, emit};

/// The bar: reading into the tree against the bare event loop.
const BAR: f64 = 1.4;

fn main() {
    let files: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let text = if files.is_empty() {
        manifests(1500)
    } else {
        files
            .iter()
            .map(|f| std::fs::read_to_string(f).expect("a readable file"))
            .collect::<Vec<_>>()
            .join("\n---\n")
    };
    let limits = Limits::default();
    let nodes = yaml::read_v3(&text, &limits).expect("YAML");
    let rounds = 7;
    let events = best(rounds, || libyaml_events(&text));
    let v3 = best(rounds, || drop(black_box(yaml::read_v3(&text, &limits))));
    let v2 = best(rounds, || drop(black_box(yaml::read_v2(&text, &limits))));
    let print = best(rounds, || {
        let mut out = String::with_capacity(text.len() * 2);
        for node in &nodes {
            emit::append_yaml(node, &mut out).expect("printable");
        }
        black_box(&out);
    });
    let rate = |seconds: f64| (text.len() as f64 / seconds / 1e6 * 10.0).round() / 10.0;
    println!(
        "{{\"bytes\":{},\"documents\":{},\"libyaml_events_mb_s\":{},\"read_v3_mb_s\":{},\"read_v2_mb_s\":{},\"print_mb_s\":{},\
         \"read_v3_ratio\":{:.2},\"read_v2_ratio\":{:.2}}}",
        text.len(),
        nodes.len(),
        rate(events),
        rate(v3),
        rate(v2),
        rate(print),
        v3 / events,
        v2 / events
    );
    assert!(v3 <= events * BAR && v2 <= events * BAR, "a reader takes more than {BAR} times the event loop");
}

/// The fastest of some rounds, in seconds.
fn best(rounds: usize, mut f: impl FnMut()) -> f64 {
    (0..rounds)
        .map(|_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}

fn libyaml_events(text: &str) {
    let mut input = text.as_bytes();
    let mut parser = libyaml_safer::Parser::new();
    parser.set_input_string(&mut input);
    loop {
        let event = parser.parse().expect("YAML");
        if matches!(event.data, libyaml_safer::EventData::StreamEnd) {
            return;
        }
        black_box(&event);
    }
}

/// Deployments and ConfigMaps as charts write them.
fn manifests(pairs: usize) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for i in 0..pairs {
        let _ = write!(
            out,
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-{i}\n  namespace: openstack\n  labels:\n    \
             application: app\n    component: api\n    release_group: \"group-{i}\"\n  annotations:\n    \
             configmap-hash: 2f1b9c6a7d1e4f5a8b3c2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a\nspec:\n  replicas: 3\n  selector:\n    \
             matchLabels:\n      application: app\n      component: api\n  template:\n    spec:\n      serviceAccountName: app\n      \
             nodeSelector:\n        openstack-control-plane: enabled\n      containers:\n        - name: api\n          \
             image: \"quay.io/airshipit/app:2025.1-ubuntu_noble\"\n          imagePullPolicy: IfNotPresent\n          command:\n            \
             - /tmp/app.sh\n            - start\n          ports:\n            - name: a-api\n              containerPort: 5000\n          \
             resources: {{requests: {{cpu: 100m, memory: 128Mi}}, limits: {{cpu: 2000m, memory: 1024Mi}}}}\n          readinessProbe:\n            \
             httpGet:\n              scheme: HTTP\n              path: /v3/\n              port: 5000\n            \
             initialDelaySeconds: 15 # seconds\n            periodSeconds: 60\n            timeoutSeconds: 15\n      volumes:\n        \
             - name: etc\n          secret:\n            secretName: app-etc\n            defaultMode: 0444\n---\n\
             apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app-bin-{i}\ndata:\n  app.sh: |\n    #!/bin/bash\n    set -ex\n    \
             COMMAND=\"${{@:-start}}\"\n\n    function start () {{\n      for script in /var/www/cgi-bin/app/*; do\n        \
             [ -e \"$script\" ] || continue\n        cp -a \"$script\" /var/www/cgi-bin/\n      done\n      exec apache2 -DFOREGROUND\n    }}\n\n    \
             $COMMAND\n  app.conf: |\n    [DEFAULT]\n    debug = false\n    log_config_append = /etc/app/logging.conf\n    \
             max_token_size = 255\n    [cache]\n    backend = dogpile.cache.memcached\n    enabled = true\n---\n"
        );
    }
    out
}
