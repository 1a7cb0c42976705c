//! Both sides of the protocols that are spoken on streams by hand.

use std::time::Instant;

use futures::future::{join, join_all};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::PeerId;
use libp2p::swarm::{Stream, StreamProtocol};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::UnboundedSender;

use crate::host::Host;
use crate::pattern;
use crate::streams::Inbound;
use crate::{Result, text};

const PING: &str = "/ipfs/ping/1.0.0";
const PERF: &str = "/perf/1.0.0";
const ECHO: &str = "/interop/echo/1.0.0";
const RESET: &str = "/interop/reset/1.0.0";
const HOLD: &str = "/interop/hold/1.0.0";

/// The protocols that every peer serves; ping is a behaviour of its own.
pub const SERVED: [StreamProtocol; 4] = [
    StreamProtocol::new(PERF),
    StreamProtocol::new(ECHO),
    StreamProtocol::new(RESET),
    StreamProtocol::new(HOLD),
];

pub fn connected(peer: PeerId, direction: &str) -> Value {
    json!({"ev": "connected", "peer": peer.to_string(), "direction": direction})
}

pub fn disconnected(peer: PeerId) -> Value {
    json!({"ev": "disconnected", "peer": peer.to_string()})
}

/// Serves one inbound stream to its end and tells of what the contract wants told.
pub async fn serve(inbound: Inbound, checksums: bool, events: Option<UnboundedSender<Value>>) {
    let Inbound { peer, protocol, stream } = inbound;
    let emit = |event: Value| {
        if let Some(events) = &events {
            let _ = events.send(event);
        }
    };
    let served =
        match protocol.as_ref() {
            PERF => serve_perf(stream, checksums, |received, sha256| {
                emit(json!({"ev": "perf", "peer": peer.to_string(), "received": received, "sha256": sha256}));
            })
            .await,
            ECHO => serve_echo(stream).await,
            HOLD => serve_hold(stream).await.map(|end| {
                emit(json!({"ev": "stream_end", "protocol": HOLD, "peer": peer.to_string(), "end": end}));
            }),
            RESET => serve_reset(stream).await,
            _ => Ok(()), // a pushed protocol: dropping its stream resets it
        };
    if let Err(error) = served {
        eprintln!("{protocol} for {peer}: {error}");
    }
}

async fn serve_perf(
    mut stream: Stream,
    checksums: bool,
    ended: impl FnOnce(u64, Option<String>),
) -> Result<()> {
    let mut wanted = [0; 8];
    stream.read_exact(&mut wanted).await.map_err(text)?;
    let mut sum = Sum::new(checksums);
    let received = read_to_end(&mut stream, |bytes| sum.add(bytes)).await?;
    ended(received, sum.finish());
    write_pattern(&mut stream, u64::from_be_bytes(wanted), &mut Sum::new(false)).await?;
    stream.close().await.map_err(text)
}

async fn serve_echo(mut stream: Stream) -> Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let size = stream.read(&mut buffer).await.map_err(text)?;
        if size == 0 {
            return stream.close().await.map_err(text);
        }
        stream.write_all(&buffer[..size]).await.map_err(text)?;
        stream.flush().await.map_err(text)?;
    }
}

async fn serve_reset(mut stream: Stream) -> Result<()> {
    stream.read_exact(&mut [0]).await.map_err(text) // and dropping the stream resets it
}

async fn serve_hold(mut stream: Stream) -> Result<&'static str> {
    stream.read_exact(&mut [0]).await.map_err(text)?;
    write_now(&mut stream, &[1]).await?;
    let end = read_to_end(&mut stream, |_| ()).await;
    if end.is_err() || was_reset(&mut stream).await {
        return Ok("reset");
    }
    stream.close().await.map_err(text)?;
    Ok("eof")
}

/// The round trips of pings on one stream.
pub async fn ping(host: &Host, peer: PeerId, count: u64) -> Result<Vec<f64>> {
    let mut stream = host.open(peer, StreamProtocol::new(PING)).await?;
    let mut rtts = Vec::new();
    for i in 0..count {
        let payload = [i as u8; 32];
        let begun = Instant::now();
        write_now(&mut stream, &payload).await?;
        let mut reply = [0; 32];
        stream.read_exact(&mut reply).await.map_err(text)?;
        rtts.push(begun.elapsed().as_secs_f64());
        if reply != payload {
            return Err("the reply differs from the ping".to_string());
        }
    }
    stream.close().await.map_err(text)?;
    Ok(rtts)
}

/// Uploads and downloads over /perf/1.0.0.
pub async fn perf(host: &Host, peer: PeerId, up: u64, down: u64, checksums: bool) -> Result<Value> {
    let begun = Instant::now();
    let mut stream = host.open(peer, StreamProtocol::new(PERF)).await?;
    stream.write_all(&down.to_be_bytes()).await.map_err(text)?;
    let mut sent = Sum::new(checksums);
    write_pattern(&mut stream, up, &mut sent).await?;
    stream.close().await.map_err(text)?;
    let mut uploaded = None;
    let mut received_sum = Sum::new(checksums);
    let received = read_to_end(&mut stream, |bytes| {
        uploaded.get_or_insert_with(Instant::now);
        received_sum.add(bytes);
    })
    .await?;
    let uploaded = uploaded.unwrap_or_else(Instant::now);
    Ok(json!({
        "up_seconds": (uploaded - begun).as_secs_f64(), "down_seconds": uploaded.elapsed().as_secs_f64(),
        "sent_sha256": sent.finish(), "received_sha256": received_sum.finish(), "received": received,
    }))
}

/// How many of so many streams at once came back with the bytes that were sent on them.
pub async fn echo(host: &Host, peer: PeerId, streams: u64, bytes: u64) -> Result<u64> {
    let echoes = join_all((0..streams).map(|_| echo_one(host, peer, bytes))).await;
    for error in echoes.iter().filter_map(|echo| echo.as_ref().err()).take(3) {
        eprintln!("echo to {peer}: {error}");
    }
    Ok(echoes.iter().filter(|echo| echo.is_ok()).count() as u64)
}

async fn echo_one(host: &Host, peer: PeerId, bytes: u64) -> Result<()> {
    let (mut reader, mut writer) = host.open(peer, StreamProtocol::new(ECHO)).await?.split();
    let send = async {
        write_pattern(&mut writer, bytes, &mut Sum::new(false)).await?;
        writer.close().await.map_err(text)
    };
    let (mut offset, mut same) = (0, true);
    let receive = read_to_end(&mut reader, |piece| {
        same &= pattern::matches(offset, piece);
        offset += piece.len() as u64;
    });
    let (sent, received) = join(send, receive).await;
    sent?;
    match received? {
        size if size != bytes => Err(format!("{size} bytes came back of {bytes}")),
        _ if !same => Err("other bytes came back".to_string()),
        _ => Ok(()),
    }
}

/// The error that reading from a stream gives that the other side resets.
pub async fn remote_reset(host: &Host, peer: PeerId) -> Result<String> {
    let mut stream = host.open(peer, StreamProtocol::new(RESET)).await?;
    write_now(&mut stream, &[1]).await?;
    match stream.read(&mut [0]).await {
        Err(error) => Ok(text(error)),
        Ok(0) if was_reset(&mut stream).await => {
            Ok("reset: the stream can neither be read nor written".into())
        }
        Ok(0) => Err("the stream ended cleanly".to_string()),
        Ok(_) => Err("the stream gave a byte".to_string()),
    }
}

pub async fn local_reset(host: &Host, peer: PeerId) -> Result<()> {
    let mut stream = host.open(peer, StreamProtocol::new(HOLD)).await?;
    write_now(&mut stream, &[1]).await?;
    stream.read_exact(&mut [0]).await.map_err(text) // and dropping the stream resets it
}

/// Whether a stream whose end was read was reset: rust-yamux reads both alike, but a reset stream takes no
/// bytes. An empty write asks it; to a peer that closed its side it is a data frame without data.
async fn was_reset(stream: &mut Stream) -> bool {
    stream.write(&[]).await.is_err()
}

async fn write_now(stream: &mut Stream, bytes: &[u8]) -> Result<()> {
    stream.write_all(bytes).await.map_err(text)?;
    stream.flush().await.map_err(text)
}

async fn write_pattern(stream: &mut (impl AsyncWrite + Unpin), size: u64, sum: &mut Sum) -> Result<()> {
    let mut done = 0;
    while done < size {
        let piece = pattern::chunk(done, size - done);
        sum.add(piece);
        stream.write_all(piece).await.map_err(text)?;
        done += piece.len() as u64;
    }
    stream.flush().await.map_err(text)
}

async fn read_to_end(stream: &mut (impl AsyncRead + Unpin), mut each: impl FnMut(&[u8])) -> Result<u64> {
    let mut buffer = vec![0; pattern::CHUNK];
    let mut total = 0;
    loop {
        let size = stream.read(&mut buffer).await.map_err(text)?;
        if size == 0 {
            return Ok(total);
        }
        each(&buffer[..size]);
        total += size as u64;
    }
}

/// A SHA-256, if one is wanted.
struct Sum(Option<Sha256>);

impl Sum {
    fn new(wanted: bool) -> Self {
        Sum(wanted.then(Sha256::new))
    }

    fn add(&mut self, bytes: &[u8]) {
        if let Some(sum) = &mut self.0 {
            sum.update(bytes);
        }
    }

    fn finish(self) -> Option<String> {
        self.0.map(|sum| sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}
