//! The parameters of peer scoring, from the JSON that every peer program takes (../../README.md).

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

use crate::{PeerScoreParams, Result, TopicHash, TopicScoreParams, text};

pub fn peer_score_params(of: &Value) -> Result<PeerScoreParams> {
    let (params, named) = (&of["params"], of["topics"].as_object().ok_or("topics: not an object")?);
    let mut topics = HashMap::new();
    for (name, values) in named {
        topics.insert(TopicHash::from_raw(name), topic_score_params(values)?);
    }
    let score = PeerScoreParams {
        topics,
        topic_score_cap: number(params, "topic_score_cap")?,
        app_specific_weight: number(params, "app_specific_weight")?,
        ip_colocation_factor_weight: number(params, "ip_colocation_weight")?,
        ip_colocation_factor_threshold: number(params, "ip_colocation_threshold")?,
        ip_colocation_factor_whitelist: whitelist(&of["whitelist"])?,
        behaviour_penalty_weight: number(params, "behaviour_penalty_weight")?,
        behaviour_penalty_threshold: number(params, "behaviour_penalty_threshold")?,
        behaviour_penalty_decay: number(params, "behaviour_penalty_decay")?,
        decay_interval: seconds(params, "decay_interval")?,
        decay_to_zero: number(params, "decay_to_zero")?,
        retain_score: seconds(params, "retain_score")?,
        slow_peer_weight: 0.0, // nobody else has this penalty
        ..PeerScoreParams::default()
    };
    score.validate()?;
    Ok(score)
}

fn topic_score_params(of: &Value) -> Result<TopicScoreParams> {
    Ok(TopicScoreParams {
        topic_weight: number(of, "weight")?,
        time_in_mesh_weight: number(of, "time_in_mesh_weight")?,
        time_in_mesh_quantum: seconds(of, "time_in_mesh_quantum")?,
        time_in_mesh_cap: number(of, "time_in_mesh_cap")?,
        first_message_deliveries_weight: number(of, "first_message_deliveries_weight")?,
        first_message_deliveries_decay: number(of, "first_message_deliveries_decay")?,
        first_message_deliveries_cap: number(of, "first_message_deliveries_cap")?,
        mesh_message_deliveries_weight: number(of, "mesh_message_deliveries_weight")?,
        mesh_message_deliveries_decay: number(of, "mesh_message_deliveries_decay")?,
        mesh_message_deliveries_cap: number(of, "mesh_message_deliveries_cap")?,
        mesh_message_deliveries_threshold: number(of, "mesh_message_deliveries_threshold")?,
        mesh_message_deliveries_window: seconds(of, "mesh_message_deliveries_window")?,
        mesh_message_deliveries_activation: seconds(of, "mesh_message_deliveries_activation")?,
        mesh_failure_penalty_weight: number(of, "mesh_failure_penalty_weight")?,
        mesh_failure_penalty_decay: number(of, "mesh_failure_penalty_decay")?,
        invalid_message_deliveries_weight: number(of, "invalid_message_deliveries_weight")?,
        invalid_message_deliveries_decay: number(of, "invalid_message_deliveries_decay")?,
    })
}

/// rust-libp2p lists addresses where the others list networks.
fn whitelist(of: &Value) -> Result<std::collections::HashSet<std::net::IpAddr>> {
    let networks = of.as_array().ok_or("whitelist: not a list")?;
    networks
        .iter()
        .map(|network| {
            let address = network.as_str().unwrap_or_default();
            let whole = address.strip_suffix("/32").ok_or_else(|| format!("{network} is not one address"))?;
            whole.parse().map_err(text)
        })
        .collect()
}

pub fn number(of: &Value, name: &str) -> Result<f64> {
    of[name].as_f64().ok_or_else(|| format!("{name} is missing or not a number"))
}

pub fn seconds(of: &Value, name: &str) -> Result<Duration> {
    Duration::try_from_secs_f64(number(of, name)?).map_err(text)
}
