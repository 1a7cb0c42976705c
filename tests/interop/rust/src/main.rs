//! The rust-libp2p peer of the interop matrix; ../README.md holds its contract.

mod bench;
mod commands;
mod host;
mod pattern;
mod protocols;
mod score_params;
mod streams;
mod transport;

use std::process::ExitCode;
use std::time::Duration;

use libp2p::gossipsub::{PeerScoreParams, TopicHash, TopicScoreParams};
use libp2p::identity::Keypair;
use serde_json::Value;

use host::Config;
use transport::{Carrier, Security};

pub type Result<T> = std::result::Result<T, String>;

/// An error as the text that the contract reports.
pub fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let runtime = runtime().map_err(text)?;
    let limit = Duration::from_secs(arguments.time_limit);
    let result = runtime.block_on(async {
        // On a task of its own, since the runtime's workers run those faster than its first one.
        tokio::time::timeout(limit, tokio::spawn(arguments.run())).await
    });
    runtime.shutdown_background(); // a read of standard input may still be under way
    match result {
        Ok(ended) => ended.map_err(text)?,
        Err(_) => Err(format!("the time limit of {} s was reached", limit.as_secs())),
    }
}

/// As many threads as the process may use cores; on one core, none beside the first.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = match std::thread::available_parallelism()?.get() {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.enable_all().build()
}

struct Arguments {
    carrier: Carrier,
    security: Security,
    seed: Option<u64>,
    time_limit: u64,
    listen: bool,
    checksums: bool,
    scoring: Option<Value>,
    bench: Option<String>,
    nodes: u64,
    connections: u64,
    messages: u64,
    size: u64,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments> {
        let mut arguments = Arguments {
            carrier: Carrier::Tcp,
            security: Security::Noise,
            seed: None,
            time_limit: 120,
            listen: true,
            checksums: false,
            scoring: None,
            bench: None,
            nodes: 10,
            connections: 8,
            messages: 2000,
            size: 1000,
        };
        while let Some(name) = words.next() {
            match name.as_str() {
                "--no-listen" => arguments.listen = false,
                "--checksums" => arguments.checksums = true,
                _ => {
                    let value = words.next().unwrap_or_default();
                    arguments.set(&name, &value)?;
                }
            }
        }
        Ok(arguments)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let number = || value.parse().map_err(|_| format!("{name} {value}: not a natural number"));
        match (name, value) {
            ("--transport", "tcp") => self.carrier = Carrier::Tcp,
            ("--transport", "ws") => self.carrier = Carrier::WebSocket,
            ("--security", "noise") => self.security = Security::Noise,
            ("--security", "tls") => self.security = Security::Tls,
            ("--early-muxer", "on" | "off") => {} // rust-libp2p negotiates no muxer early
            ("--bench", "mesh" | "memory") => self.bench = Some(value.to_string()),
            ("--scoring", json) => {
                self.scoring = Some(serde_json::from_str(json).map_err(|error| format!("{name}: {error}"))?);
            }
            ("--seed", _) => self.seed = Some(number()?),
            ("--time-limit", _) => self.time_limit = number()?,
            ("--nodes", _) => self.nodes = number()?,
            ("--connections", _) => self.connections = number()?,
            ("--messages", _) => self.messages = number()?,
            ("--size", _) => self.size = number()?,
            _ => return Err(format!("no such argument: {name} {value}")),
        }
        Ok(())
    }

    async fn run(self) -> Result<()> {
        match self.bench.as_deref() {
            Some("mesh") => print(bench::mesh(self.nodes, self.messages, self.size as usize).await?),
            Some(_) => print(bench::memory(self.nodes, self.connections).await?),
            None => commands::run(self.config()?).await?,
        }
        Ok(())
    }

    fn config(&self) -> Result<Config> {
        Ok(Config {
            carrier: self.carrier,
            security: self.security,
            key: key(self.seed)?,
            listen: self.listen,
            checksums: self.checksums,
            scoring: self.scoring.clone(),
            events: None,
        })
    }
}

/// The identity whose seed is the number as 32 bytes, big-endian; without one a new identity.
fn key(seed: Option<u64>) -> Result<Keypair> {
    let Some(seed) = seed else {
        return Ok(Keypair::generate_ed25519());
    };
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&seed.to_be_bytes());
    Keypair::ed25519_from_bytes(bytes).map_err(text)
}

fn print(line: Value) {
    println!("{line}");
}
