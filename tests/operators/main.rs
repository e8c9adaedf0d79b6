//! Plays the operators of the reference cloud: `cargo run --example operators -- [--kubeconfig FILE] [--delay MILLISECONDS]`.
//!
//! What is played, and how, is in [`play`]. It runs until it is killed.

mod play;

use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use play::Problem;

#[tokio::main]
async fn main() -> Result<(), Problem> {
    let (kubeconfig, delay) = arguments()?;
    let config = match kubeconfig {
        Some(file) => {
            Config::from_custom_kubeconfig(Kubeconfig::read_from(file)?, &KubeConfigOptions::default())
                .await?
        }
        None => Config::infer().await?,
    };
    play::play(Client::try_from(config)?, delay).await
}

/// `--kubeconfig FILE`, `--delay MILLISECONDS`.
fn arguments() -> Result<(Option<String>, Duration), Problem> {
    let (mut kubeconfig, mut delay) = (None, Duration::ZERO);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--kubeconfig" => kubeconfig = Some(value),
            "--delay" => delay = Duration::from_millis(value.parse()?),
            _ => return Err(format!("unknown argument {name}; there are --kubeconfig and --delay").into()),
        }
    }
    Ok((kubeconfig, delay))
}
