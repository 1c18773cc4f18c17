//! An agent in 20 lines: greets, and answers each line a second later.
agent::main!(main);

async fn main(start: agent::Start) -> Result<(), agent::Error> {
    agent::println!("Hello, I am {}.", start.name);
    loop {
        agent::next_input().await;
        agent::sleep(std::time::Duration::from_secs(1)).await?;
        agent::println!("Still here.");
    }
}
