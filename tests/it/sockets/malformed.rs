//! Frames that are none.

use cloud_tests::Cloud;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};
use wire::{
    access::Role,
    terminal::{HEADER_BYTES, Header, MAX_CONTROL_BYTES, MAX_PAYLOAD, close},
};

use super::{hello, ping};

#[tokio::test]
async fn malformed_frames_close_the_socket_and_change_nothing() {
    let cloud = Cloud::start().await;
    let agent = hello(&cloud).await;
    let header = Header { kind: 0x11, flags: 0, stream: 0, offset: 0 };
    let latin = Frame::message(vec![b'"', 0xe9, b'"'], OpCode::Data(Data::Text), true);
    let frames = [
        ("empty", Message::binary(vec![])),
        ("short", Message::binary(vec![0x11; HEADER_BYTES - 1])),
        ("long", Message::binary(header.frame(&vec![b'x'; MAX_PAYLOAD + 1]))),
        ("far too long", Message::binary(header.frame(&vec![b'x'; 1 << 20]))),
        ("not JSON", Message::text("{")),
        ("not an object", Message::text("[]")),
        ("without a type", Message::text(r#"{"stream":0}"#)),
        ("of a wrong type", Message::text(r#"{"type":"attach","stream":"terminal","from":"snapshot"}"#)),
        ("a stream there is not", Message::text(r#"{"type":"attach","stream":7,"from":"snapshot"}"#)),
        ("a negative size", Message::text(r#"{"type":"resize","cols":-1,"rows":24}"#)),
        ("long text", Message::text(format!(r#"{{"type":"{}"}}"#, "x".repeat(MAX_CONTROL_BYTES)))),
        ("not UTF-8", Message::Frame(latin)),
    ];
    for (what, frame) in frames {
        let mut terminal = cloud.terminal(&agent).await;
        terminal.send_raw(frame).await;
        assert_eq!(terminal.wait_close().await, close::BAD_FRAME, "{what}");
    }
    let mut terminal = cloud.terminal(&agent).await;
    terminal.run("still here").await;
    terminal.wait_line("You said: still here").await;
}

#[tokio::test]
async fn what_a_newer_client_says_is_ignored() {
    let cloud = Cloud::start().await;
    let agent = hello(&cloud).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.send_raw(Message::text(r#"{"type":"dance","steps":3}"#)).await;
    let unknown = Header { kind: 0x7f, flags: 0xff, stream: 9, offset: u64::MAX };
    terminal.send_raw(Message::binary(unknown.frame(b"x"))).await;
    ping(&mut terminal).await;
    terminal.run("still here").await;
    terminal.wait_line("You said: still here").await;
    assert_eq!(cloud.socket(&agent, Role::Operator).await.closed, None);
}
