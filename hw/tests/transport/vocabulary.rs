//! Ends whose models speak of different ids: refused, and told where they differ.

use std::sync::Arc;

use pipesd_hw::pair::TokenBytes;
use pipesd_hw::transport::{Settings, TransportError, connect};

use crate::support::{refusal, run, serve, settings};

fn speaks(tokens: &Arc<TokenBytes>) -> Settings {
    let (vocabulary, token_bytes) = (Some(tokens.hello()), Some(Arc::clone(tokens)));
    Settings { vocabulary, token_bytes, ..settings() }
}

/// `size` tokens, the one at `changed` another than usual.
fn tokens(size: u32, changed: Option<u32>) -> Arc<TokenBytes> {
    let token = |id| match changed {
        Some(changed) if changed == id => b"changed".to_vec(),
        _ => format!("t{id}").into_bytes(),
    };
    Arc::new(TokenBytes::new((0..size).map(token)))
}

#[test]
fn the_edge_is_told_the_first_id_that_differs_and_what_it_is_at_both_ends() {
    run(async {
        for (ours, theirs, told) in [
            (
                tokens(1000, None),
                tokens(1000, Some(0)),
                r#"id 0 is "t0" to the draft, "changed" to"#,
            ),
            (tokens(1000, None), tokens(1000, Some(700)), r#"id 700 is "t700" to the draft"#),
            (tokens(1000, Some(999)), tokens(1000, None), r#"id 999 is "changed" to the draft"#),
            (
                tokens(512, None),
                tokens(513, None),
                r#"the edge's pair has 512 ids, the cloud's 513; id 512 is nothing to the draft"#,
            ),
            (tokens(513, None), tokens(512, None), r#""t512" to the draft, nothing to the target"#),
        ] {
            let mut server = serve(&speaks(&theirs));
            let ticket = server.ticket(server.address());
            let settings = speaks(&ours);
            let (edge, why) = tokio::join!(connect(&ticket, &settings, None), refusal(&mut server));
            let error = edge.expect_err("another vocabulary");
            assert!(matches!(error, TransportError::Vocabulary(_)), "{error}");
            assert!(error.to_string().contains(told), "{error}");
            assert!(why.contains("another vocabulary"), "{why}");
        }
    });
}

#[test]
fn the_same_tokens_are_one_vocabulary_whoever_read_them() {
    run(async {
        let mut server = serve(&speaks(&tokens(300, None)));
        let ticket = server.ticket(server.address());
        let settings = speaks(&tokens(301, None).as_ref().clone().truncated(300).into());
        let (edge, cloud) =
            tokio::join!(connect(&ticket, &settings, None), crate::support::accept(&mut server));
        edge.expect("a link").close().await;
        drop(cloud);
    });
}

#[test]
fn an_edge_that_does_not_know_its_tokens_is_refused_all_the_same() {
    run(async {
        let mut server = serve(&speaks(&tokens(300, None)));
        let ticket = server.ticket(server.address());
        let vocabulary = Some(tokens(300, Some(3)).hello());
        let settings = Settings { vocabulary, ..settings() };
        let (edge, _) = tokio::join!(connect(&ticket, &settings, None), refusal(&mut server));
        let error = edge.expect_err("another vocabulary");
        assert_eq!(error, TransportError::Refused("vocabulary".into()));
    });
}
