//! Who has no business here is refused, is told why where that is safe, and harms nobody: all of it
//! while an honest edge goes on.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pipesd_core::ids::MessageId;
use pipesd_core::wire::{self, ClientHello, Limits, Vocabulary};
use pipesd_hw::transport::{Identity, Link, Server, Settings, Ticket, TransportError, connect};
use quinn::{Connection, ConnectionError, Endpoint, RecvStream, SendStream};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

use crate::support::{
    accept, close, closed, pair, probed, receive, refusal, run, send, serve, settings, upload,
};

/// Takes any key for the right one.
#[derive(Debug)]
struct Credulous;

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A client of our own making.
async fn stranger(address: SocketAddr, alpn: &[u8]) -> Result<Connection, ConnectionError> {
    stranger_from([127, 0, 0, 1], address, alpn).await
}

async fn stranger_from(
    from: [u8; 4],
    address: SocketAddr,
    alpn: &[u8],
) -> Result<Connection, ConnectionError> {
    let mut tls = rustls::ClientConfig::builder_with_provider(default_provider().into())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous))
        .with_no_client_auth();
    tls.alpn_protocols = vec![alpn.to_vec()];
    let tls = quinn::crypto::rustls::QuicClientConfig::try_from(tls).expect("good for QUIC");
    let endpoint = Endpoint::client(SocketAddr::from((from, 0))).expect("a socket");
    let config = quinn::ClientConfig::new(Arc::new(tls));
    endpoint.connect_with(config, address, "anything").expect("good settings").await
}

const ALPN: &[u8] = b"pipesd/2";

fn frame(body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_le_bytes();
    length.iter().chain(body).copied().collect()
}

/// The 32 bytes at the end of a ticket's text.
fn secret(ticket: &Ticket) -> [u8; 32] {
    let text = ticket.to_string();
    let digits = &text[text.len() - 64..];
    std::array::from_fn(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).expect("hex"))
}

fn hello(ticket: &Ticket, version: u16) -> Vec<u8> {
    let mut body = Vec::new();
    let hello =
        ClientHello { version, secret: secret(ticket), edge: 9, client: [9; 16], vocabulary: None };
    wire::encode_client_hello(&hello, &mut body);
    frame(&body)
}

/// Says `words` first.
async fn say(address: SocketAddr, words: &[u8]) -> (Connection, SendStream, RecvStream) {
    let connection = stranger(address, ALPN).await.expect("a handshake");
    let (mut send, receive) = connection.open_bi().await.expect("one stream");
    send.write_all(words).await.expect("written");
    (connection, send, receive)
}

/// One that holds the ticket, and will misbehave.
async fn insider(server: &mut Server) -> (Connection, SendStream, Link) {
    let words = hello(&server.ticket(server.address()), wire::VERSION);
    let (connection, send, mut answer) = say(server.address(), &words).await;
    answer.read_chunk(1, true).await.expect("an answer").expect("a hello");
    let link = accept(server).await;
    (connection, send, link)
}

async fn reason(connection: &Connection) -> String {
    match connection.closed().await {
        ConnectionError::ApplicationClosed(close) => {
            String::from_utf8_lossy(&close.reason).into_owned()
        }
        other => other.to_string(),
    }
}

/// The honest edge still has its answers, in order.
async fn goes_on(edge: &mut Link, cloud: &mut Link) {
    for id in 0..3 {
        send(edge, id, &upload(1, 1)).await;
        assert_eq!(receive(cloud).await.0, upload(1, 1));
        send(cloud, id, &probed(id)).await;
        assert_eq!(receive(edge).await.0, probed(id));
    }
}

fn hasty() -> Settings {
    Settings { handshake: Duration::from_millis(800), ..settings() }
}

#[test]
fn an_edge_with_a_wrong_secret_or_key_is_refused_and_told() {
    run(async {
        let (mut server, mut edge, mut cloud) = pair(&settings(), None).await;
        let ticket = server.ticket(server.address());
        let other = Identity::create().expect("a key").ticket(server.address());
        let wrong = Ticket { secret: other.secret.clone(), ..ticket.clone() };
        let error = connect(&wrong, &settings(), None).await.expect_err("a wrong secret");
        let told = "the ticket's secret is not this cloud's".to_owned();
        assert_eq!(error, TransportError::Refused(told.clone()));
        assert_eq!(refusal(&mut server).await, told);
        let wrong = Ticket { fingerprint: other.fingerprint, ..ticket };
        let error = connect(&wrong, &settings(), None).await.expect_err("a wrong key");
        assert_eq!(error, TransportError::Fingerprint(server.address()));
        refusal(&mut server).await;
        goes_on(&mut edge, &mut cloud).await;
    });
}

#[test]
fn an_edge_whose_models_speak_another_vocabulary_is_refused_and_told() {
    run(async {
        let speaks = |hash| Some(Vocabulary { hash, size: 32_256 });
        let ours = Settings { vocabulary: speaks(1), ..settings() };
        let (mut server, mut edge, mut cloud) = pair(&ours, None).await;
        let ticket = server.ticket(server.address());
        let theirs = Settings { vocabulary: speaks(2), ..settings() };
        let error = connect(&ticket, &theirs, None).await.expect_err("another vocabulary");
        assert!(error.to_string().contains("another vocabulary"), "{error}");
        refusal(&mut server).await;
        goes_on(&mut edge, &mut cloud).await;
    });
}

#[test]
fn nobody_there_is_said_in_time() {
    run(async {
        let silent = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let address = silent.local_addr().expect("an address");
        let ticket = Identity::create().expect("a key").ticket(address);
        let error = connect(&ticket, &hasty(), None).await.expect_err("nobody");
        assert_eq!(error, TransportError::NoAnswer(address));
    });
}

#[test]
fn another_protocol_or_version_is_refused_and_told() {
    run(async {
        let (mut server, mut edge, mut cloud) = pair(&settings(), None).await;
        let error = stranger(server.address(), b"pipesd/3").await.expect_err("another protocol");
        assert!(error.to_string().contains("known protocol"), "{error}");
        refusal(&mut server).await;
        let words = hello(&server.ticket(server.address()), wire::VERSION + 1);
        let (connection, _send, _receive) = say(server.address(), &words).await;
        let why = reason(&connection).await;
        assert!(why.contains("speaks version"), "{why}");
        assert_eq!(refusal(&mut server).await, why);
        goes_on(&mut edge, &mut cloud).await;
    });
}

#[test]
fn an_edge_is_told_that_the_cloud_speaks_another_version() {
    run(async {
        let made = rcgen::generate_simple_self_signed(["pipesd".to_owned()]).expect("a key");
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let mut tls = rustls::ServerConfig::builder_with_provider(default_provider().into())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .expect("a key of its own");
        tls.alpn_protocols = vec![b"pipesd/3".to_vec()];
        let tls = quinn::crypto::rustls::QuicServerConfig::try_from(tls).expect("good for QUIC");
        let config = quinn::ServerConfig::with_crypto(Arc::new(tls));
        let address = "127.0.0.1:0".parse().expect("an address");
        let cloud = Endpoint::server(config, address).expect("a socket");
        let address = cloud.local_addr().expect("an address");
        let ticket = Identity::create().expect("a key").ticket(address);
        let accepting = async { cloud.accept().await.expect("an edge").await };
        let settings = settings();
        let connecting = connect(&ticket, &settings, None);
        let (error, _) = tokio::join!(connecting, accepting);
        let error = error.expect_err("another version").to_string();
        assert!(error.contains("another version"), "{error}");
    });
}

#[test]
fn a_stranger_that_says_nonsense_or_nothing_is_refused() {
    run(async {
        let (mut server, mut edge, mut cloud) = pair(&hasty(), None).await;
        let address = server.address();
        let words: [(&[u8], &str); 4] = [
            (&frame(b"GET / HTTP/1.1"), "malformed hello"),
            (&u32::MAX.to_le_bytes(), "a frame of 4294967295 bytes"),
            (&[0, 4], "no hello in time"),
            (&[], "no hello in time"),
        ];
        for (words, expected) in words {
            let (connection, _send, _receive) = say(address, words).await;
            // Before the hello there is one stream, and none of another kind.
            let more = connection.open_uni();
            let more = tokio::time::timeout(Duration::from_millis(100), more).await;
            assert!(!matches!(more, Ok(Ok(_))), "no streams for strangers");
            let why = reason(&connection).await;
            assert!(why.contains(expected), "{why}");
            assert_eq!(refusal(&mut server).await, why);
        }
        goes_on(&mut edge, &mut cloud).await;
    });
}

#[test]
fn an_edge_that_sends_malformed_or_oversized_frames_is_cut_off_alone() {
    run(async {
        let (mut server, mut edge, mut cloud) = pair(&settings(), None).await;
        let most = settings().limits.frame_bytes_max;
        let bad: [(&[u8], &str); 4] = [
            (&(most + 1).to_le_bytes(), "at most"),
            (&frame(b"\xff\xff\xff\xff garbage"), "malformed message"),
            (&frame(b""), "malformed message"),
            (&[5, 0], "cut short"),
        ];
        for (bytes, expected) in bad {
            for control in [true, false] {
                let (connection, mut on_control, mut link) = insider(&mut server).await;
                let mut apart = connection.open_uni().await.expect("a stream");
                let stream = if control { &mut on_control } else { &mut apart };
                stream.write_all(bytes).await.expect("written");
                stream.finish().expect("finished");
                let why = reason(&connection).await;
                assert!(why.contains(expected), "{why}, {control}");
                closed(&mut link).await;
            }
        }
        // A whole message, and more behind it.
        let (connection, _control, mut link) = insider(&mut server).await;
        let mut body = Vec::new();
        wire::encode(&close(1), &settings().format, &mut body);
        let mut stream = connection.open_uni().await.expect("a stream");
        stream.write_all(&[frame(&body), vec![0]].concat()).await.expect("written");
        assert_eq!(receive(&mut link).await.0, close(1));
        assert!(reason(&connection).await.contains("bytes after"));
        goes_on(&mut edge, &mut cloud).await;
    });
}

#[test]
fn an_edge_has_as_many_streams_and_unread_bytes_as_it_may() {
    run(async {
        let few = Settings { streams_max: 3, unread_bytes_max: 100_000, ..settings() };
        let mut server = serve(&few);
        let (connection, mut control, _link) = insider(&mut server).await;
        let mut streams = Vec::new();
        for _ in 0..3 {
            // Promises much, and sends none of it.
            let mut stream = connection.open_uni().await.expect("a stream");
            stream.write_all(&1_000_000_u32.to_le_bytes()).await.expect("written");
            streams.push(stream);
        }
        let more = connection.open_uni();
        let more = tokio::time::timeout(Duration::from_millis(200), more).await;
        assert!(more.is_err(), "a fourth stream must wait");
        // Nobody takes what comes: 256 events wait, then flow control does.
        let mut body = Vec::new();
        wire::encode(&close(1), &few.format, &mut body);
        let flood = frame(&body).repeat(200_000);
        let flooding = control.write_all(&flood);
        let flooded = tokio::time::timeout(Duration::from_millis(500), flooding).await;
        assert!(flooded.is_err(), "the flood must wait");
        let taken = connection.stats().udp_tx.bytes;
        assert!(taken < 1_000_000, "{taken} bytes were taken from a peer that nobody reads");
    });
}

#[test]
fn messages_that_nobody_takes_are_held_up_to_so_many_bytes() {
    run(async {
        let limits = Limits { frame_bytes_max: 1_000_000, ..settings().limits };
        let few = Settings { unread_bytes_max: 100_000, limits, ..settings() };
        let (_server, edge, mut cloud) = pair(&few, None).await;
        for id in 0..20 {
            // 290 kB each: three have room.
            edge.send(MessageId(id), &upload(id as u32, 1));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let taken = edge.sender().stats().quic.udp_tx.bytes;
        assert!(taken < 1_400_000, "{taken} bytes were taken from a peer that nobody reads");
        for id in 0..20 {
            assert_eq!(receive(&mut cloud).await.0, upload(id, 1));
        }
    });
}

#[test]
fn what_a_peer_says_in_parting_does_not_reach_the_terminal_as_it_is() {
    run(async {
        let mut server = serve(&settings());
        let (connection, _control, mut link) = insider(&mut server).await;
        connection.close(7_u32.into(), "it\'s \x1b[2J over\n".repeat(50).as_bytes());
        let why = closed(&mut link).await;
        assert!(why.contains("it's \\u{1b}[2J over\\n"), "{why}");
        assert!(!why.contains(char::is_control) && why.len() < 300, "{why}");
    });
}

#[test]
fn a_cloud_serves_as_many_edges_as_it_may_and_others_when_these_have_gone() {
    run(async {
        let one = Settings { links_max: 1, ..settings() };
        let (mut server, edge, mut cloud) = pair(&one, None).await;
        let ticket = server.ticket(server.address());
        let error = connect(&ticket, &one, None).await.expect_err("one too many");
        assert!(matches!(&error, TransportError::Refused(why) if why.contains("as many")));
        refusal(&mut server).await;
        edge.close().await;
        closed(&mut cloud).await;
        let (edge, cloud) = tokio::join!(connect(&ticket, &one, None), accept(&mut server));
        goes_on(&mut edge.expect("room again"), &mut { cloud }).await;
    });
}

/// Strangers that shake hands and say nothing, and those that were let in to do so.
async fn silent_strangers(from: [u8; 4], address: SocketAddr, count: usize) -> Vec<Connection> {
    let mut silent = Vec::new();
    for _ in 0..count {
        match stranger_from(from, address, ALPN).await {
            Ok(connection) => silent.push(connection),
            Err(error) => assert!(matches!(error, ConnectionError::ConnectionClosed(_)), "{error}"),
        }
    }
    silent
}

#[test]
fn strangers_of_one_host_that_say_nothing_keep_no_other_out() {
    run(async {
        let few = Settings { handshakes_max: 16, ..settings() };
        let mut server = serve(&few);
        let silent = silent_strangers([127, 0, 0, 2], server.address(), 40).await;
        assert_eq!(silent.len(), 8);
        let ticket = server.ticket(server.address());
        let begun = Instant::now();
        let (edge, mut cloud) = tokio::join!(connect(&ticket, &few, None), accept(&mut server));
        goes_on(&mut edge.expect("there is room"), &mut cloud).await;
        assert!(begun.elapsed() < few.handshake / 2, "before any of them is given up");
    });
}

#[test]
fn an_edge_of_a_host_of_many_strangers_comes_again_until_it_is_let_in() {
    run(async {
        let mut server = serve(&Settings { handshake: Duration::from_secs(2), ..settings() });
        let silent = silent_strangers([127, 0, 0, 1], server.address(), 12).await;
        assert_eq!(silent.len(), 8);
        let ticket = server.ticket(server.address());
        let impatient = Settings { handshake: Duration::from_millis(100), ..settings() };
        let error = connect(&ticket, &impatient, None).await.expect_err("no room yet");
        assert!(matches!(&error, TransportError::Refused(why) if why.contains("door")), "{error}");
        let patient = Settings { handshake: Duration::from_secs(20), ..settings() };
        let accepting = async {
            for _ in 0..8 {
                assert_eq!(refusal(&mut server).await, "no hello in time");
            }
            accept(&mut server).await
        };
        let (edge, mut cloud) = tokio::join!(connect(&ticket, &patient, None), accepting);
        goes_on(&mut edge.expect("room again"), &mut cloud).await;
        assert_eq!(server.refused(), 8);
    });
}

#[test]
fn noise_on_the_socket_disturbs_nobody() {
    run(async {
        let (server, mut edge, mut cloud) = pair(&settings(), None).await;
        let noise = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        for k in 0..2000_u32 {
            // A header of each kind, and no sense behind it.
            let bytes: Vec<u8> = (0..k % 1400).map(|i| (i * 31 + k * 7) as u8).collect();
            noise.send_to(&bytes, server.address()).expect("sent");
        }
        goes_on(&mut edge, &mut cloud).await;
    });
}
