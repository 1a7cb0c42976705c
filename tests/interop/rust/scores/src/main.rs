//! Replays a script of scoring events (see ../../test_scores_with_rust.py) on rust-libp2p's own peer score, in virtual
//! time, and prints the scores that the script asks for. The peer score is not public: ../build.sh puts the library's files
//! beside this one, as they are, and their clock is the one in clock/.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use libp2p_identity::{Keypair, PeerId};
use serde_json::{Value, json};

use libp2p::gossipsub::{MessageId, TopicHash, ValidationError};
use peer_score::{PeerScore, PeerScoreParams, PeerScoreThresholds, RejectReason, TopicScoreParams};
use score_params::seconds;

#[allow(dead_code, unused_imports)]
mod peer_score; // the library's
mod score_params; // the peer's
#[allow(dead_code)]
mod time_cache; // the library's

type Result<T> = std::result::Result<T, String>;

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

struct Replay<'a> {
    app: &'a Value,
    score: PeerScore,
    refreshed: Duration,
    peers: BTreeMap<String, PeerId>,
    addresses: HashMap<PeerId, IpAddr>, // of who is connected
}

impl Replay<'_> {
    fn advance(&mut self, now: Duration) {
        let interval = self.score.params.decay_interval;
        while self.refreshed + interval <= now {
            self.refreshed += interval;
            web_time::set(self.refreshed);
            self.score.refresh_scores();
        }
        web_time::set(now);
    }

    fn peer(&mut self, name: &str) -> PeerId {
        let new = || Keypair::generate_ed25519().public().to_peer_id();
        *self.peers.entry(name.to_string()).or_insert_with(new)
    }

    /// What the library's behaviour tells the peer score when that happens (behaviour.rs).
    fn apply(&mut self, event: &Value) -> Result<()> {
        self.advance(seconds(event, "at")?);
        let word = |name: &str| event[name].as_str().unwrap_or_default();
        if word("do") == "scores" {
            self.print();
            return Ok(());
        }
        let (topic, message) = (TopicHash::from_raw(word("topic")), MessageId::from(word("message")));
        let name = word("peer");
        let peer = if name.is_empty() { PeerId::random() } else { self.peer(name) };
        match word("do") {
            "add" => {
                let address = word("ip").parse().map_err(text)?;
                self.addresses.insert(peer, address);
                self.score.add_ip(&peer, address);
                self.score.add_peer(peer);
                self.score.set_application_score(&peer, self.app[name].as_f64().unwrap_or_default());
            }
            "remove" => {
                let address = self.addresses.remove(&peer).ok_or("it was not there")?;
                self.score.remove_ip(&peer, &address);
                self.score.remove_peer(&peer);
            }
            "graft" => self.score.graft(&peer, topic),
            "prune" => self.score.prune(&peer, topic),
            "penalty" => {
                self.score.add_penalty(&peer, event["count"].as_u64().ok_or("no count")? as usize);
            }
            "validating" => self.score.validate_message(&peer, &message, &topic),
            "delivered" => self.score.deliver_message(&peer, &message, &topic),
            "rejected" => self.score.reject_message(&peer, &message, &topic, RejectReason::ValidationFailed),
            "ignored" => self.score.reject_message(&peer, &message, &topic, RejectReason::ValidationIgnored),
            "invalid" => self.score.reject_invalid_message(&peer, &topic),
            "duplicate" => self.score.duplicated_message(&peer, &message, &topic),
            other => return Err(format!("no such event: {other:?}")),
        }
        Ok(())
    }

    fn print(&self) {
        let scores: serde_json::Map<_, _> = self
            .peers
            .iter()
            .map(|(name, peer)| (name.clone(), json!(self.score.score_report(peer).score)))
            .collect();
        println!("{}", Value::Object(scores));
    }
}

fn run() -> Result<()> {
    let script: Value = serde_json::from_reader(std::io::stdin()).map_err(text)?;
    web_time::set(Duration::ZERO);
    let mut replay = Replay {
        app: &script["app"],
        score: PeerScore::new(score_params::peer_score_params(&script)?, PeerScoreThresholds::default()),
        refreshed: Duration::ZERO,
        peers: BTreeMap::new(),
        addresses: HashMap::new(),
    };
    for event in script["events"].as_array().ok_or("no events")? {
        replay.apply(event).map_err(|error| format!("{event}: {error}"))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
