//! Prints test vectors that rust-libp2p makes, kept as tests/vectors/rust-identities.txt: one a line, its kind first.
//! `cargo run --release --features vectors --bin vectors ../../vectors/keys.txt DATE`

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite, FutureExt};
use libp2p::core::upgrade::InboundConnectionUpgrade;
use libp2p::core::{PeerRecord, multihash::Multihash};
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId, noise, tls};

const ADDRESSES: [&str; 3] =
    ["/ip4/192.0.2.1/tcp/4001", "/ip6/2001:db8::1/udp/4001/quic-v1", "/dns4/example.com/tcp/443/tls/ws"];

/// An initiator's ephemeral secret, 32 times 13, and its public key.
const EPHEMERAL_SECRET: [u8; 32] = [13; 32];
const EPHEMERAL_PUBLIC: &str = "b307ae8660efaed4d6a65f6640896892ea4a1f0075555c489d1312a2e1677c28";

const HEADER: &str = "\
# What rust-libp2p makes with identity keys of every type:
#   key NAME PUBLIC-KEY-PROTOBUF PEER-ID CID
#   signature NAME MESSAGE SIGNATURE
#   peer-record NAME SEQUENCE ADDRESSES ENVELOPE     addresses separated by commas
#   noise NAME INITIATORS-EPHEMERAL-SECRET MUXERS MESSAGE-1 MESSAGE-2     a responder's, without lengths
#   certificate NAME DER                             of the TLS handshake
# Named for their type and size; they are keys.txt's.";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
}

/// The specification's private keys. RSA's protobuf is not read by the library, its PKCS#8 form is.
fn identities(file: &str) -> Vec<(&'static str, Keypair)> {
    let text = std::fs::read_to_string(file).expect("keys.txt");
    let mut found = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("private ")) {
        let words: Vec<&str> = line.split(' ').collect();
        let bytes = unhex(words[2]);
        match words[1] {
            "ed25519" => found.push(("ed25519", Keypair::from_protobuf_encoding(&bytes).expect("a key"))),
            "secp256k1" => found.push(("secp256k1", Keypair::from_protobuf_encoding(&bytes).expect("a key"))),
            "ecdsa" => found.push(("ecdsa-p256", Keypair::from_protobuf_encoding(&bytes).expect("a key"))),
            "rsa" => {
                found.push(("rsa-4096", Keypair::rsa_from_pkcs8(&mut pkcs8(&bytes[5..])).expect("a key")))
            }
            other => panic!("no such type: {other}"),
        }
    }
    found
}

/// An RSA private key in PKCS#1 inside PKCS#8.
fn pkcs8(pkcs1: &[u8]) -> Vec<u8> {
    let length = |size: usize| [0x82, (size >> 8) as u8, size as u8];
    let inside =
        [&unhex("020100300d06092a864886f70d0101010500")[..], &[4], &length(pkcs1.len()), pkcs1].concat();
    [&[0x30][..], &length(inside.len()), &inside].concat()
}

fn cid(peer: PeerId) -> String {
    let bytes = [&[1, 0x72][..], &Multihash::from(peer).to_bytes()].concat();
    let digits = b"abcdefghijklmnopqrstuvwxyz234567";
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> (7 - bit) & 1)).collect();
    let digit =
        |five: &[u8]| digits[(0..5).fold(0, |value, i| value << 1 | five.get(i).unwrap_or(&0)) as usize];
    format!("b{}", String::from_utf8(bits.chunks(5).map(digit).collect()).expect("digits"))
}

/// A socket that gives a script and keeps what is written.
struct Script {
    given: io::Cursor<Vec<u8>>,
    written: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Script {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        match io::Read::read(&mut self.given, out)? {
            0 => Poll::Pending,
            count => Poll::Ready(Ok(count)),
        }
    }
}

impl AsyncWrite for Script {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.written.lock().expect("alone").extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn noise_answer(key: &Keypair) -> Vec<u8> {
    let written = Arc::new(Mutex::new(Vec::new()));
    let first = [&[0, 32][..], &unhex(EPHEMERAL_PUBLIC)].concat();
    let socket = Script { given: io::Cursor::new(first), written: written.clone() };
    let config = noise::Config::new(key).expect("a Noise key");
    let unfinished = config.upgrade_inbound(socket, "/noise").now_or_never();
    assert!(unfinished.is_none());
    let answer = written.lock().expect("alone").clone();
    assert_eq!(answer.len(), 2 + usize::from(answer[0]) * 256 + usize::from(answer[1]));
    answer[2..].to_vec()
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, keys, date] = arguments.as_slice() else { panic!("usage: vectors KEYS.TXT DATE") };
    println!("{HEADER}");
    println!(
        "# Source: rust-libp2p {}, run on {date} (tests/interop/rust/src/vectors.rs);",
        env!("CARGO_PKG_VERSION")
    );
    println!("# the output of a program, under no licence.");
    for (name, key) in identities(keys) {
        let peer = key.public().to_peer_id();
        println!("key {name} {} {peer} {}", hex(&key.public().encode_protobuf()), cid(peer));
        for message in ["a message".to_owned(), "long ".repeat(40)] {
            let signature = key.sign(message.as_bytes()).expect("a signature");
            println!("signature {name} {} {}", hex(message.as_bytes()), hex(&signature));
        }
        let addresses: Vec<Multiaddr> =
            ADDRESSES.iter().map(|text| text.parse().expect("an address")).collect();
        let record = PeerRecord::new_interop(&key, addresses).expect("a record");
        let envelope = record.to_signed_envelope().into_protobuf_encoding();
        println!("peer-record {name} {} {} {}", record.seq(), ADDRESSES.join(","), hex(&envelope));
        let answer = noise_answer(&key);
        println!("noise {name} {} none {EPHEMERAL_PUBLIC} {}", hex(&EPHEMERAL_SECRET), hex(&answer));
        let (certificate, _) = tls::certificate::generate(&key).expect("a certificate");
        println!("certificate {name} {}", hex(&certificate));
    }
}
